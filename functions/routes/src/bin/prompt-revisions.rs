//! `GET /api/prompts/{id}/revisions`: what a prompt was, for its editors.

use axum::{Router, extract::State, routing::get};
use shared::{
    auth::{App, Signed},
    http::{Page, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    prompts::{
        self, Prompt,
        revisions::{self, RevisionPage},
    },
    rate_limits,
    roles::{Permission, not_allowed},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::Invocation)?;
    let routes = Router::new().route("/api/prompts/{id}/revisions", get(list));
    app.serve(routes).await
}

/// Each change of a prompt, the last first, with the prompt as it was after it.
#[utoipa::path(get, path = "/api/prompts/{id}/revisions", operation_id = "listPromptRevisions", tag = "content", security(("bearer" = [])),
    params(("id" = String, Path, description = "Id or slug"), Page),
    responses((status = 200, body = RevisionPage)))]
pub async fn list(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    Path(id): Path<String>,
    page: Page,
) -> Result<Reply, Problem> {
    user.require(Permission::PromptsWrite)?;
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(|prompt| prompts::may_see(&user, prompt));
    let prompt = prompt.ok_or_else(|| Problem::not_found("There is no such prompt."))?;
    if !prompts::may_edit(&user, &prompt) {
        return Err(not_allowed());
    }
    Ok(Reply::ok(&revisions::list(&app.mongo, prompt.id(), page).await?))
}
