//! `GET /api/admin/usage-reports/daily/{date}`, `…/monthly/{month}`: as JSON, or as a page with charts. For super admins:
//! a report names accounts of every organisation, and what they spent.

use axum::{Extension, Router, extract::State, routing::get};
use http::{HeaderMap, header};
use shared::{
    auth::{App, Principal},
    http::{ClientInfo, Limit, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::{Permission, Role, not_allowed},
    usage::reports::{UsageReport, read_report, render},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new()
        .route("/api/admin/usage-reports/daily/{date}", get(daily))
        .route("/api/admin/usage-reports/monthly/{month}", get(monthly));
    app.serve(routes).await
}

/// The report of a day, `2026-11-22`, over all organisations: for super admins. With `accept: text/html` as a page.
#[utoipa::path(get, path = "/api/admin/usage-reports/daily/{date}", operation_id = "getDailyUsageReport", tag = "administration", params(("date" = String, Path, description = "A UTC day", format = "date", example = "2026-11-22")), security(("bearer" = [])),
    responses((status = 200, body = UsageReport)))]
pub async fn daily(
    State(app): State<App>,
    Extension(client): Extension<ClientInfo>,
    principal: Principal,
    Path(date): Path<String>,
    headers: HeaderMap,
) -> Result<Reply, Problem> {
    show(&app, &client, &principal, "daily", &date, &headers).await
}

/// The report of a month, `2026-10`, over all organisations: for super admins. With `accept: text/html` as a page.
#[utoipa::path(get, path = "/api/admin/usage-reports/monthly/{month}", operation_id = "getMonthlyUsageReport", tag = "administration", params(("month" = String, Path, description = "A UTC month", pattern = "^[0-9]{4}-[0-9]{2}$", example = "2026-10")), security(("bearer" = [])),
    responses((status = 200, body = UsageReport)))]
pub async fn monthly(
    State(app): State<App>,
    Extension(client): Extension<ClientInfo>,
    principal: Principal,
    Path(month): Path<String>,
    headers: HeaderMap,
) -> Result<Reply, Problem> {
    show(&app, &client, &principal, "monthly", &month, &headers).await
}

async fn show(
    app: &App,
    client: &ClientInfo,
    principal: &Principal,
    kind: &str,
    period: &str,
    headers: &HeaderMap,
) -> Result<Reply, Problem> {
    principal.require(Permission::AnalyticsOrg)?;
    // Who runs an organisation has that permission too, for their own.
    if principal.role() != Role::SuperAdmin {
        return Err(not_allowed());
    }
    rate_limits::Admin::POLICY.check(&app.cache, client, principal.id()).await?;
    let report = read_report(&app.mongo, kind, period).await?;
    let report = report.ok_or_else(|| Problem::not_found("There is no report of that period (yet)."))?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(if accepts.contains("text/html") { Reply::page(render::page(&report)) } else { Reply::ok(&report) })
}
