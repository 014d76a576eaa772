//! `GET`, `POST /api/prompts/{id}/audit`: what was found about a prompt's quality.

use axum::{Router, extract::State, routing::get};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Principal, Signed},
    http::{Counted, JsonBody, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    prompts::{
        self, CURATE, Prompt,
        audits::{self, LastAudit, NewAudit},
    },
    rate_limits,
    roles::not_allowed,
};

pub struct Own {
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| Ok(Own { audit_log: AuditLog::from_env(&clients.ledger)? }))?;
    let routes = Router::new().route("/api/prompts/{id}/audit", get(show).post(add));
    app.serve(routes).await
}

/// The last audit of a prompt that the caller may read.
#[utoipa::path(get, path = "/api/prompts/{id}/audit", operation_id = "getPromptAudit", tag = "content", params(("id" = String, Path, description = "Id or slug")), security((), ("bearer" = [])),
    responses((status = 200, body = LastAudit)))]
pub async fn show(
    State(app): State<App<Own>>,
    _: Counted<rate_limits::Details>,
    principal: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let readable = |prompt: &Prompt| prompts::may_read(principal.as_ref(), prompt);
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(readable).ok_or_else(absent)?;
    Ok(Reply::ok(&audits::latest(&app.mongo, &prompt).await?))
}

/// Keeps an audit under the prompt's next version number.
#[utoipa::path(post, path = "/api/prompts/{id}/audit", operation_id = "createPromptAudit", tag = "content", params(("id" = String, Path, description = "Id or slug")), request_body = NewAudit, security(("bearer" = [])),
    responses((status = 201, description = "The audit, with its `auditVersion`", body = Object)))]
pub async fn add(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Edits>,
    Path(id): Path<String>,
    JsonBody(audit): JsonBody<NewAudit>,
) -> Result<Reply, Problem> {
    user.require(CURATE)?;
    let prompt = Prompt::find(&app.mongo, &id).await?.filter(|prompt| prompts::may_see(&user, prompt));
    let prompt = prompt.ok_or_else(absent)?;
    if !prompts::may_edit(&user, &prompt) {
        return Err(not_allowed());
    }
    let audit = audits::add(&app.ledger, &prompt, &user.account, audit).await?;
    let event = AuditEvent::new(Action::PromptAudited).by(&user.account).on("prompt", prompt.id());
    app.own.audit_log.record(&user.client, event.with("version", audit.version)).await?;
    Ok(Reply::created(&audit.shown()?))
}

fn absent() -> Problem {
    Problem::not_found("There is no such prompt.")
}
