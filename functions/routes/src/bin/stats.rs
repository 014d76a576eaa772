//! `GET /api/stats`, `POST /api/stats/invalidate`: what the platform holds, computed at most once an hour.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    http::{Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::Permission,
    stats::{self, ServedStats},
};

pub struct Own {
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    // The database is needed once an hour: the client goes when its work is done.
    let app = App::with(Lifetime::Invocation, |clients| Ok(Own { audit_log: AuditLog::from_env(&clients.ledger)? }))?;
    let routes = Router::new().route("/api/stats", get(show)).route("/api/stats/invalidate", post(invalidate));
    app.serve(routes).await
}

/// Statistics of the platform.
#[utoipa::path(get, path = "/api/stats", operation_id = "getStats", tag = "statistics",
    responses((status = 200, body = ServedStats)))]
pub async fn show(State(app): State<App<Own>>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&stats::serve(&app.mongo, &app.cache).await?))
}

/// Makes the next reader compute the statistics anew; until then the old ones are kept for outages.
#[utoipa::path(post, path = "/api/stats/invalidate", operation_id = "invalidateStats", tag = "statistics", security(("bearer" = [])),
    responses((status = 204)))]
pub async fn invalidate(State(app): State<App<Own>>, user: Signed<rate_limits::Admin>) -> Result<Reply, Problem> {
    user.require(Permission::SystemMaintenance)?;
    app.own.audit_log.record(&user.client, AuditEvent::new(Action::StatsInvalidated).by(&user.account)).await?;
    stats::invalidate(&app.cache).await;
    Ok(Reply::no_content())
}
