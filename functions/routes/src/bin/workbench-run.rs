//! `GET /api/workbench/runs/{runId}`, `POST …/complete`: one run.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use shared::{
    auth::{App, Signed},
    clock,
    http::{JsonBody, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    usage::UsageIntake,
    workbench::{self, CompleteRequest, RunView, Workbench},
};

pub struct Own {
    workbench: Workbench,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            workbench: Workbench::new(clients.ledger.clone(), UsageIntake::from_env(&clients.ledger, &clients.cache)?),
        })
    })?;
    let routes = Router::new()
        .route("/api/workbench/runs/{runId}", get(show))
        .route("/api/workbench/runs/{runId}/complete", post(complete));
    app.serve(routes).await
}

/// One of the caller's runs.
#[utoipa::path(get, path = "/api/workbench/runs/{runId}", operation_id = "getWorkbenchRun", tag = "workbench", params(("runId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = RunView)))]
pub async fn show(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Path(run_id): Path<String>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&workbench::find(&app.mongo, user.id(), &run_id).await?))
}

/// Ends a run. It then never changes; the same completion again gets the same answer.
#[utoipa::path(post, path = "/api/workbench/runs/{runId}/complete", operation_id = "completeWorkbenchRun", tag = "workbench", params(("runId" = String, Path)), request_body = CompleteRequest, security(("bearer" = [])),
    responses((status = 200, body = RunView),
        (status = 409, description = "`run_finished`: it ended in another way")))]
pub async fn complete(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Runs>,
    Path(run_id): Path<String>,
    JsonBody(request): JsonBody<CompleteRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.workbench.complete(&user.account, &run_id, request, clock::now()).await?))
}
