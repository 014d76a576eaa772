//! `GET /api/prompts/{id}`: one prompt, by id or slug.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use shared::{
    accounts::{Guard, Guarded, Principal},
    cache::Cache,
    content::{Content, Kind, Store, backup, open_item},
    http::{Path, Problem, ProblemDocument, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};

/// What the handler needs.
pub struct App {
    content: Content,
    guard: Guard,
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
    let database = Store::new(mongo.clone()).fallback(Kind::Prompts);
    let app = App {
        content: Content::from_env(Kind::Prompts, Some(database), backup::PROMPTS)?,
        guard: Guard::from_env(&mongo, &cache)?,
    };
    lambda::http(Router::new().route("/api/prompts/{id}", get(show)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// A prompt with its content. Some are for those who are signed in, some for the premium plans.
#[utoipa::path(get, path = "/api/prompts/{id}", tag = "content", params(("id" = String, Path, description = "Id or slug")), security((), ("bearer" = [])),
    responses((status = 200, description = "The prompt"), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub async fn show(
    State(app): State<Arc<App>>,
    principal: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    open_item(&app.content, &id, principal.map(|principal| principal.role())).await
}
