//! `POST`, `GET /api/workbench/runs`: runs of the tools that cost money.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use shared::{
    accounts::{Base, Permission, Principal},
    clock,
    http::{Caller, JsonBody, Page, Problem, Query, Reply},
    lambda, limits,
    mongo::Lifetime,
    workbench::{self, RunFilter, RunPage, RunView, StartRequest, Started, Status},
};
use utoipa::IntoParams;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct RunQuery {
    /// Of this tool.
    tool_id: Option<String>,
    /// `pending`, `success`, `error` or `budget_exceeded`.
    status: Option<Status>,
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
    let router = Router::new().route("/api/workbench/runs", get(list).post(start)).with_state(app);
    lambda::http(router, connections).await
}

/// Starts a run, if its estimate is within the tool's budget and the day's quota.
///
/// Sent again under the same id with the same prompt, it starts nothing and gets the run as it stands (200).
#[utoipa::path(post, path = "/api/workbench/runs", tag = "workbench", request_body = StartRequest, security(("bearer" = [])),
    responses((status = 201, body = RunView), (status = 200, description = "It was started before", body = RunView),
        (status = 403, description = "`budget_exceeded`, or not allowed"), (status = 409, description = "`run_id_taken`"), (status = 429, description = "The day's quota")))]
pub async fn start(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(request): JsonBody<StartRequest>,
) -> Result<Response, Problem> {
    principal.require(Permission::WorkbenchBasic)?;
    limits::RUNS.check(&app.cache, &caller, principal.id()).await?;
    Ok(match workbench::start(&app.mongo, &principal.account, request, clock::now()).await? {
        Started::New(run) => Reply::created(&run).into_response(),
        Started::Replayed(run) => Reply::ok(&run).into_response(),
    })
}

/// The caller's runs without their output, the newest first.
#[utoipa::path(get, path = "/api/workbench/runs", tag = "workbench", params(RunQuery), security(("bearer" = [])),
    responses((status = 200, body = RunPage)))]
pub async fn list(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<RunQuery>,
) -> Result<Reply, Problem> {
    principal.require(Permission::WorkbenchBasic)?;
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    let filter = RunFilter { tool_id: query.tool_id, status: query.status };
    Ok(Reply::ok(&workbench::list(&app.mongo, principal.id(), &filter, page.limit()?, page.cursor()?).await?))
}
