//! `GET`, `PUT /api/user/notification-preferences`: how to be told about one's usage.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use shared::{
    accounts::{Base, Principal},
    http::{Caller, JsonBody, Problem, Reply},
    lambda, limits,
    mongo::Lifetime,
    usage::preferences::{self, Preferences},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = Base::from_env(Lifetime::Invocation)?;
    let connections = app.connections();
    let route = get(show).put(replace);
    let router = Router::new().route("/api/user/notification-preferences", route).with_state(app);
    lambda::http(router, connections).await
}

/// The caller's preferences.
#[utoipa::path(get, path = "/api/user/notification-preferences", tag = "usage", security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub async fn show(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    Ok(Reply::ok(&preferences::read(&app.mongo, principal.id()).await?))
}

/// Replaces the caller's preferences; what is left out is as by default.
#[utoipa::path(put, path = "/api/user/notification-preferences", tag = "usage", request_body = Preferences, security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub async fn replace(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(request): JsonBody<Preferences>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    preferences::write(&app.mongo, principal.id(), &request).await?;
    Ok(Reply::ok(&request))
}
