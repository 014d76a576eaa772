//! `POST /api/ai/usage`, `GET /api/ai/usage/limits`: uses of a model come in, through the queue.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use http::StatusCode;
use shared::{
    accounts::{Guard, Guarded, Principal},
    api_keys::{ApiKeys, KeyPrincipal, Scope, TakesKeys},
    cache::Cache,
    clock,
    http::{Caller, JsonBody, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    queue::Queue,
    usage::{AcceptedUsage, LimitsView, UsageIntake, UsageRequest},
};

/// What the handlers need.
pub struct App {
    cache: Cache,
    guard: Guard,
    keys: ApiKeys,
    usage: UsageIntake,
    queue: Queue,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl TakesKeys for App {
    fn keys(&self) -> &ApiKeys {
        &self.keys
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    // The database is needed for callers that are not known yet, and for nothing else.
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        keys: ApiKeys::from_env(&mongo, &cache)?,
        usage: UsageIntake::from_env(&cache)?,
        queue: Queue::events_from_env()?,
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/ai/usage", post(report))
        .route("/api/ai/usage/limits", get(left))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// Takes 1 to 100 records. Answered when they are safe; sent again under the same ids they count once.
#[utoipa::path(post, path = "/api/ai/usage", tag = "usage", request_body = UsageRequest, security(("bearer" = []), ("apiKey" = ["usage:write"])),
    responses((status = 202, body = AcceptedUsage)))]
pub async fn report(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: KeyPrincipal,
    JsonBody(request): JsonBody<UsageRequest>,
) -> Result<Reply, Problem> {
    principal.require(Scope::UsageWrite)?;
    limits::USAGE.check(&app.cache, &caller, &principal.account.id).await?;
    let accepted = app.usage.accept(&principal, request, clock::now()).await;
    if let Err(problem) = &accepted
        && problem.clone().into_response().status() == StatusCode::TOO_MANY_REQUESTS
    {
        ApiKeys::note_refusal(&app.queue, &principal).await;
    }
    Ok(Reply::accepted(&accepted?))
}

/// What is left of the caller's plan.
#[utoipa::path(get, path = "/api/ai/usage/limits", tag = "usage", security(("bearer" = [])),
    responses((status = 200, body = LimitsView)))]
pub async fn left(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    Ok(Reply::ok(&app.usage.limits(&principal.account, clock::now()).await))
}
