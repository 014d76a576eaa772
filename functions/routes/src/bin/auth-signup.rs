//! `POST /api/auth/signup`: a new account.

use axum::{Router, extract::State, routing::post};
use garde::Validate;
use serde::Deserialize;
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::NewPassword,
    cache::Cache,
    http::{Counted, JsonBody, Problem, Reply},
    lambda::{self, PublicApp},
    mongo::{Lifetime, Mongo},
    rate_limits,
    users::{Account, Email, Profile, Users, display_name},
};
use utoipa::ToSchema;

/// Who signs up.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery staple", "name": "Ada"}))]
pub struct SignUpRequest {
    /// One account an address, however it is spelled; before the `@` ASCII letters alone, as mail is delivered to them.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    email: Email,
    /// 12 to 128 characters of any kind; none that is common, or made of the address or the name.
    #[garde(skip)]
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 128)]
    password: NewPassword,
    /// As others see it.
    #[garde(length(chars, max = 100), custom(display_name))]
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    name: String,
}

pub struct Own {
    users: Users,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Environment)?, Cache::from_env()?);
    let own = Own { users: Users::new(mongo.clone(), cache.clone()), audit_log: AuditLog::from_env(&mongo)? };
    let routes = Router::new().route("/api/auth/signup", post(sign_up));
    PublicApp::new(cache, own).serve(routes, mongo).await
}

/// Makes an account; sign in afterwards.
#[utoipa::path(post, path = "/api/auth/signup", tag = "accounts", request_body = SignUpRequest,
    responses((status = 201, body = Profile), (status = 409)))]
pub async fn sign_up(
    State(app): State<PublicApp<Own>>,
    client: Counted<rate_limits::SignUp>,
    JsonBody(request): JsonBody<SignUpRequest>,
) -> Result<Reply, Problem> {
    let hash = request.password.hash_for("password", &[&request.name, request.email.as_str()])?;
    let user = app.users.create(&request.email, request.name.trim(), hash).await?;
    let Some(user) = user else {
        app.audit_log.record(&client, AuditEvent::new(Action::SignUpRefused)).await?;
        return Err(Problem::conflict("email_taken", "There is an account with this address."));
    };
    let account = Account::from(user);
    app.audit_log.record(&client, AuditEvent::new(Action::SignUp).by(&account)).await?;
    Ok(Reply::created(&Profile::from(&account)))
}
