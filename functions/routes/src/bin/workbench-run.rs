//! `GET /api/workbench/runs/{runId}`, `POST …/complete`: one run.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use shared::{
    accounts::{Guard, Guarded, Principal},
    cache::Cache,
    clock,
    http::{Caller, JsonBody, Path, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    usage::UsageIntake,
    workbench::{self, CompleteRequest, Completed, RunView, Workbench},
};

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
    workbench: Workbench,
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
        workbench: Workbench::new(mongo.clone(), UsageIntake::from_env(&cache)?),
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/workbench/runs/{runId}", get(show))
        .route("/api/workbench/runs/{runId}/complete", post(complete))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// One of the caller's runs.
#[utoipa::path(get, path = "/api/workbench/runs/{runId}", tag = "workbench", params(("runId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = RunView)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(run_id): Path<String>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    Ok(Reply::ok(&workbench::find(&app.mongo, principal.id(), &run_id).await?.ok_or_else(absent)?))
}

/// Ends a run. It then never changes; the same completion again gets the same answer.
#[utoipa::path(post, path = "/api/workbench/runs/{runId}/complete", tag = "workbench", params(("runId" = String, Path)), request_body = CompleteRequest, security(("bearer" = [])),
    responses((status = 200, body = RunView),
        (status = 409, description = "`run_finished`: it ended in another way")))]
pub async fn complete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(run_id): Path<String>,
    JsonBody(request): JsonBody<CompleteRequest>,
) -> Result<Reply, Problem> {
    limits::RUNS.check(&app.cache, &caller, principal.id()).await?;
    match app.workbench.complete(&principal.account, &run_id, request, clock::now()).await? {
        Completed::Done(run) => Ok(Reply::ok(&run)),
        Completed::Finished => Err(Problem::conflict("run_finished", "This run has ended, and stays as it is.")),
        Completed::Absent => Err(absent()),
    }
}

fn absent() -> Problem {
    Problem::not_found("You have no such run.")
}
