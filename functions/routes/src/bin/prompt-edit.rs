//! `PATCH`, `DELETE /api/prompts/{id}`: a prompt in the hands of its editors.

use axum::{Router, extract::State, routing::patch};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Principal, Signed},
    content,
    http::{IfMatch, JsonBody, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    prompts::{self, Prompt, PromptEditor, PromptFields},
    rate_limits,
    roles::{Permission, not_allowed},
};

pub struct Own {
    editor: PromptEditor,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own { editor: PromptEditor::new(clients.ledger.clone()), audit_log: AuditLog::from_env(&clients.ledger)? })
    })?;
    let routes = Router::new().route("/api/prompts/{id}", patch(change).delete(remove));
    app.serve(routes).await
}

/// Changes what is sent, and keeps a revision. If-Match names the revision that its editor read.
///
/// Its editors see the change at once, everybody else after the next export. A public prompt is changed by those
/// who may publish.
#[utoipa::path(patch, path = "/api/prompts/{id}", operation_id = "changePrompt", tag = "content", request_body = PromptFields, security(("bearer" = [])),
    params(("id" = String, Path, description = "Id or slug"), ("if-match" = String, Header, description = "The prompt's ETag", pattern = "^\"[0-9]+\"$", example = "\"1\"")),
    responses((status = 200, description = "The prompt as it is now", body = content::Prompt, headers(("etag"))),
        (status = 412, description = "Somebody was faster"), (status = 428)))]
pub async fn change(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Edits>,
    Path(id): Path<String>,
    seen: Result<IfMatch, Problem>,
    JsonBody(fields): JsonBody<PromptFields>,
) -> Result<Reply, Problem> {
    let before = admit(&app, &user, &id, prompts::may_edit).await?;
    fields.check_flags(&user, Some(&before))?;
    let IfMatch(revision) = seen?;
    let prompt = app.own.editor.change(&user, &before, revision, fields).await?;
    if prompt.revision() > before.revision() {
        let published = prompt.is_public() && !before.is_public();
        let action = if published { Action::PromptPublished } else { Action::PromptChanged };
        let event = AuditEvent::new(action).by(&user.account).on("prompt", prompt.id());
        app.own.audit_log.record(&user.client, event.with("revision", prompt.revision())).await?;
    }
    Ok(prompt.reply())
}

/// Takes a prompt back: it is kept, and shown to nobody any more.
#[utoipa::path(delete, path = "/api/prompts/{id}", operation_id = "deletePrompt", tag = "content", params(("id" = String, Path, description = "Id or slug")), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Edits>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let prompt = admit(&app, &user, &id, prompts::may_remove).await?;
    let event = AuditEvent::new(Action::PromptDeleted).by(&user.account).on("prompt", prompt.id());
    if !app.own.editor.remove(&user, prompt).await? {
        return Err(absent());
    }
    app.own.audit_log.record(&user.client, event).await?;
    Ok(Reply::no_content())
}

/// The prompt, for somebody who may do that with it; 404 for who may not even know of it.
async fn admit(
    app: &App<Own>,
    principal: &Principal,
    id: &str,
    may: fn(&Principal, &Prompt) -> bool,
) -> Result<Prompt, Problem> {
    principal.require(Permission::PromptsWrite)?;
    let prompt = Prompt::find(&app.mongo, id).await?.filter(|prompt| prompts::may_see(principal, prompt));
    let prompt = prompt.ok_or_else(absent)?;
    if may(principal, &prompt) { Ok(prompt) } else { Err(not_allowed()) }
}

fn absent() -> Problem {
    Problem::not_found("There is no such prompt.")
}
