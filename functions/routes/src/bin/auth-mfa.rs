//! `/api/auth/mfa/…`: the second factor.

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use garde::Validate;
use serde::Deserialize;
use shared::{
    auth::{App, Principal, Signed},
    http::{ClientInfo, JsonBody, Problem, Reply},
    lambda,
    mfa::{Code, CodeRequest, CodeSent, EnrolRequest, Enrolment, MfaFlow, MfaStatus, SendRequest, VerifyAnswer},
    mongo::Lifetime,
    rate_limits,
};
use utoipa::ToSchema;

/// A code of the factor that is on.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisableRequest {
    /// Six digits, or a recovery code; white space and hyphens in it mean nothing.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 6, max_length = 40)]
    code: Code,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::Environment, MfaFlow::from_env)?;
    let routes = Router::new()
        .route("/api/auth/mfa/status", get(status))
        .route("/api/auth/mfa/send-code", post(send_code))
        .route("/api/auth/mfa/verify", post(verify))
        .route("/api/auth/mfa/enable", post(enable))
        .route("/api/auth/mfa/disable", post(disable));
    app.serve(routes).await
}

/// Whether there is a second factor, and which.
#[utoipa::path(get, path = "/api/auth/mfa/status", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = MfaStatus)))]
pub async fn status(State(app): State<App<MfaFlow>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.status(&user).await?))
}

/// Sends a code by SMS or e-mail: with the challenge of a sign-in, or to whoever is signed in.
#[utoipa::path(post, path = "/api/auth/mfa/send-code", tag = "accounts", request_body = SendRequest, security((), ("bearer" = [])),
    responses((status = 202, body = CodeSent), (status = 409)))]
pub async fn send_code(
    State(app): State<App<MfaFlow>>,
    Extension(client): Extension<ClientInfo>,
    principal: Option<Principal>,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::accepted(&app.own.send(&client, principal, request).await?))
}

/// Takes a code: completes a sign-in, turns on a pending factor, or notes that the factor was shown.
#[utoipa::path(post, path = "/api/auth/mfa/verify", tag = "accounts", request_body = CodeRequest, security((), ("bearer" = [])),
    responses((status = 200, body = VerifyAnswer)))]
pub async fn verify(
    State(app): State<App<MfaFlow>>,
    Extension(client): Extension<ClientInfo>,
    principal: Option<Principal>,
    JsonBody(request): JsonBody<CodeRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.verify(&client, principal, request).await?))
}

/// Begins to set a factor up, with the account's password; it is pending until a code proves it.
#[utoipa::path(post, path = "/api/auth/mfa/enable", tag = "accounts", request_body = EnrolRequest, security(("bearer" = [])),
    responses((status = 200, body = Enrolment), (status = 409)))]
pub async fn enable(
    State(app): State<App<MfaFlow>>,
    user: Signed<rate_limits::ChangePassword>,
    JsonBody(request): JsonBody<EnrolRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.enable(&user.client, &user, request).await?))
}

/// Turns the factor off, with a code of it.
#[utoipa::path(post, path = "/api/auth/mfa/disable", tag = "accounts", request_body = DisableRequest, security(("bearer" = [])),
    responses((status = 204), (status = 409)))]
pub async fn disable(
    State(app): State<App<MfaFlow>>,
    Extension(client): Extension<ClientInfo>,
    principal: Principal,
    JsonBody(request): JsonBody<DisableRequest>,
) -> Result<Reply, Problem> {
    app.own.disable(&client, &principal, &request.code).await?;
    Ok(Reply::no_content())
}
