//! `GET`, `POST /api/usage-alerts`, `PATCH`, `DELETE /api/usage-alerts/{id}`: what to be told about one's usage.

use axum::{
    Router,
    extract::State,
    routing::{get, patch},
};
use serde::Serialize;
use shared::{
    auth::{App, Signed},
    http::{JsonBody, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    usage::alerts::{self, AlertChange, AlertView, NewAlert},
};
use utoipa::ToSchema;

/// The caller's alerts.
#[derive(Serialize, ToSchema)]
pub struct AlertList {
    alerts: Vec<AlertView>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new()
        .route("/api/usage-alerts", get(list).post(create))
        .route("/api/usage-alerts/{id}", patch(change).delete(remove));
    app.serve(routes).await
}

/// The caller's alerts, the newest first.
#[utoipa::path(get, path = "/api/usage-alerts", operation_id = "listUsageAlerts", tag = "usage", security(("bearer" = [])),
    responses((status = 200, body = AlertList)))]
pub async fn list(State(app): State<App>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&AlertList { alerts: alerts::list(&app.mongo, user.id()).await? }))
}

/// Sets an alert up.
///
/// Told at 50 (if asked for), 80, 90 and 100 % of its threshold, once each a period; of several reached within an hour,
/// the highest.
#[utoipa::path(post, path = "/api/usage-alerts", operation_id = "createUsageAlert", tag = "usage", request_body = NewAlert, security(("bearer" = [])),
    responses((status = 201, body = AlertView), (status = 409)))]
pub async fn create(
    State(app): State<App>,
    user: Signed<rate_limits::AlertChanges>,
    JsonBody(request): JsonBody<NewAlert>,
) -> Result<Reply, Problem> {
    let too_many =
        || Problem::conflict("too_many_alerts", format!("{} alerts are the limit: remove one first.", alerts::LIMIT));
    let alert = alerts::create(&app.ledger, &user.account, request).await?.ok_or_else(too_many)?;
    Ok(Reply::created(&alert))
}

/// Changes an alert's threshold, or turns it on or off.
///
/// A new threshold is told by itself, in the running period too.
#[utoipa::path(patch, path = "/api/usage-alerts/{id}", operation_id = "changeUsageAlert", tag = "usage", params(("id" = String, Path)), request_body = AlertChange, security(("bearer" = [])),
    responses((status = 200, body = AlertView)))]
pub async fn change(
    State(app): State<App>,
    user: Signed<rate_limits::AlertChanges>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<AlertChange>,
) -> Result<Reply, Problem> {
    let alert = alerts::change(&app.mongo, user.id(), &id, &request).await?;
    Ok(Reply::ok(&alert.ok_or_else(absent)?))
}

/// Removes an alert.
#[utoipa::path(delete, path = "/api/usage-alerts/{id}", operation_id = "deleteUsageAlert", tag = "usage", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    if alerts::remove(&app.mongo, user.id(), &id).await? { Ok(Reply::no_content()) } else { Err(absent()) }
}

fn absent() -> Problem {
    Problem::not_found("You have no such alert.")
}
