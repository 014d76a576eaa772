//! `POST /api/auth/signup`, `…/signup/complete`: a new account, once a link that was mailed to its address was followed.
//! `/account/complete-sign-up`: where that link leads.

use axum::{Router, extract::State, routing::post};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{NewPassword, Page, SignUps},
    cache::Cache,
    http::{ClientInfo, Counted, Form, JsonBody, Problem, Reply},
    lambda::{self, PublicApp},
    ledger::Ledger,
    mongo::{Lifetime, Mongo},
    rate_limits,
    users::{Account, Email, Profile, Users, display_name},
};
use utoipa::ToSchema;

/// Who signs up.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "name": "Ada"}))]
pub struct SignUpRequest {
    /// One account an address, however it is spelled; before the `@` ASCII letters alone, as mail is delivered to them.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    email: Email,
    /// 12 to 128 characters of any kind; none that is common, or made of the address or the name. Checked and not kept: an
    /// account's password is the one entered behind the mailed link, so that only who owns the mailbox chooses it.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = "password", min_length = 12, max_length = 128)]
    password: Option<NewPassword>,
    /// As others see it.
    #[garde(length(chars, max = 100), custom(display_name))]
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    name: String,
}

/// What everybody is told, with an account or without.
#[derive(Serialize, ToSchema)]
#[schema(as = SignUpSent)]
pub struct Sent {
    success: bool,
}

/// The password of a new account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompleteSignUp {
    /// From the link.
    #[garde(skip)]
    #[schema(value_type = String)]
    token: SecretString,
    /// 12 to 128 characters of any kind; none that is common, or made of the address or the name.
    #[garde(skip)]
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 128)]
    password: NewPassword,
}

pub struct Own {
    users: Users,
    sign_ups: SignUps,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::FromStart)?, Cache::from_env()?);
    let (users, ledger) = (Users::new(mongo.clone(), cache.clone()), Ledger::new(mongo.clone(), cache.clone()));
    let (sign_ups, audit_log) = (SignUps::from_env(&ledger, &cache)?, AuditLog::from_env(&ledger)?);
    let own = Own { users, sign_ups, audit_log };
    let routes =
        Router::new().route("/api/auth/signup", post(sign_up)).route("/api/auth/signup/complete", post(complete));
    let routes = Page::CompleteSignUp.add_to(routes, post(submit));
    PublicApp::new(cache, own).serve(routes, mongo).await
}

/// Mails a link that completes the sign-up; to an address that has an account, one to a new password. The answer does
/// not tell which.
#[utoipa::path(post, path = "/api/auth/signup", operation_id = "signUp", tag = "accounts", request_body = SignUpRequest,
    responses((status = 202, description = "Follow the link that is on its way", body = Sent)))]
pub async fn sign_up(
    State(app): State<PublicApp<Own>>,
    client: Counted<rate_limits::SignUp>,
    JsonBody(request): JsonBody<SignUpRequest>,
) -> Result<Reply, Problem> {
    if let Some(password) = &request.password {
        password.check("password", &[&request.name, request.email.as_str()])?;
    }
    app.sign_ups.request(&app.users, &client, &request.email, request.name.trim()).await?;
    Ok(Reply::accepted(&Sent { success: true }))
}

/// Makes the account of a sign-up, with a link's token; sign in afterwards.
#[utoipa::path(post, path = "/api/auth/signup/complete", operation_id = "completeSignUp", tag = "accounts", request_body = CompleteSignUp,
    responses((status = 201, body = Profile)))]
pub async fn complete(
    State(app): State<PublicApp<Own>>,
    client: Counted<rate_limits::CompleteSignUp>,
    JsonBody(request): JsonBody<CompleteSignUp>,
) -> Result<Reply, Problem> {
    Ok(Reply::created(&Profile::from(&make_account(&app, &client, &request).await?)))
}

async fn submit(
    State(app): State<PublicApp<Own>>,
    client: Counted<rate_limits::CompleteSignUp>,
    Form(request): Form<CompleteSignUp>,
) -> Result<Reply, Problem> {
    make_account(&app, &client, &request).await?;
    Ok(Page::CompleteSignUp.done())
}

async fn make_account(app: &Own, client: &ClientInfo, request: &CompleteSignUp) -> Result<Account, Problem> {
    let user = app.sign_ups.complete(&app.users, client, &request.token, &request.password).await?;
    let account = user.map(Account::from);
    let account = account.ok_or_else(|| Problem::invalid_field("token", "is used up or expired: sign up again"))?;
    app.audit_log.record(client, AuditEvent::new(Action::SignUp).by(&account)).await?;
    Ok(account)
}
