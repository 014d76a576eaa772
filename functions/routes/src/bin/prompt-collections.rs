//! `GET`, `POST /api/prompts/collections`, `DELETE /api/prompts/collections/{collectionId}`: prompts made one's own.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{delete, get},
};
use serde::Deserialize;
use shared::{
    accounts::{Base, Principal},
    http::{Caller, JsonBody, Page, Path, Problem, Query, Reply},
    lambda, limits,
    mongo::Lifetime,
    prompts::{
        self, Prompt,
        collections::{self, CollectedView, CollectionPage, NewCollected},
    },
};
use utoipa::IntoParams;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1 to 100; 20 when absent. A page has so many, or fewer, if they are long.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = Base::from_env(Lifetime::Invocation)?;
    let connections = app.connections();
    let router = Router::new()
        .route("/api/prompts/collections", get(list).post(keep))
        .route("/api/prompts/collections/{collectionId}", delete(remove))
        .with_state(app);
    lambda::http(router, connections).await
}

/// What the caller has kept, the last first.
#[utoipa::path(get, path = "/api/prompts/collections", tag = "content", params(PageQuery), security(("bearer" = [])),
    responses((status = 200, body = CollectionPage)))]
pub async fn list(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<PageQuery>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    Ok(Reply::ok(&collections::list(&app.mongo, principal.id(), page.limit()?, page.cursor()?).await?))
}

/// Keeps a copy of a prompt that the caller sees. The same original under the same title replaces the copy before.
#[utoipa::path(post, path = "/api/prompts/collections", tag = "content", request_body = NewCollected, security(("bearer" = [])),
    responses((status = 201, body = CollectedView), (status = 404), (status = 409)))]
pub async fn keep(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(new): JsonBody<NewCollected>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let original = Prompt::find(&app.mongo, &new.original_prompt_id).await?;
    let original = original.filter(|prompt| prompts::may_see(&principal, prompt));
    let original = original.ok_or_else(|| Problem::not_found("There is no such prompt to keep a copy of."))?;
    let too_many = || {
        let limit = format!("{} kept prompts are the limit: remove one first.", collections::LIMIT);
        Problem::conflict("too_many_kept", limit)
    };
    let kept = collections::keep(&app.mongo, principal.id(), &original, &new).await?.ok_or_else(too_many)?;
    Ok(Reply::created(&kept))
}

/// Removes one.
#[utoipa::path(delete, path = "/api/prompts/collections/{collectionId}", tag = "content", params(("collectionId" = String, Path)), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    if collections::remove(&app.mongo, principal.id(), &id).await? {
        Ok(Reply::no_content())
    } else {
        Err(Problem::not_found("You have kept no such prompt."))
    }
}
