//! `POST /api/auth/login`: tokens for a password, or a challenge for the second factor.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use shared::{
    accounts::{Login, LoginAnswer, LoginRequest},
    cache::Cache,
    http::{Caller, JsonBody, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};

/// What the handler needs.
pub struct App {
    cache: Cache,
    login: Login,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Environment)?, Cache::from_env()?);
    let app = App { login: Login::from_env(&mongo, &cache)?, cache: cache.clone() };
    lambda::http(Router::new().route("/api/auth/login", post(login)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// Signs in. Five failures lock an address for a quarter of an hour.
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), (status = 401), (status = 403)))]
pub async fn login(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Reply, Problem> {
    limits::SIGN_IN.check_address(&app.cache, &caller).await?;
    Ok(Reply::ok(&app.login.attempt(&caller, &request).await?))
}
