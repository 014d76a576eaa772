//! `GET /api/admin/audit`: the audit trail, the newest first.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    accounts::{Base, Permission, Principal},
    audit::{self, AuditFilter, AuditPage},
    http::{Caller, Page, Problem, Query, Reply},
    lambda, limits,
    mongo::Lifetime,
};
use utoipa::IntoParams;

/// How the trail is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Id of who did it.
    actor: Option<String>,
    /// `auth.login.failed`, …
    action: Option<String>,
    /// `auth`, `security`, `admin` or `data`.
    category: Option<String>,
    /// `info`, `warning` or `error`.
    severity: Option<String>,
    /// `user/<id>`, …
    resource: Option<String>,
    /// From this instant on (RFC 3339).
    #[param(value_type = Option<String>, format = "date-time")]
    from: Option<Timestamp>,
    /// Before this instant (RFC 3339).
    #[param(value_type = Option<String>, format = "date-time")]
    to: Option<Timestamp>,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = Base::from_env(Lifetime::Invocation)?;
    let connections = app.connections();
    lambda::http(Router::new().route("/api/admin/audit", get(list)).with_state(app), connections).await
}

/// Who did what.
#[utoipa::path(get, path = "/api/admin/audit", tag = "administration", params(AuditQuery), security(("bearer" = [])),
    responses((status = 200, body = AuditPage)))]
pub async fn list(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<AuditQuery>,
) -> Result<Reply, Problem> {
    principal.require(Permission::SystemLogs)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    let filter = AuditFilter {
        actor: query.actor,
        action: query.action,
        category: query.category,
        severity: query.severity,
        resource: query.resource,
        from: query.from,
        to: query.to,
    };
    Ok(Reply::ok(&audit::list(&app.mongo, &filter, page.limit()?, page.cursor()?).await?))
}
