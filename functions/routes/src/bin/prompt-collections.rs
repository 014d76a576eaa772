//! `GET`, `POST /api/prompts/collections`, `DELETE /api/prompts/collections/{collectionId}`: prompts made one's own.

use axum::{
    Router,
    extract::State,
    routing::{delete, get},
};
use shared::{
    auth::{App, Signed},
    http::{JsonBody, Page, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    prompts::{
        self, Prompt,
        collections::{self, CollectedView, CollectionPage, NewCollected},
    },
    rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::from_env(Lifetime::FromStart)?;
    let routes = Router::new()
        .route("/api/prompts/collections", get(list).post(keep))
        .route("/api/prompts/collections/{collectionId}", delete(remove));
    app.serve(routes).await
}

/// What the caller has kept, the last first.
#[utoipa::path(get, path = "/api/prompts/collections", operation_id = "listCollectedPrompts", tag = "content", params(Page), security(("bearer" = [])),
    responses((status = 200, body = CollectionPage)))]
pub async fn list(State(app): State<App>, user: Signed<rate_limits::Account>, page: Page) -> Result<Reply, Problem> {
    Ok(Reply::ok(&collections::list(&app.mongo, user.id(), page).await?))
}

/// Keeps a copy of a prompt that the caller sees. The same original under the same title replaces the copy before.
#[utoipa::path(post, path = "/api/prompts/collections", operation_id = "collectPrompt", tag = "content", request_body = NewCollected, security(("bearer" = [])),
    responses((status = 201, body = CollectedView), (status = 404), (status = 409)))]
pub async fn keep(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    JsonBody(new): JsonBody<NewCollected>,
) -> Result<Reply, Problem> {
    let original = Prompt::find(&app.mongo, &new.original_prompt_id).await?;
    let original = original.filter(|prompt| prompts::may_see(&user, prompt));
    let original = original.ok_or_else(|| Problem::not_found("There is no such prompt to keep a copy of."))?;
    let too_many = || {
        let limit = format!("{} kept prompts are the limit: remove one first.", collections::LIMIT);
        Problem::conflict("too_many_kept", limit)
    };
    let kept = collections::keep(&app.ledger, &user.account, &original, &new).await?.ok_or_else(too_many)?;
    Ok(Reply::created(&kept))
}

/// Removes one.
#[utoipa::path(delete, path = "/api/prompts/collections/{collectionId}", operation_id = "removeCollectedPrompt", tag = "content", params(("collectionId" = String, Path)), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    if collections::remove(&app.mongo, user.id(), &id).await? {
        Ok(Reply::no_content())
    } else {
        Err(Problem::not_found("You have kept no such prompt."))
    }
}
