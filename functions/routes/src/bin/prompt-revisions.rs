//! `GET /api/prompts/{id}/revisions`: what a prompt was.

use axum::{Router, extract::State, routing::get};
use shared::{
    auth::{App, Principal},
    http::{Counted, Page, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    prompts::{
        self, Prompt,
        revisions::{self, RevisionPage},
    },
    rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new().route("/api/prompts/{id}/revisions", get(list));
    app.serve(routes).await
}

/// Each change of a prompt that the caller may read, the last first, with the prompt as it was after it. Only its editors
/// see what it was while others could not read it, and who changed it.
#[utoipa::path(get, path = "/api/prompts/{id}/revisions", operation_id = "listPromptRevisions", tag = "content", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Id or slug"), Page),
    responses((status = 200, body = RevisionPage)))]
pub async fn list(
    State(app): State<App>,
    _: Counted<rate_limits::Details>,
    principal: Option<Principal>,
    Path(id): Path<String>,
    page: Page,
) -> Result<Reply, Problem> {
    let readable = |prompt: &Prompt| prompts::may_read(principal.as_ref(), prompt);
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(readable);
    let prompt = prompt.ok_or_else(|| Problem::not_found("There is no such prompt."))?;
    Ok(Reply::ok(&revisions::list(&app.mongo, &prompt, principal.as_ref(), page).await?))
}
