//! `POST /api/prompts`: a new prompt.

use axum::{Router, extract::State, response::IntoResponse, routing::post};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    content::{self, Content},
    http::{JsonBody, Problem},
    lambda,
    mongo::Lifetime,
    prompts::{PromptEditor, PromptFields},
    rate_limits,
    roles::Permission,
};

pub struct Own {
    content: Content,
    editor: PromptEditor,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            content: Content::published_prompts()?,
            editor: PromptEditor::new(clients.ledger.clone()),
            audit_log: AuditLog::from_env(&clients.ledger)?,
        })
    })?;
    let routes = Router::new().route("/api/prompts", post(create));
    app.serve(routes).await
}

/// A new prompt of the caller's, private until somebody who may publishes it.
///
/// 409 with `matches` when there is one like it: by title, by opening, or by category, role, pattern and title.
#[utoipa::path(post, path = "/api/prompts", operation_id = "createPrompt", tag = "content", request_body = PromptFields, security(("bearer" = [])),
    responses((status = 201, description = "The prompt; its ETag is what a change asks for", body = content::Prompt, headers(("etag"))),
        (status = 409, description = "`duplicate`, with `matches`; or `too_many_prompts`")))]
pub async fn create(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::NewPrompts>,
    JsonBody(fields): JsonBody<PromptFields>,
) -> Result<impl IntoResponse, Problem> {
    user.require(Permission::PromptsWrite)?;
    fields.check_new()?;
    fields.check_flags(&user, None)?;
    let library = app.own.content.current().await.library;
    let prompt = app.own.editor.create(&user.account, fields, &library).await?;
    let action = if prompt.is_public() { Action::PromptPublished } else { Action::PromptCreated };
    let event = AuditEvent::new(action).by(&user.account).on("prompt", prompt.id());
    app.own.audit_log.record(&user.client, event.with("revision", prompt.revision())).await?;
    Ok(prompt.created_reply())
}
