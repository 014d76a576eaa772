//! `GET /api/ai/usage`: what an account used, in groups.

use axum::{Router, extract::State, routing::get};
use shared::{
    auth::{App, Principal, Signed},
    clock,
    http::{Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::Permission,
    usage::reports::{SummaryFilter, UsageSummary, summarise},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new().route("/api/ai/usage", get(show));
    app.serve(routes).await
}

/// Usage by day, provider or model.
#[utoipa::path(get, path = "/api/ai/usage", operation_id = "getUsageSummary", tag = "usage", params(SummaryFilter), security(("bearer" = [])),
    responses((status = 200, body = UsageSummary),
        (status = 404)))]
pub async fn show(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    Query(filter): Query<SummaryFilter>,
) -> Result<Reply, Problem> {
    let range = filter.range(clock::now())?;
    let subject = subject(&app, &user, filter.user_id).await?;
    Ok(Reply::ok(&summarise(&app.mongo, &subject, &range, filter.group_by).await?))
}

/// The caller, or somebody of their organisation.
async fn subject(app: &App, principal: &Principal, wanted: Option<String>) -> Result<String, Problem> {
    let Some(id) = wanted.filter(|id| id != principal.id()) else { return Ok(principal.id().to_owned()) };
    principal.require(Permission::AnalyticsOrg)?;
    let account = app.users.find(&id).await?;
    let seen = account.filter(|account| principal.sees_organization(account.organization_id.as_deref()));
    seen.map(|account| account.id.clone()).ok_or_else(|| Problem::not_found("There is no such account in your reach."))
}
