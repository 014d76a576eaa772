//! `POST /api/auth/forgot-password`, `…/reset-password`, `…/change-password`: another password.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use shared::{
    accounts::{Attempt, Email, Guard, Guarded, NewPassword, PasswordResets, Principal, Sessions, Tokens, User},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, JsonBody, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};
use utoipa::ToSchema;

/// Whose password is forgotten.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForgotRequest {
    /// The account's address.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    email: Email,
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
    /// The new one.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    password: NewPassword,
}

/// A new password for the present one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"currentPassword": "Correct7horse", "newPassword": "Battery8staple"}))]
pub struct ChangeRequest {
    /// The present one.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    current_password: Attempt,
    /// The new one.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    new_password: NewPassword,
}

/// What the handlers need.
pub struct App {
    cache: Cache,
    guard: Guard,
    sessions: Sessions,
    resets: PasswordResets,
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
        sessions: Sessions::new(mongo.clone(), Tokens::from_env()?),
        resets: PasswordResets::from_env(&mongo)?,
        trail: Trail::from_env(&mongo)?,
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/auth/forgot-password", post(forgot))
        .route("/api/auth/reset-password", post(reset))
        .route("/api/auth/change-password", post(change))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// Sends a link, if there is such an account; the answer does not tell.
#[utoipa::path(post, path = "/api/auth/forgot-password", tag = "accounts", request_body = ForgotRequest,
    responses((status = 202, description = "A link is on its way, if there is such an account", body = Sent)))]
pub async fn forgot(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<ForgotRequest>,
) -> Result<Reply, Problem> {
    limits::FORGOT.check_address(&app.cache, &caller).await?;
    limits::FORGOT_ACCOUNT.check(&app.cache, &caller, &request.email.key()).await?;
    let user_id = app.resets.request(&app.guard.users, &request.email).await?;
    let fact = Fact::new(Action::PasswordResetRequested).on_user(user_id.as_deref());
    app.trail.record(&caller, fact).await?;
    Ok(Reply::accepted(&Sent { sent: true }))
}

/// Sets a new password with a link's token; every session ends.
#[utoipa::path(post, path = "/api/auth/reset-password", tag = "accounts", request_body = ResetRequest,
    responses((status = 204)))]
pub async fn reset(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<Reply, Problem> {
    limits::RESET.check_address(&app.cache, &caller).await?;
    let Some(user_id) = app.resets.redeem(&request.token).await? else {
        app.trail.record(&caller, Fact::new(Action::PasswordResetRefused)).await?;
        return Err(Problem::invalid_field("token", "is used up or expired: ask for another link"));
    };
    let Some(user) = app.guard.users.set_password(&user_id, request.password.hash()).await? else {
        return Err(Problem::not_found("There is no such account any more."));
    };
    app.settle(&caller, &user, Fact::new(Action::PasswordReset).on("user", &user_id)).await
}

/// Sets a new password with the present one; every session ends, this one too.
#[utoipa::path(post, path = "/api/auth/change-password", tag = "accounts", request_body = ChangeRequest, security(("bearer" = [])),
    responses((status = 204)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Reply, Problem> {
    limits::CHANGE_PASSWORD.check(&app.cache, &caller, principal.id()).await?;
    principal.require_fresh_mfa()?;
    let Some(user) = app.replace(principal.id(), &request).await? else {
        app.trail.record(&caller, Fact::new(Action::PasswordChangeFailed).by(&principal.account)).await?;
        return Err(Problem::invalid_field("currentPassword", "is wrong"));
    };
    app.settle(&caller, &user, Fact::new(Action::PasswordChanged).by(&principal.account)).await
}

impl App {
    /// The account with its new password; `None` when the present one is wrong, or another one by now.
    async fn replace(&self, id: &str, request: &ChangeRequest) -> Result<Option<User>, Problem> {
        let present = self.guard.users.stored(id).await?.and_then(|user| user.password_hash);
        let Some(present) = present.filter(|hash| request.current_password.matches(Some(hash))) else {
            return Ok(None);
        };
        Ok(self.guard.users.replace_password(id, &present, request.new_password.hash()).await?)
    }

    /// What follows a new password. The entry comes last: if it cannot be kept, the owner is told and the rest is done.
    async fn settle(&self, caller: &Caller, user: &User, fact: Fact) -> Result<Reply, Problem> {
        self.resets.changed(user).await;
        self.sessions.forget_all(&user.id).await;
        self.trail.record(caller, fact).await?;
        Ok(Reply::no_content())
    }
}
