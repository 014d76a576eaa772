//! `GET`, `PUT /api/user/notification-preferences`, `POST …/send-code`, `POST …/verify`: how to be told about one's usage,
//! and the proof that a number for it is one's own.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use garde::Validate;
use serde::Deserialize;
use shared::{
    auth::{self, Signed},
    counters::Counters,
    http::{JsonBody, Problem, Reply},
    lambda,
    mfa::{self, Code, CodeSent, Mfa},
    mongo::Lifetime,
    rate_limits,
    usage::alerts::preferences::{self, Preferences},
};
use utoipa::ToSchema;

type App = auth::App<Mfa>;

/// A code that was sent to the number.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberProof {
    /// Six digits.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 6, max_length = 40)]
    code: Code,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Mfa::from_env(&clients.mongo, &Counters::new(&clients.mongo, &clients.cache))
    })?;
    let routes = Router::new()
        .route("/api/user/notification-preferences", get(show).put(replace))
        .route("/api/user/notification-preferences/send-code", post(send_code))
        .route("/api/user/notification-preferences/verify", post(verify));
    app.serve(routes).await
}

/// The caller's preferences.
#[utoipa::path(get, path = "/api/user/notification-preferences", operation_id = "getNotificationPreferences", tag = "usage", security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub async fn show(State(app): State<App>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&preferences::read(&app.mongo, user.id()).await?))
}

/// Replaces the caller's preferences; what is left out is as by default.
///
/// A new number gets nothing until it is proved: `send-code`, then `verify`.
#[utoipa::path(put, path = "/api/user/notification-preferences", operation_id = "replaceNotificationPreferences", tag = "usage", request_body = Preferences, security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub async fn replace(
    State(app): State<App>,
    user: Signed<rate_limits::Account>,
    JsonBody(request): JsonBody<Preferences>,
) -> Result<Reply, Problem> {
    request.phone_number.as_deref().map_or(Ok(()), |number| app.own.check_country(number))?;
    Ok(Reply::ok(&preferences::write(&app.mongo, user.id(), request).await?))
}

/// Sends a code to the caller's number that is not proved.
#[utoipa::path(post, path = "/api/user/notification-preferences/send-code", operation_id = "sendPhoneNumberCode", tag = "usage", security(("bearer" = [])),
    responses((status = 200, body = CodeSent), (status = 409), (status = 422)))]
pub async fn send_code(State(app): State<App>, user: Signed<rate_limits::MfaSendHourly>) -> Result<Reply, Problem> {
    let number = number_to_prove(&app, user.id()).await?;
    let expires_at = app.own.send_to_number(&user.client, user.id(), &number).await?;
    Ok(Reply::ok(&CodeSent { expires_at }))
}

/// Proves the caller's number with a code that was sent to it.
#[utoipa::path(post, path = "/api/user/notification-preferences/verify", operation_id = "verifyPhoneNumber", tag = "usage", request_body = NumberProof, security(("bearer" = [])),
    responses((status = 200, body = Preferences), (status = 409)))]
pub async fn verify(
    State(app): State<App>,
    user: Signed<rate_limits::MfaVerify>,
    JsonBody(proof): JsonBody<NumberProof>,
) -> Result<Reply, Problem> {
    let number = number_to_prove(&app, user.id()).await?;
    if !app.own.proves_number(user.id(), &number, &proof.code).await? {
        return Err(mfa::wrong_code());
    }
    if !preferences::note_proved(&app.mongo, user.id(), &number).await? {
        return Err(nothing_to_prove());
    }
    Ok(Reply::ok(&preferences::read(&app.mongo, user.id()).await?))
}

async fn number_to_prove(app: &App, user_id: &str) -> Result<String, Problem> {
    let preferences = preferences::read(&app.mongo, user_id).await?;
    let number = preferences.phone_number.filter(|_| !preferences.phone_number_proved);
    number.ok_or_else(nothing_to_prove)
}

fn nothing_to_prove() -> Problem {
    Problem::conflict("no_number_to_prove", "Your preferences have no number that is not proved.")
}
