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
    ledger::{Ledger, Payer, SIGN_UP_BYTES},
    mongo::{Lifetime, Mongo},
    rate_limits,
    users::{Account, Email, Profile, Users, display_name},
};
use utoipa::ToSchema;

/// Who signs up.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "Correct7horse", "name": "Ada"}))]
pub struct SignUpRequest {
    /// One account an address, however it is spelled; before the `@` ASCII letters alone, as mail is delivered to them.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    email: Email,
    /// 8 to 128 characters, among them an upper-case letter, a lower-case letter and a digit.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    password: NewPassword,
    /// As others see it.
    #[garde(length(chars, max = 100), custom(display_name))]
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    name: String,
}

pub struct Own {
    users: Users,
    ledger: Ledger,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Environment)?, Cache::from_env()?);
    let (users, ledger) = (Users::new(mongo.clone(), cache.clone()), Ledger::new(mongo.clone(), cache.clone()));
    let own = Own { users, audit_log: AuditLog::from_env(&ledger)?, ledger };
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
    let create = app.users.create(&request.email, request.name.trim(), request.password.hash());
    let payer = Payer::SignUp { network: client.network() };
    let user = app.ledger.pay(&payer, SIGN_UP_BYTES, create, Option::is_some).await?;
    let Some(user) = user else {
        app.audit_log.record(&client, AuditEvent::new(Action::SignUpRefused)).await?;
        return Err(Problem::conflict("email_taken", "There is an account with this address."));
    };
    let account = Account::from(user);
    app.audit_log.record(&client, AuditEvent::new(Action::SignUp).by(&account)).await?;
    Ok(Reply::created(&Profile::from(&account)))
}
