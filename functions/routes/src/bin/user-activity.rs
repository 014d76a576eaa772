//! `GET /api/user/stats`, `POST /api/user/activity`: what somebody did. `GET /api/user-stats` is the old name.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, header};
use shared::{
    auth::{App, Signed},
    clock,
    http::{Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    users::activity::{self, Activity, LoginFigures, UserActivity},
};

/// RFC 9745: since when the old name is deprecated (2026-11-01).
const DEPRECATED_SINCE: HeaderValue = HeaderValue::from_static("@1793491200");

#[tokio::main(flavor = "current_thread")]
#[expect(deprecated, reason = "the old name is served as well")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new()
        .route("/api/user/stats", get(show))
        .route("/api/user-stats", get(show_by_old_name))
        .route("/api/user/activity", post(record));
    app.serve(routes).await
}

/// The caller's own figures.
#[utoipa::path(get, path = "/api/user/stats", operation_id = "getUserActivity", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = UserActivity)))]
pub async fn show(State(app): State<App>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&activity::figures(&app.mongo, &user.account, clock::now()).await?))
}

/// The caller's streak as the front end's dashboard reads it; notes that they were here today, as it always did.
#[utoipa::path(get, path = "/api/user-stats", operation_id = "getLoginFigures", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = LoginFigures, headers(("deprecation"), ("link")))))]
#[deprecated = "the API's old name for /api/user/stats"]
pub async fn show_by_old_name(State(app): State<App>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    let now = clock::now();
    activity::record(&app.mongo, user.id(), now).await?;
    let figures = LoginFigures::from(activity::figures(&app.mongo, &user.account, now).await?);
    let reply = Reply::ok(&figures).with(HeaderName::from_static("deprecation"), DEPRECATED_SINCE);
    Ok(reply.with(header::LINK, HeaderValue::from_static("</api/user/stats>; rel=\"successor-version\"")))
}

/// Notes that the caller was here today; a second time changes nothing.
#[utoipa::path(post, path = "/api/user/activity", operation_id = "recordUserActivity", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = Activity)))]
pub async fn record(State(app): State<App>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&activity::record(&app.mongo, user.id(), clock::now()).await?))
}
