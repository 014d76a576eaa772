//! `GET`, `PUT /api/user/notification-preferences`: how to be told about one's usage.

use axum::{Router, extract::State, routing::get};
use shared::{
    auth::{App, Signed},
    http::{JsonBody, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    usage::alerts::preferences::{self, Preferences},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::Invocation)?;
    let routes = Router::new().route("/api/user/notification-preferences", get(show).put(replace));
    app.serve(routes).await
}

/// The caller's preferences.
#[utoipa::path(get, path = "/api/user/notification-preferences", tag = "usage", security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub async fn show(State(app): State<App>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&preferences::read(&app.mongo, user.id()).await?))
}

/// Replaces the caller's preferences; what is left out is as by default.
#[utoipa::path(put, path = "/api/user/notification-preferences", tag = "usage", request_body = Preferences, security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub async fn replace(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    JsonBody(request): JsonBody<Preferences>,
) -> Result<Reply, Problem> {
    preferences::write(&app.mongo, user.id(), &request).await?;
    Ok(Reply::ok(&request))
}
