//! `GET /api/prompts/{id}`: one prompt, by id or slug.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use shared::{
    accounts::{Guard, Guarded, Principal},
    cache::Cache,
    content::{Content, ContentItem, Kind, Store, backup, open_item},
    http::{Caller, Path, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    prompts,
};

/// What the handler needs.
pub struct App {
    mongo: Mongo,
    cache: Cache,
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
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    lambda::http(Router::new().route("/api/prompts/{id}", get(show)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// A prompt with its content. Some are for those who are signed in, some for the premium plans.
///
/// Its editors get it as it is now, with the ETag that a change asks for; everybody else as it was last published.
#[utoipa::path(get, path = "/api/prompts/{id}", tag = "content", params(("id" = String, Path, description = "Id or slug")), security((), ("bearer" = [])),
    responses((status = 200, body = ContentItem)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let library = app.content.current().await.library;
    if let Some(editor) = principal.as_ref().filter(|principal| prompts::asks_database(&library, principal, &id)) {
        limits::ACCOUNT.check(&app.cache, &caller, editor.id()).await?;
        if let Some(prompt) = prompts::editors_copy(&app.mongo, &library, editor, &id).await? {
            return Ok(prompt.reply());
        }
    }
    open_item(&app.content, &id, principal.map(|principal| principal.role())).await
}
