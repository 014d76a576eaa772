//! `GET /api/analytics/track`: what was done with prompts.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    analytics::counts::{self, PromptCounts},
    cache::Cache,
    http::{Caller, Problem, Query, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// Of which prompt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CountsQuery {
    /// Id of a prompt; the ten that were run most when absent.
    prompt_id: Option<String>,
}

/// What the handler needs.
pub struct App {
    mongo: Mongo,
    cache: Cache,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App { mongo: mongo.clone(), cache: cache.clone() };
    lambda::http(Router::new().route("/api/analytics/track", get(show)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// Views, copies, runs, favourites and shares; at most five minutes older than the last roll-up.
#[utoipa::path(get, path = "/api/analytics/track", tag = "analytics", params(CountsQuery),
    responses((status = 200, body = PromptCounts)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<CountsQuery>,
) -> Result<Reply, Problem> {
    limits::TRACK.check_address(&app.cache, &caller).await?;
    if query.prompt_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 200) {
        return Err(Problem::invalid_field("promptId", "must be the id of a prompt"));
    }
    Ok(Reply::ok(&counts::serve(&app.mongo, &app.cache, query.prompt_id.as_deref()).await?))
}
