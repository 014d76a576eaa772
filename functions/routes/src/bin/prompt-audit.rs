//! `GET`, `POST /api/prompts/{id}/audit`: what was found about a prompt's quality.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use shared::{
    accounts::{Guard, Guarded, Principal, not_allowed},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, JsonBody, Path, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    prompts::{
        self, CURATE, Prompt,
        audits::{self, LastAudit, NewAudit},
    },
};

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
    trail: Trail,
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
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        trail: Trail::from_env(&mongo)?,
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    let router = Router::new().route("/api/prompts/{id}/audit", get(show).post(add)).with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// The last audit of a prompt that the caller may read.
#[utoipa::path(get, path = "/api/prompts/{id}/audit", tag = "content", params(("id" = String, Path, description = "Id or slug")), security((), ("bearer" = [])),
    responses((status = 200, body = LastAudit)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    limits::DETAILS.check_address(&app.cache, &caller).await?;
    let readable = |prompt: &Prompt| prompts::may_read(principal.as_ref(), prompt);
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(readable).ok_or_else(absent)?;
    Ok(Reply::ok(&audits::latest(&app.mongo, &prompt).await?))
}

/// Keeps an audit under the prompt's next version number.
#[utoipa::path(post, path = "/api/prompts/{id}/audit", tag = "content", params(("id" = String, Path, description = "Id or slug")), request_body = NewAudit, security(("bearer" = [])),
    responses((status = 201, description = "The audit, with its `version`", body = Object)))]
pub async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(audit): JsonBody<NewAudit>,
) -> Result<Reply, Problem> {
    principal.require(CURATE)?;
    limits::EDITS.check(&app.cache, &caller, principal.id()).await?;
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(|prompt| prompts::may_see(&principal, prompt));
    let prompt = prompt.ok_or_else(absent)?;
    if !prompts::may_edit(&principal, &prompt) {
        return Err(not_allowed());
    }
    let audit = audits::add(&app.mongo, &prompt, principal.id(), audit).await?;
    let fact = Fact::new(Action::PromptAudited).by(&principal.account).on("prompt", prompt.id());
    app.trail.record(&caller, fact.with("version", audit["version"].clone())).await?;
    Ok(Reply::created(&audit))
}

fn absent() -> Problem {
    Problem::not_found("There is no such prompt.")
}
