//! `GET /api/prompts/{id}`: one prompt, by id or slug.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use shared::{
    content::{Content, Kind, Store, backup, open_item},
    http::{Path, Problem, ProblemDocument, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let database = Store::new(mongo.clone()).fallback(Kind::Prompts);
    let content = Content::from_env(Kind::Prompts, Some(database), backup::PROMPTS)?;
    lambda::http(Router::new().route("/api/prompts/{id}", get(show)).with_state(Arc::new(content)), mongo).await
}

/// A prompt with its content.
#[utoipa::path(get, path = "/api/prompts/{id}", tag = "content", params(("id" = String, Path, description = "Id or slug")),
    responses((status = 200, description = "The prompt"), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub async fn show(State(content): State<Arc<Content>>, Path(id): Path<String>) -> Result<Reply, Problem> {
    open_item(&content, &id).await
}
