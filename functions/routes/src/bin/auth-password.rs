//! `POST /api/auth/forgot-password`, `…/reset-password`, `…/change-password`: another password.

use axum::{Router, extract::State, routing::post};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, NewPassword, PasswordAttempt, PasswordResets, Sessions, Signed, Tokens},
    http::{ClientInfo, Counted, JsonBody, Limit, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    users::{EmailAttempt, User},
};
use utoipa::ToSchema;

/// Whose password is forgotten.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForgotRequest {
    /// The account's address.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    email: EmailAttempt,
}

/// What everybody is told, with an account or without.
#[derive(Serialize, ToSchema)]
pub struct Sent {
    sent: bool,
}

/// A new password for a forgotten one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetRequest {
    /// From the link.
    #[garde(skip)]
    #[schema(value_type = String)]
    token: SecretString,
    /// The new one: 12 to 128 characters of any kind; none that is common, or made of the address or the name.
    #[garde(skip)]
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 128)]
    password: NewPassword,
}

/// A new password for the present one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"currentPassword": "correct horse battery staple", "newPassword": "blue lantern by the mill"}))]
pub struct ChangeRequest {
    /// The present one.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    current_password: PasswordAttempt,
    /// The new one: 12 to 128 characters of any kind; none that is common, or made of the address or the name.
    #[garde(skip)]
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 128)]
    new_password: NewPassword,
}

pub struct Own {
    sessions: Sessions,
    resets: PasswordResets,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::Invocation, |clients| {
        Ok(Own {
            sessions: Sessions::new(clients.mongo.clone(), Tokens::from_env()?),
            resets: PasswordResets::from_env(&clients.mongo)?,
            audit_log: AuditLog::from_env(&clients.mongo)?,
        })
    })?;
    let routes = Router::new()
        .route("/api/auth/forgot-password", post(forgot))
        .route("/api/auth/reset-password", post(reset))
        .route("/api/auth/change-password", post(change));
    app.serve(routes).await
}

/// Sends a link, if there is such an account; the answer does not tell.
#[utoipa::path(post, path = "/api/auth/forgot-password", tag = "accounts", request_body = ForgotRequest,
    responses((status = 202, description = "A link is on its way, if there is such an account", body = Sent)))]
pub async fn forgot(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Forgot>,
    JsonBody(request): JsonBody<ForgotRequest>,
) -> Result<Reply, Problem> {
    rate_limits::ForgotAccount::POLICY.check(&app.cache, &client, &request.email.key()).await?;
    let user_id = app.own.resets.request(&app.users, &request.email).await?;
    let event = AuditEvent::new(Action::PasswordResetRequested).on_user(user_id.as_deref());
    app.own.audit_log.record(&client, event).await?;
    Ok(Reply::accepted(&Sent { sent: true }))
}

/// Sets a new password with a link's token; every session ends, and wrong passwords of before lock nobody out.
#[utoipa::path(post, path = "/api/auth/reset-password", tag = "accounts", request_body = ResetRequest,
    responses((status = 204)))]
pub async fn reset(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Reset>,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<Reply, Problem> {
    // Before the link is used up: whoever chose a weak password may choose another one.
    let hash = match app.own.resets.owner(&request.token).await? {
        Some(owner) => hash_for(&app, &owner, &request.password).await?,
        None => None,
    };
    let Some(user_id) = app.own.resets.redeem(&request.token).await? else {
        app.own.audit_log.record(&client, AuditEvent::new(Action::PasswordResetRefused)).await?;
        return Err(Problem::invalid_field("token", "is used up or expired: ask for another link"));
    };
    let gone = || Problem::not_found("There is no such account any more.");
    let user = app.users.reset_password(&user_id, hash.ok_or_else(gone)?).await?.ok_or_else(gone)?;
    settle(&app, &client, &user, AuditEvent::new(Action::PasswordReset).on("user", &user_id)).await
}

/// Sets a new password with the present one; every session ends, this one too.
#[utoipa::path(post, path = "/api/auth/change-password", tag = "accounts", request_body = ChangeRequest, security(("bearer" = [])),
    responses((status = 204)))]
pub async fn change(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::ChangePassword>,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Reply, Problem> {
    user.require_fresh_mfa()?;
    let Some(changed) = replace(&app, user.id(), &request).await? else {
        app.own.audit_log.record(&user.client, AuditEvent::new(Action::PasswordChangeFailed).by(&user.account)).await?;
        return Err(Problem::invalid_field("currentPassword", "is wrong"));
    };
    settle(&app, &user.client, &changed, AuditEvent::new(Action::PasswordChanged).by(&user.account)).await
}

/// The account with its new password; `None` when the present one is wrong, or another one by now.
async fn replace(app: &App<Own>, id: &str, request: &ChangeRequest) -> Result<Option<User>, Problem> {
    let Some(user) = app.users.stored(id).await? else { return Ok(None) };
    let Some(present) = user.password_hash.filter(|hash| request.current_password.matches(Some(hash))) else {
        return Ok(None);
    };
    let hash = request.new_password.hash_for("newPassword", &[&user.name, &user.email])?;
    Ok(app.users.replace_password(id, &present, hash).await?)
}

/// The hash of a new password for this account; `None` when the account is gone.
async fn hash_for(app: &App<Own>, id: &str, password: &NewPassword) -> Result<Option<String>, Problem> {
    let user = app.users.stored(id).await?;
    user.map(|user| password.hash_for("password", &[&user.name, &user.email])).transpose()
}

/// What follows a new password. The entry comes last: if it cannot be kept, the owner is told and the rest is done.
async fn settle(app: &App<Own>, client: &ClientInfo, user: &User, event: AuditEvent) -> Result<Reply, Problem> {
    app.own.resets.changed(user).await;
    app.own.sessions.forget_all(&user.id).await;
    app.own.audit_log.record(client, event).await?;
    Ok(Reply::no_content())
}
