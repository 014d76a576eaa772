//! `POST`, `GET /api/workbench/runs`: runs of the tools that cost money.

use axum::{Router, extract::State, routing::get};
use shared::{
    auth::{App, Signed},
    clock,
    http::{JsonBody, Page, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::Permission,
    usage::price::Prices,
    workbench::{self, RunFilter, RunPage, RunView, StartRequest},
};

/// What these routes need besides.
pub struct Own {
    prices: Prices,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own { prices: Prices::new(clients.mongo.clone(), clients.cache.clone()) })
    })?;
    let routes = Router::new().route("/api/workbench/runs", get(list).post(start));
    app.serve(routes).await
}

/// Starts a run, if its estimate is within the tool's budget and the day's quota.
///
/// Sent again under the same id with the same prompt, it starts nothing and gets the run as it stands (200).
#[utoipa::path(post, path = "/api/workbench/runs", operation_id = "startWorkbenchRun", tag = "workbench", request_body = StartRequest, security(("bearer" = [])),
    responses((status = 201, body = RunView), (status = 200, description = "It was started before", body = RunView),
        (status = 403, description = "`budget_exceeded`, or not allowed"), (status = 409, description = "`run_id_taken`"), (status = 429, description = "The day's quota")))]
pub async fn start(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Runs>,
    JsonBody(request): JsonBody<StartRequest>,
) -> Result<Reply, Problem> {
    user.require(Permission::WorkbenchBasic)?;
    Ok(workbench::start(&app.ledger, &app.own.prices, &user.account, request, clock::now()).await?.into())
}

/// The caller's runs without their output, the newest first.
#[utoipa::path(get, path = "/api/workbench/runs", operation_id = "listWorkbenchRuns", tag = "workbench", params(RunFilter, Page), security(("bearer" = [])),
    responses((status = 200, body = RunPage)))]
pub async fn list(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Query(filter): Query<RunFilter>,
    page: Page,
) -> Result<Reply, Problem> {
    user.require(Permission::WorkbenchBasic)?;
    Ok(Reply::ok(&workbench::list(&app.mongo, user.id(), &filter, page).await?))
}
