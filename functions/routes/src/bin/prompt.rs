//! `GET /api/prompts/{id}`: one prompt, by id or slug.

use axum::{Extension, Router, extract::State, routing::get};
use http::{HeaderValue, StatusCode, header};
use shared::{
    auth::{App, Principal},
    content::{self, Access, Content, Library},
    http::{ClientInfo, Limit, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    prompts, rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromFirstUse, |clients| Content::prompts(&clients.mongo))?;
    let routes = Router::new().route("/api/prompts/{id}", get(show));
    app.serve(routes).await
}

/// A prompt with its content. Some are for those who are signed in, some for the premium plans.
///
/// Its editors get it as it is now, with the ETag that a change asks for; everybody else as it was last published.
#[utoipa::path(get, path = "/api/prompts/{id}", operation_id = "getPrompt", tag = "content", params(("id" = String, Path, description = "Id or slug")), security((), ("bearer" = [])),
    responses((status = 200, body = content::Prompt, headers(("etag"), ("x-content-source")))))]
pub async fn show(
    State(app): State<App<Content>>,
    Extension(client): Extension<ClientInfo>,
    principal: Result<Option<Principal>, Problem>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let content = app.own.current().await;
    let library = &content.library;
    let principal = known_or_anybody(principal, library, &id)?;
    if let Some(editor) = principal.as_ref().filter(|principal| prompts::asks_database(library, principal, &id)) {
        rate_limits::Account::POLICY.check(&app.cache, &client, editor.id()).await?;
        if let Some(prompt) = prompts::editors_copy(&app.mongo, library, editor, &id).await? {
            return Ok(prompt.reply());
        }
    }
    let reply = content.item(&id, principal.map(|principal| principal.role()))?;
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
        let is_away = problem.status() == StatusCode::SERVICE_UNAVAILABLE;
        let is_public = library.find(id).is_some_and(|item| item.access == Access::Public);
        if is_away && is_public { Ok(None) } else { Err(problem) }
    })
}
