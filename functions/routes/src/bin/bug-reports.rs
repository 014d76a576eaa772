//! `GET`, `POST /api/bug-reports`, `PATCH /api/bug-reports/{id}`: what went wrong, and what became of it.

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, patch},
};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Principal, Signed},
    bug_reports::{self, NewReport, ReportFilter, ReportPage, ReportView, Reported, TRIAGE, Triage},
    http::{ClientInfo, JsonBody, Limit, Page, Path, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
};

pub struct Own {
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| Ok(Own { audit_log: AuditLog::from_env(&clients.ledger)? }))?;
    let routes =
        Router::new().route("/api/bug-reports", get(list).post(create)).route("/api/bug-reports/{id}", patch(step));
    app.serve(routes).await
}

/// The caller's reports, or with `all` those of their organisation, the newest first.
#[utoipa::path(get, path = "/api/bug-reports", operation_id = "listBugReports", tag = "feedback", params(ReportFilter, Page), security(("bearer" = [])),
    responses((status = 200, body = ReportPage)))]
pub async fn list(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Query(filter): Query<ReportFilter>,
    page: Page,
) -> Result<Reply, Problem> {
    if filter.all {
        user.require(TRIAGE)?;
    }
    Ok(Reply::ok(&bug_reports::list(&app.mongo, &user, &filter, page).await?))
}

/// Reports something that went wrong, signed in or not. Secrets in the page's address are left out.
///
/// Sent again within 24 hours (the same page and description), it gets the report that is there.
#[utoipa::path(post, path = "/api/bug-reports", operation_id = "createBugReport", tag = "feedback", request_body = NewReport, security((), ("bearer" = [])),
    responses((status = 201, body = Reported), (status = 200, description = "It was reported before", body = Reported),
        (status = 409, description = "`too_many_reports`")))]
pub async fn create(
    State(app): State<App<Own>>,
    Extension(client): Extension<ClientInfo>,
    principal: Option<Principal>,
    JsonBody(report): JsonBody<NewReport>,
) -> Result<Reply, Problem> {
    match &principal {
        Some(user) => rate_limits::BugReports::POLICY.check(&app.cache, &client, user.id()).await?,
        None => rate_limits::AnonymousBugReports::POLICY.check_address(&app.cache, &client).await?,
    }
    let account = principal.as_ref().map(|user| &*user.account);
    Ok(bug_reports::create(&app.ledger, account, client.network(), report).await?.into())
}

/// Takes a report a step further: new → triaged → resolved or rejected.
#[utoipa::path(patch, path = "/api/bug-reports/{id}", operation_id = "triageBugReport", tag = "feedback", params(("id" = String, Path)), request_body = Triage, security(("bearer" = [])),
    responses((status = 200, body = ReportView),
        (status = 409, description = "`not_from_here`")))]
pub async fn step(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    Path(id): Path<String>,
    JsonBody(step): JsonBody<Triage>,
) -> Result<Reply, Problem> {
    user.require(TRIAGE)?;
    let report = bug_reports::triage(&app.mongo, &user, &id, step).await?;
    let event = AuditEvent::new(Action::BugReportTriaged).by(&user.account).on("bug_report", &report.id);
    app.own.audit_log.record(&user.client, event.with("status", serde_json::to_value(report.status)?)).await?;
    Ok(Reply::ok(&report))
}
