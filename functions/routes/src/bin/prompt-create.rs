//! `POST /api/prompts`: a new prompt.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, response::IntoResponse, routing::post};
use shared::{
    accounts::{Guard, Guarded, Permission, Principal},
    audit::{Action, Fact, Trail},
    cache::Cache,
    content::{Content, ContentItem, Kind, backup},
    http::{Caller, JsonBody, Problem},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    prompts::{Created, Desk, Match, OWN_LIMIT, PromptFields},
};

/// What the handler needs.
pub struct App {
    cache: Cache,
    guard: Guard,
    content: Content,
    desk: Desk,
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
        content: Content::from_env(Kind::Prompts, None, backup::PROMPTS)?,
        desk: Desk::new(mongo.clone()),
        trail: Trail::from_env(&mongo)?,
        cache: cache.clone(),
    };
    lambda::http(Router::new().route("/api/prompts", post(create)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// A new prompt of the caller's, private until somebody who may publishes it.
///
/// 409 with `matches` when there is one like it: by title, by opening, or by category, role, pattern and title.
#[utoipa::path(post, path = "/api/prompts", tag = "content", request_body = PromptFields, security(("bearer" = [])),
    responses((status = 201, description = "The prompt; its ETag is what a change asks for", body = ContentItem),
        (status = 409, description = "`duplicate`, with `matches`; or `too_many_prompts`")))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(fields): JsonBody<PromptFields>,
) -> Result<impl IntoResponse, Problem> {
    principal.require(Permission::PromptsWrite)?;
    limits::NEW_PROMPTS.check(&app.cache, &caller, principal.id()).await?;
    fields.check_new()?;
    fields.check_flags(&principal, None)?;
    let library = app.content.current().await.library;
    let prompt = match app.desk.create(&principal.account, fields, &library).await? {
        Created::Done(prompt) => prompt,
        Created::Duplicate(matches) => return Err(duplicate(&matches)?),
        Created::TooMany => return Err(too_many()),
    };
    let action = if prompt.is_public() { Action::PromptPublished } else { Action::PromptCreated };
    let fact = Fact::new(action).by(&principal.account).on("prompt", prompt.id());
    app.trail.record(&caller, fact.with("revision", prompt.revision())).await?;
    Ok(prompt.created_reply())
}

fn duplicate(matches: &[Match]) -> Result<Problem, Problem> {
    let problem = Problem::conflict("duplicate", "There is a prompt like it: change that one, or this one's title.");
    Ok(problem.with("matches", serde_json::to_value(matches)?))
}

fn too_many() -> Problem {
    Problem::conflict("too_many_prompts", format!("{OWN_LIMIT} prompts are the limit, removed ones included."))
}
