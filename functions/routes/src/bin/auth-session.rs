//! `GET /api/auth/session`, `POST /api/auth/refresh`, `POST /api/auth/logout`, `/api/auth/sessions`: the life of a
//! session.

use axum::{
    Router,
    extract::State,
    routing::{delete, get, post},
};
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, RefreshError, SessionList, Sessions, Signed, SignedIn, Tokens},
    http::{Counted, JsonBody, Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    notifications::{Outbox, Template},
    rate_limits,
    users::Profile,
};
use utoipa::ToSchema;

/// A refresh token.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshRequest {
    /// From the last sign-in or refresh: good for one use.
    #[garde(skip)]
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

pub struct Own {
    sessions: Sessions,
    audit_log: AuditLog,
    outbox: Outbox,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            sessions: Sessions::new(clients.ledger.clone(), Tokens::from_env()?),
            audit_log: AuditLog::from_env(&clients.ledger)?,
            outbox: Outbox::from_env()?,
        })
    })?;
    let routes = Router::new()
        .route("/api/auth/session", get(show))
        .route("/api/auth/refresh", post(refresh))
        .route("/api/auth/logout", post(log_out))
        .route("/api/auth/sessions", get(list).delete(end_others))
        .route("/api/auth/sessions/{id}", delete(end));
    app.serve(routes).await
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/auth/session", operation_id = "getSession", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = Profile)))]
pub async fn show(user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&Profile::from(&*user.account)))
}

/// Exchanges a refresh token for new tokens. Sent again within 10 seconds it gives the same refresh token again; used
/// later, or once its successor is used, it ends its session.
#[utoipa::path(post, path = "/api/auth/refresh", operation_id = "refreshSession", tag = "accounts", request_body = RefreshRequest,
    responses((status = 200, body = SignedIn), (status = 401)))]
pub async fn refresh(
    State(app): State<App<Own>>,
    client: Counted<rate_limits::Refresh>,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<Reply, Problem> {
    let error = match app.own.sessions.refresh(&app.users, &request.refresh_token, &client).await {
        Ok(signed_in) => return Ok(Reply::ok(&signed_in)),
        Err(error) => error,
    };
    match &error {
        RefreshError::Refused(user_id) => {
            let event = AuditEvent::new(Action::RefreshRefused).on_user(user_id.as_deref());
            app.own.audit_log.record(&client, event).await?;
        }
        RefreshError::Reused { user_id, family_id } => {
            let event = AuditEvent::new(Action::RefreshReused).on("user", user_id).with("session", family_id.as_str());
            app.own.audit_log.record(&client, event).await?;
            // The session is over, whether its owner hears of it or not.
            if let Ok(Some(account)) = app.users.find(user_id).await {
                app.own.outbox.notify(user_id, account.proved_email().as_ref(), Template::RefreshTokenReused).await;
            }
        }
        RefreshError::Full(_) | RefreshError::Store(_) => {}
    }
    Err(error.into())
}

/// Ends this session: its refresh token at once, its access token within 30 seconds everywhere. One of the front end's
/// ends there.
#[utoipa::path(post, path = "/api/auth/logout", operation_id = "signOut", tag = "accounts", security(("bearer" = [])),
    responses((status = 204), (status = 409)))]
pub async fn log_out(State(app): State<App<Own>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    if user.is_of_front_end() {
        return Err(Problem::conflict("front_end_session", "This session is the front end's: sign out there."));
    }
    app.own.sessions.end(&app.users, user.id(), &user.session_id).await?;
    app.own.audit_log.record(&user.client, AuditEvent::new(Action::SignOut).by(&user.account)).await?;
    Ok(Reply::no_content())
}

/// The caller's sessions, on whatever devices: at most 20, of which a new one ends the oldest.
#[utoipa::path(get, path = "/api/auth/sessions", operation_id = "listSessions", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = SessionList)))]
pub async fn list(State(app): State<App<Own>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.sessions.list(&user).await?))
}

/// Ends all of the caller's sessions but this one; of the front end's, all.
#[utoipa::path(delete, path = "/api/auth/sessions", operation_id = "endOtherSessions", tag = "accounts", security(("bearer" = [])),
    responses((status = 204)))]
pub async fn end_others(State(app): State<App<Own>>, user: Signed<rate_limits::EndSessions>) -> Result<Reply, Problem> {
    app.own.sessions.end_others(&app.users, &user).await?;
    app.own.audit_log.record(&user.client, AuditEvent::new(Action::SessionEnded).by(&user.account)).await?;
    Ok(Reply::no_content())
}

/// Ends one of the caller's sessions.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", operation_id = "endSession", tag = "accounts", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn end(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::EndSessions>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    if !app.own.sessions.has(user.id(), &id).await? {
        return Err(Problem::not_found("You have no such session."));
    }
    app.own.sessions.end(&app.users, user.id(), &id).await?;
    let event = AuditEvent::new(Action::SessionEnded).by(&user.account).on("session", &id);
    app.own.audit_log.record(&user.client, event).await?;
    Ok(Reply::no_content())
}
