//! `POST /api/auth/login`: tokens for a password, or a challenge for the second factor.

use axum::{Router, extract::State, routing::post};
use shared::{
    auth::{Login, LoginAnswer, LoginRequest},
    cache::Cache,
    http::{Counted, JsonBody, Problem, Reply},
    lambda::{self, PublicApp},
    mongo::{Lifetime, Mongo},
    rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Environment)?, Cache::from_env()?);
    let app = PublicApp::new(cache.clone(), Login::from_env(&mongo, &cache)?);
    app.serve(Router::new().route("/api/auth/login", post(login)), mongo).await
}

/// Signs in. Five failures lock an address for a quarter of an hour, or until a mailed link sets a new password.
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), (status = 401), (status = 403)))]
pub async fn login(
    State(app): State<PublicApp<Login>>,
    client: Counted<rate_limits::SignIn>,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.attempt(&client, &request).await?))
}
