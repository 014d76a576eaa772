//! `GET /api/prompts/{id}/revisions`: what a prompt was, for its editors.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    accounts::{Base, Permission, Principal, not_allowed},
    http::{Caller, Page, Path, Problem, Query, Reply},
    lambda, limits,
    mongo::Lifetime,
    prompts::{
        self, Prompt,
        revisions::{self, RevisionPage},
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
    let router = Router::new().route("/api/prompts/{id}/revisions", get(list)).with_state(app);
    lambda::http(router, connections).await
}

/// Each change of a prompt, the last first, with the prompt as it was after it.
#[utoipa::path(get, path = "/api/prompts/{id}/revisions", tag = "content", security(("bearer" = [])),
    params(("id" = String, Path, description = "Id or slug"), PageQuery),
    responses((status = 200, body = RevisionPage)))]
pub async fn list(
    State(app): State<Arc<Base>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Reply, Problem> {
    principal.require(Permission::PromptsWrite)?;
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    let (limit, cursor) = (page.limit()?, page.cursor()?);
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(|prompt| prompts::may_see(&principal, prompt));
    let prompt = prompt.ok_or_else(|| Problem::not_found("There is no such prompt."))?;
    if !prompts::may_edit(&principal, &prompt) {
        return Err(not_allowed());
    }
    Ok(Reply::ok(&revisions::list(&app.mongo, prompt.id(), limit, cursor).await?))
}
