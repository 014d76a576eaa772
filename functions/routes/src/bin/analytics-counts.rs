//! `GET /api/analytics/track`: what was done with prompts.

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    analytics::{
        counts::{self, PromptCounts},
        known_prompt,
    },
    cache::Cache,
    content::Content,
    http::{Counted, Problem, Query, Reply},
    lambda::{self, PublicApp},
    mongo::{Lifetime, Mongo},
    rate_limits,
};
use utoipa::IntoParams;

/// Of which prompt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CountsQuery {
    /// Id or slug of a prompt; the ten that were run most when absent.
    prompt_id: Option<String>,
}

pub struct Own {
    mongo: Mongo,
    cache: Cache,
    prompts: Content,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::FromFirstUse)?, Cache::from_env()?);
    // As where events come in: of a prompt that readers do not know, nothing is counted.
    let prompts = Content::published_prompts()?;
    let app = PublicApp::new(cache.clone(), Own { mongo: mongo.clone(), cache, prompts });
    app.serve(Router::new().route("/api/analytics/track", get(show)), mongo).await
}

/// Views, copies, runs, favourites and shares; at most five minutes older than the last roll-up.
#[utoipa::path(get, path = "/api/analytics/track", operation_id = "getPromptCounts", tag = "analytics", params(CountsQuery),
    responses((status = 200, body = PromptCounts), (status = 404)))]
pub async fn show(
    State(app): State<PublicApp<Own>>,
    _: Counted<rate_limits::Track>,
    Query(query): Query<CountsQuery>,
) -> Result<Reply, Problem> {
    let prompt_id = match &query.prompt_id {
        None => None,
        Some(id_or_slug) => {
            let id = known_prompt(&app.prompts.current().await.library, id_or_slug);
            Some(id.ok_or_else(|| Problem::not_found("There is no such prompt."))?)
        }
    };
    Ok(Reply::ok(&counts::serve(&app.mongo, &app.cache, prompt_id.as_deref()).await?))
}
