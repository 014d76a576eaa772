//! `GET`, `POST /api/bug-reports`, `PATCH /api/bug-reports/{id}`: what went wrong, and what became of it.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, patch},
};
use serde::Deserialize;
use shared::{
    accounts::{Guard, Guarded, Principal},
    audit::{Action, Fact, Trail},
    bug_reports::{self, Created, NewReport, ReportFilter, ReportPage, ReportView, Status, TRIAGE, Triage, Triaged},
    cache::Cache,
    http::{Caller, JsonBody, Page, Path, Problem, Query, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// Which reports.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// `new`, `triaged`, `resolved` or `rejected`.
    status: Option<Status>,
    /// Not only one's own, but all that one may triage. For organisation admins.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    all: bool,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
    trail: Trail,
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
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        trail: Trail::from_env(&mongo)?,
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/bug-reports", get(list).post(create))
        .route("/api/bug-reports/{id}", patch(step))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// The caller's reports, or with `all` those of their organisation, the newest first.
#[utoipa::path(get, path = "/api/bug-reports", tag = "operations", params(ReportQuery), security(("bearer" = [])),
    responses((status = 200, body = ReportPage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<ReportQuery>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    if query.all {
        principal.require(TRIAGE)?;
    }
    let page = Page { limit: query.limit, cursor: query.cursor };
    let filter = ReportFilter { status: query.status, all: query.all };
    Ok(Reply::ok(&bug_reports::list(&app.mongo, &principal, &filter, page.limit()?, page.cursor()?).await?))
}

/// Reports something that went wrong. Secrets in the page's address are left out.
///
/// Sent again within 24 hours (the same page and description), it gets the report that is there.
#[utoipa::path(post, path = "/api/bug-reports", tag = "operations", request_body = NewReport, security(("bearer" = [])),
    responses((status = 201, body = ReportView), (status = 200, description = "It was reported before", body = ReportView),
        (status = 409, description = "`too_many_reports`")))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(report): JsonBody<NewReport>,
) -> Result<Reply, Problem> {
    limits::BUG_REPORTS.check(&app.cache, &caller, principal.id()).await?;
    match bug_reports::create(&app.mongo, &principal.account, report).await? {
        Created::Done(report) => Ok(Reply::created(&report)),
        Created::Known(report) => Ok(Reply::ok(&report)),
        Created::TooMany => {
            let limit = format!("{} of your reports are open: give us time for them.", bug_reports::LIMIT);
            Err(Problem::conflict("too_many_reports", limit))
        }
    }
}

/// Takes a report a step further: new → triaged → resolved or rejected.
#[utoipa::path(patch, path = "/api/bug-reports/{id}", tag = "operations", params(("id" = String, Path)), request_body = Triage, security(("bearer" = [])),
    responses((status = 200, body = ReportView),
        (status = 409, description = "`not_from_here`")))]
pub async fn step(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(step): JsonBody<Triage>,
) -> Result<Reply, Problem> {
    principal.require(TRIAGE)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let report = match bug_reports::triage(&app.mongo, &principal, &id, step).await? {
        Triaged::Done(report) => report,
        Triaged::NotFromHere => {
            return Err(Problem::conflict("not_from_here", "The report does not stand where such a step begins."));
        }
        Triaged::Absent => return Err(Problem::not_found("There is no such report.")),
    };
    let fact = Fact::new(Action::BugReportTriaged).by(&principal.account).on("bug_report", &report.id);
    app.trail.record(&caller, fact.with("status", serde_json::to_value(report.status)?)).await?;
    Ok(Reply::ok(&report))
}
