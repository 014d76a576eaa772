//! `GET /api/admin/usage-reports/daily/{date}`, `…/monthly/{month}`: as JSON, or as a page with charts.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use http::{HeaderMap, header};
use shared::{
    accounts::{Guard, Guarded, Permission, Principal},
    cache::Cache,
    http::{Caller, Path, Problem, ProblemDocument, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    usage::{Report, page, read_report},
};

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App { guard: Guard::from_env(&mongo, &cache)?, mongo: mongo.clone(), cache: cache.clone() };
    let router = Router::new()
        .route("/api/admin/usage-reports/daily/{date}", get(daily))
        .route("/api/admin/usage-reports/monthly/{month}", get(monthly))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// The report of a day, `2026-11-22`; with `accept: text/html` as a page.
#[utoipa::path(get, path = "/api/admin/usage-reports/daily/{date}", tag = "administration", params(("date" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = Report), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub async fn daily(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(date): Path<String>,
    headers: HeaderMap,
) -> Result<Reply, Problem> {
    app.show(&caller, &principal, "daily", &date, &headers).await
}

/// The report of a month, `2026-10`; with `accept: text/html` as a page.
#[utoipa::path(get, path = "/api/admin/usage-reports/monthly/{month}", tag = "administration", params(("month" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = Report), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub async fn monthly(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(month): Path<String>,
    headers: HeaderMap,
) -> Result<Reply, Problem> {
    app.show(&caller, &principal, "monthly", &month, &headers).await
}

impl App {
    async fn show(
        &self,
        caller: &Caller,
        principal: &Principal,
        kind: &str,
        period: &str,
        headers: &HeaderMap,
    ) -> Result<Reply, Problem> {
        principal.require(Permission::AnalyticsOrg)?;
        limits::ADMIN.check(&self.cache, caller, principal.id()).await?;
        let report = read_report(&self.mongo, kind, period).await?;
        let report = report.ok_or_else(|| Problem::not_found("There is no report of that period (yet)."))?;
        let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(if accepts.contains("text/html") { Reply::page(page::page(&report)) } else { Reply::ok(&report) })
    }
}
