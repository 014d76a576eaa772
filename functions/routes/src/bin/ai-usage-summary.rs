//! `GET /api/ai/usage`: what an account used, in groups.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    accounts::{Base, Permission, Principal, not_allowed},
    clock,
    http::{Caller, Problem, Query, Reply},
    lambda, limits,
    mongo::Lifetime,
    usage::{GroupBy, SummaryFilter, UsageSummary, summarise, summary_range},
};
use utoipa::IntoParams;

/// Whose usage, when, and in which groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// From this instant on (RFC 3339); 30 days ago when absent.
    #[param(value_type = Option<String>, format = "date-time")]
    from: Option<Timestamp>,
    /// Before this instant (RFC 3339); now when absent.
    #[param(value_type = Option<String>, format = "date-time")]
    to: Option<Timestamp>,
    #[serde(default)]
    #[param(inline)]
    group_by: GroupBy,
    /// Somebody else of one's organisation, with the permission `analytics:org`.
    user_id: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = Base::from_env(Lifetime::Environment)?;
    let connections = app.connections();
    lambda::http(Router::new().route("/api/ai/usage", get(show)).with_state(app), connections).await
}

/// Usage by day, provider or model.
#[utoipa::path(get, path = "/api/ai/usage", tag = "usage", params(UsageQuery), security(("bearer" = [])),
    responses((status = 200, body = UsageSummary),
        (status = 404)))]
pub async fn show(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<UsageQuery>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let range = summary_range(query.from, query.to, clock::now())?;
    let user_id = subject(&app, &principal, query.user_id).await?;
    let filter = SummaryFilter { user_id, range, group_by: query.group_by };
    Ok(Reply::ok(&summarise(&app.mongo, &filter).await?))
}

/// The caller, or somebody of their organisation.
async fn subject(app: &Base, principal: &Principal, wanted: Option<String>) -> Result<String, Problem> {
    let Some(id) = wanted.filter(|id| id != principal.id()) else { return Ok(principal.id().to_owned()) };
    if !principal.role().may(Permission::AnalyticsOrg) {
        return Err(not_allowed());
    }
    let account = app.guard.users.find(&id).await?;
    let seen = account.filter(|account| principal.sees_organization(account.organization_id.as_deref()));
    seen.map(|account| account.id.clone()).ok_or_else(|| Problem::not_found("There is no such account in your reach."))
}
