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
    let (mongo, cache) = (Mongo::from_env(Lifetime::FromStart)?, Cache::from_env()?);
    let app = PublicApp::new(cache.clone(), Login::from_env(&mongo, &cache)?);
    app.serve(Router::new().route("/api/auth/login", post(login)), mongo).await
}

/// Signs in. After five failures of a network at an account, or of a device, further attempts have to wait: a minute,
/// then twice as long each time, up to an hour. A new password set by a mailed link ends that.
#[utoipa::path(post, path = "/api/auth/login", operation_id = "signIn", tag = "accounts", request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), (status = 401), (status = 403)))]
pub async fn login(
    State(app): State<PublicApp<Login>>,
    client: Counted<rate_limits::SignIn>,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.attempt(&client, &request).await?))
}
