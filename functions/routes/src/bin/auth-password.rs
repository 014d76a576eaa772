//! `POST /api/auth/forgot-password`, `…/reset-password`, `…/change-password`, `…/verify-password`: another password, or
//! the same once more. `POST /api/auth/verify-email`, `…/verify-email/send`: the proof of an address from before
//! addresses were proved. `/account/reset-password`, `/account/verify-email`: where the links lead.

use axum::{Extension, Router, extract::State, routing::post};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use shared::{
    api_keys::{revoke_platform_keys, revoke_provider_keys},
    audit::{Action, AuditEvent, AuditLog},
    auth::{
        App, EmailProofs, Lockout, NewPassword, Page, PasswordAttempt, PasswordResets, Sessions, Shown, Signed, Tokens,
        sign_in_again, step_up_cookie,
    },
    counters::Counters,
    http::{ClientInfo, Counted, Form, JsonBody, Limit, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    users::{Account, EmailAttempt, PasswordReset, User},
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
    success: bool,
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
    /// Whether the account's platform keys are revoked, too: who had the password may have made some.
    #[serde(default)]
    #[garde(skip)]
    revoke_keys: bool,
}

/// The present password once more.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyPasswordRequest {
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    password: PasswordAttempt,
}

/// A password just shown.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordShown {
    /// To use from now on.
    access_token: String,
}

/// The proof of an address.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyEmailRequest {
    /// From the link.
    #[garde(length(max = 2000))]
    #[schema(max_length = 2000)]
    token: String,
    /// The account's.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    password: PasswordAttempt,
}

pub struct Own {
    sessions: Sessions,
    resets: PasswordResets,
    proofs: EmailProofs,
    lockout: Lockout,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            sessions: Sessions::new(clients.ledger.clone(), Tokens::from_env()?),
            resets: PasswordResets::from_env(&clients.ledger, &clients.cache)?,
            proofs: EmailProofs::from_env()?,
            lockout: Lockout::new(Counters::new(&clients.mongo, &clients.cache)),
            audit_log: AuditLog::from_env(&clients.ledger)?,
        })
    })?;
    let routes = Router::new()
        .route("/api/auth/forgot-password", post(forgot))
        .route("/api/auth/reset-password", post(reset))
        .route("/api/auth/change-password", post(change))
        .route("/api/auth/verify-password", post(verify_password))
        .route("/api/auth/verify-email/send", post(send_proof))
        .route("/api/auth/verify-email", post(verify_email));
    let routes = Page::ResetPassword.add_to(routes, post(submit_reset));
    let routes = Page::VerifyEmail.add_to(routes, post(submit_proof));
    app.serve(routes).await
}

/// Mails a link, if there is such an account and enough of them are not on their way already; the answer does not tell.
#[utoipa::path(post, path = "/api/auth/forgot-password", operation_id = "requestPasswordReset", tag = "accounts", request_body = ForgotRequest,
    responses((status = 202, description = "A link is on its way, if there is such an account", body = Sent)))]
pub async fn forgot(
    State(app): State<App<Own>>,
    Extension(client): Extension<ClientInfo>,
    JsonBody(request): JsonBody<ForgotRequest>,
) -> Result<Reply, Problem> {
    // Beyond the limit nothing is sent, and nobody is told: an owner hears the same whatever strangers ask for.
    if rate_limits::Forgot::POLICY.check_address(&app.cache, &client).await.is_ok() {
        app.own.resets.request(&app.users, &client, &request.email).await?;
    }
    Ok(Reply::accepted(&Sent { success: true }))
}

/// Sets a new password with a link's token. Every session ends and the platform keys are revoked; wrong passwords and
/// codes of before lock nobody out. Of an account whose address nobody had proved, the factor and the provider keys go,
/// too.
#[utoipa::path(post, path = "/api/auth/reset-password", operation_id = "resetPassword", tag = "accounts", request_body = ResetRequest,
    responses((status = 204)))]
pub async fn reset(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Reset>,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<Reply, Problem> {
    reset_password(&app, &client, &request).await?;
    Ok(Reply::no_content())
}

async fn submit_reset(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Reset>,
    Form(request): Form<ResetRequest>,
) -> Result<Reply, Problem> {
    reset_password(&app, &client, &request).await?;
    Ok(Page::ResetPassword.done())
}

async fn reset_password(app: &App<Own>, client: &ClientInfo, request: &ResetRequest) -> Result<(), Problem> {
    // Before the link is used up: whoever chose a weak password may choose another one, and a failure may be repeated.
    let owner = match app.own.resets.owner(&request.token).await? {
        Some(owner) => app.users.stored(&owner).await?,
        None => None,
    };
    let hash = match &owner {
        Some(user) => {
            let hash = request.password.hash_for("password", &[&user.name, &user.email])?;
            revoke_keys(app, &user.id, user.email_verified_at.is_none()).await?;
            Some(hash)
        }
        None => None,
    };
    let Some(user_id) = app.own.resets.redeem(&request.token).await? else {
        app.own.audit_log.record(client, AuditEvent::new(Action::PasswordResetRefused)).await?;
        return Err(Problem::invalid_field("token", "is used up or expired: ask for another link"));
    };
    let gone = || Problem::not_found("There is no such account any more.");
    let reset = app.users.reset_password(&user_id, hash.ok_or_else(gone)?).await?;
    let PasswordReset { user, is_first_proof } = reset.ok_or_else(gone)?;
    settle(app, &user).await;
    // Once more: with a token of before one may have been made until the password changed, and none since.
    revoke_keys(app, &user_id, is_first_proof).await?;
    let event = AuditEvent::new(Action::PasswordReset).on("user", &user_id).with("firstProof", is_first_proof);
    app.own.audit_log.record(client, event).await
}

/// Ends the account's platform keys, and its provider keys if a stranger may have put them there.
async fn revoke_keys(app: &App<Own>, user_id: &str, of_providers: bool) -> Result<(), Problem> {
    revoke_platform_keys(&app.mongo, &app.cache, user_id).await?;
    if of_providers {
        revoke_provider_keys(&app.mongo, user_id).await?;
    }
    Ok(())
}

/// Sets a new password with the present one; every session ends, this one too.
#[utoipa::path(post, path = "/api/auth/change-password", operation_id = "changePassword", tag = "accounts", request_body = ChangeRequest, security(("bearer" = [])),
    responses((status = 204)))]
