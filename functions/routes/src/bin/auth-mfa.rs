//! `/api/auth/mfa/…`: the second factor. `/account/reset-factor`, `/account/keep-factor`: where links about a lost one
//! lead.

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use garde::Validate;
use serde::{Deserialize, Serialize};
use shared::{
    auth::{App, Page, Principal, Signed, step_up_cookie},
    http::{ClientInfo, Counted, Form, JsonBody, Problem, Reply},
    lambda,
    mfa::{
        Code, CodeRequest, CodeSent, EnrolRequest, Enrolment, MfaFlow, MfaStatus, ResetBegun, ResetRequest,
        SendRequest, VerifyAnswer,
    },
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

/// From a link about a lost factor.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkRequest {
    #[garde(length(max = 2000))]
    #[schema(max_length = 2000)]
    token: String,
}

/// A link is on its way.
#[derive(Serialize, ToSchema)]
pub struct LinkSent {
    success: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, MfaFlow::from_env)?;
    let routes = Router::new()
        .route("/api/auth/mfa/status", get(status))
        .route("/api/auth/mfa/send-code", post(send_code))
        .route("/api/auth/mfa/verify", post(verify))
        .route("/api/auth/mfa/enable", post(enable))
        .route("/api/auth/mfa/disable", post(disable))
        .route("/api/auth/mfa/reset", post(ask_reset))
        .route("/api/auth/mfa/reset/begin", post(begin_reset))
        .route("/api/auth/mfa/reset/stop", post(stop_reset));
    let routes = Page::ResetFactor.add_to(routes, post(submit_reset));
    let routes = Page::KeepFactor.add_to(routes, post(submit_stop));
    app.serve(routes).await
}

/// Whether there is a second factor, and which.
#[utoipa::path(get, path = "/api/auth/mfa/status", operation_id = "getMfaStatus", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = MfaStatus)))]
pub async fn status(State(app): State<App<MfaFlow>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.status(&user).await?))
}

/// Sends a code by SMS or e-mail: with the challenge of a sign-in, or to whoever is signed in.
#[utoipa::path(post, path = "/api/auth/mfa/send-code", operation_id = "sendMfaCode", tag = "accounts", request_body = SendRequest, security((), ("bearer" = [])),
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
#[utoipa::path(post, path = "/api/auth/mfa/verify", operation_id = "verifyMfaCode", tag = "accounts", request_body = CodeRequest, security((), ("bearer" = [])),
    responses((status = 200, body = VerifyAnswer)))]
pub async fn verify(
    State(app): State<App<MfaFlow>>,
    Extension(client): Extension<ClientInfo>,
    principal: Option<Principal>,
    JsonBody(request): JsonBody<CodeRequest>,
) -> Result<Reply, Problem> {
    let is_of_front_end = principal.as_ref().is_some_and(Principal::is_of_front_end);
    let answer = app.own.verify(&client, principal, request).await?;
    let cookie = answer.stepped_up().filter(|_| is_of_front_end).map(step_up_cookie);
    Ok(Reply::ok(&answer).with_cookie(cookie))
}

/// Begins to set a factor up, with the account's password; it is pending until a code proves it.
#[utoipa::path(post, path = "/api/auth/mfa/enable", operation_id = "enableMfa", tag = "accounts", request_body = EnrolRequest, security(("bearer" = [])),
    responses((status = 200, body = Enrolment), (status = 409)))]
pub async fn enable(
    State(app): State<App<MfaFlow>>,
    user: Signed<rate_limits::ChangePassword>,
    JsonBody(request): JsonBody<EnrolRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.enable(&user.client, &user, request).await?))
}

/// Turns the factor off, with a code of it.
#[utoipa::path(post, path = "/api/auth/mfa/disable", operation_id = "disableMfa", tag = "accounts", request_body = DisableRequest, security(("bearer" = [])),
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

/// Mails a link by which a lost factor is reset, to whoever has the challenge of a sign-in.
#[utoipa::path(post, path = "/api/auth/mfa/reset", operation_id = "requestMfaReset", tag = "accounts", request_body = ResetRequest,
    responses((status = 202, body = LinkSent), (status = 401), (status = 403), (status = 409)))]
pub async fn ask_reset(
    State(app): State<App<MfaFlow>>,
    client: Counted<rate_limits::Links>,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<Reply, Problem> {
    app.own.ask_reset(&client, request).await?;
    Ok(Reply::accepted(&LinkSent { success: true }))
}

/// Begins a lost factor's reset with a link's token: it counts no more in 24 hours, unless the owner stops that.
#[utoipa::path(post, path = "/api/auth/mfa/reset/begin", operation_id = "beginMfaReset", tag = "accounts", request_body = LinkRequest,
    responses((status = 202, body = ResetBegun)))]
pub async fn begin_reset(
    State(app): State<App<MfaFlow>>,
    client: Counted<rate_limits::Links>,
    JsonBody(request): JsonBody<LinkRequest>,
) -> Result<Reply, Problem> {
    Ok(Reply::accepted(&app.own.begin_reset(&client, &request.token).await?))
}

/// Stops a factor's reset with the token of the link that told of it.
#[utoipa::path(post, path = "/api/auth/mfa/reset/stop", operation_id = "stopMfaReset", tag = "accounts", request_body = LinkRequest,
    responses((status = 204)))]
pub async fn stop_reset(
    State(app): State<App<MfaFlow>>,
    client: Counted<rate_limits::Links>,
    JsonBody(request): JsonBody<LinkRequest>,
) -> Result<Reply, Problem> {
    app.own.stop_reset(&client, &request.token).await?;
    Ok(Reply::no_content())
}

async fn submit_reset(
    State(app): State<App<MfaFlow>>,
    client: Counted<rate_limits::Links>,
    Form(request): Form<LinkRequest>,
) -> Result<Reply, Problem> {
    app.own.begin_reset(&client, &request.token).await?;
    Ok(Page::ResetFactor.done())
}

async fn submit_stop(
    State(app): State<App<MfaFlow>>,
    client: Counted<rate_limits::Links>,
    Form(request): Form<LinkRequest>,
) -> Result<Reply, Problem> {
    app.own.stop_reset(&client, &request.token).await?;
    Ok(Page::KeepFactor.done())
}
