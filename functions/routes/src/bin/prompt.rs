//! `GET /api/prompts/{id}`: one prompt, by id or slug.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, response::IntoResponse, routing::get};
use http::{HeaderValue, StatusCode, header};
use shared::{
    accounts::{Guard, Guarded, Principal},
    cache::Cache,
    content::{Access, Content, ContentItem, Kind, Library, Store, backup, open_item},
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
    principal: Result<Option<Principal>, Problem>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let library = app.content.current().await.library;
    let principal = known_or_anybody(principal, &library, &id)?;
    if let Some(editor) = principal.as_ref().filter(|principal| prompts::asks_database(&library, principal, &id)) {
        limits::ACCOUNT.check(&app.cache, &caller, editor.id()).await?;
        if let Some(prompt) = prompts::editors_copy(&app.mongo, &library, editor, &id).await? {
            return Ok(prompt.reply());
        }
    }
    let reply = open_item(&app.content, &id, principal.map(|principal| principal.role())).await?;
    // Kept by caches, and not the answer that the prompt's editors get.
    Ok(reply.with(header::VARY, HeaderValue::from_static("authorization")))
}

/// Who is calling. While nobody can tell (503), what everybody may read is served as to anybody.
fn known_or_anybody(
    principal: Result<Option<Principal>, Problem>,
    library: &Library,
    id: &str,
) -> Result<Option<Principal>, Problem> {
    principal.or_else(|problem| {
        let is_away = problem.clone().into_response().status() == StatusCode::SERVICE_UNAVAILABLE;
        let is_public = library.find(id).is_some_and(|item| item.access == Access::Public);
        if is_away && is_public { Ok(None) } else { Err(problem) }
    })
}