pub async fn change(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::ChangePassword>,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Reply, Problem> {
    user.require_fresh_mfa()?;
    let Some(changed) = replace(&app, &user, &request).await? else {
        app.own.audit_log.record(&user.client, AuditEvent::new(Action::PasswordChangeFailed).by(&user.account)).await?;
        return Err(Problem::invalid_field("currentPassword", "is wrong"));
    };
    settle(&app, &changed).await;
    if request.revoke_keys {
        revoke_keys(&app, user.id(), false).await?;
    }
    app.own.audit_log.record(&user.client, AuditEvent::new(Action::PasswordChanged).by(&user.account)).await?;
    Ok(Reply::no_content())
}

/// Shows the password again, which some requests of an account without a second factor ask for.
#[utoipa::path(post, path = "/api/auth/verify-password", operation_id = "verifyPassword", tag = "accounts", request_body = VerifyPasswordRequest, security(("bearer" = [])),
    responses((status = 200, body = PasswordShown)))]
pub async fn verify_password(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::ChangePassword>,
    JsonBody(request): JsonBody<VerifyPasswordRequest>,
) -> Result<Reply, Problem> {
    let stored = app.users.stored(user.id()).await?.ok_or_else(sign_in_again)?;
    if !app.own.lockout.confirm(&stored, &user.client, &request.password).await? {
        app.own.audit_log.record(&user.client, AuditEvent::new(Action::PasswordRefused).by(&user.account)).await?;
        return Err(Problem::invalid_field("password", "is wrong"));
    }
    let access_token = app.own.sessions.step_up(&user, Shown::Password).await?;
    app.own.audit_log.record(&user.client, AuditEvent::new(Action::PasswordShown).by(&user.account)).await?;
    let cookie = user.is_of_front_end().then(|| step_up_cookie(&access_token));
    Ok(Reply::ok(&PasswordShown { access_token }).with_cookie(cookie))
}

/// Mails a link by which the owner of an account from before addresses were proved proves theirs.
#[utoipa::path(post, path = "/api/auth/verify-email/send", operation_id = "sendEmailProof", tag = "accounts", security(("bearer" = [])),
    responses((status = 202, body = Sent), (status = 409)))]
pub async fn send_proof(State(app): State<App<Own>>, user: Signed<rate_limits::VerifyEmail>) -> Result<Reply, Problem> {
    let stored = app.users.stored(user.id()).await?.ok_or_else(sign_in_again)?;
    app.own.proofs.request(&user.client, &stored).await?;
    Ok(Reply::accepted(&Sent { success: true }))
}

/// Proves an address with a link's token and the account's password.
#[utoipa::path(post, path = "/api/auth/verify-email", operation_id = "verifyEmail", tag = "accounts", request_body = VerifyEmailRequest,
    responses((status = 204)))]
pub async fn verify_email(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Links>,
    JsonBody(request): JsonBody<VerifyEmailRequest>,
) -> Result<Reply, Problem> {
    prove_email(&app, &client, &request).await?;
    Ok(Reply::no_content())
}

async fn submit_proof(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Links>,
    Form(request): Form<VerifyEmailRequest>,
) -> Result<Reply, Problem> {
    prove_email(&app, &client, &request).await?;
    Ok(Page::VerifyEmail.done())
}

async fn prove_email(app: &App<Own>, client: &ClientInfo, request: &VerifyEmailRequest) -> Result<(), Problem> {
    let Own { proofs, lockout, .. } = &app.own;
    let user = proofs.redeem(&app.users, lockout, client, &request.token, &request.password).await?;
    app.own.audit_log.record(client, AuditEvent::new(Action::EmailVerified).by(&Account::from(user))).await
}

/// The account with its new password; `None` when the present one is wrong, or another one by now.
async fn replace(
    app: &App<Own>,
    user: &Signed<rate_limits::ChangePassword>,
    request: &ChangeRequest,
) -> Result<Option<User>, Problem> {
    let Some(stored) = app.users.stored(user.id()).await? else { return Ok(None) };
    if !app.own.lockout.confirm(&stored, &user.client, &request.current_password).await? {
        return Ok(None);
    }
    let hash = request.new_password.hash_for("newPassword", &[&stored.name, &stored.email])?;
    let Some(present) = stored.password_hash else { return Ok(None) };
    Ok(app.users.replace_password(user.id(), &present, hash).await?)
}

/// What follows a new password, before anything that can fail: the owner is told, and the sessions are gone.
async fn settle(app: &App<Own>, user: &User) {
    app.own.resets.changed(user).await;
    app.own.sessions.forget_all(&user.id).await;
}
