//! `GET /api/admin/audit`: the audit log, the newest first.

use axum::{Router, extract::State, routing::get};
use shared::{
    audit::{self, AuditFilter, AuditPage},
    auth::{App, Signed},
    http::{Page, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::Permission,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new().route("/api/admin/audit", get(list));
    app.serve(routes).await
}

/// Who did what.
#[utoipa::path(get, path = "/api/admin/audit", operation_id = "listAuditEntries", tag = "administration", params(AuditFilter, Page), security(("bearer" = [])),
    responses((status = 200, body = AuditPage)))]
pub async fn list(
    State(app): State<App>,
    user: Signed<rate_limits::Admin>,
    Query(filter): Query<AuditFilter>,
    page: Page,
) -> Result<Reply, Problem> {
    user.require(Permission::SystemLogs)?;
    Ok(Reply::ok(&audit::list(&app.mongo, &filter, page).await?))
}
