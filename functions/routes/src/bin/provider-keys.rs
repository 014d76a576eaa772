//! `GET`, `POST /api/provider-keys`, `POST /api/provider-keys/{keyId}/rotate`, `…/revoke`: keys for AI providers.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;
use shared::{
    api_keys::{NewProviderKey, Provider, ProviderKeyPage, ProviderKeyView, ProviderKeys, RotatedSecret},
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    http::{JsonBody, Page, Path, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
};
use utoipa::IntoParams;

/// How the list is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// Only keys of this provider.
    provider: Option<Provider>,
}

pub struct Own {
    keys: ProviderKeys,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::Invocation, |clients| {
        Ok(Own { keys: ProviderKeys::from_env(&clients.mongo)?, audit_log: AuditLog::from_env(&clients.ledger)? })
    })?;
    let routes = Router::new()
        .route("/api/provider-keys", get(list).post(create))
        .route("/api/provider-keys/{keyId}/rotate", post(rotate))
        .route("/api/provider-keys/{keyId}/revoke", post(revoke));
    app.serve(routes).await
}

/// The caller's keys for providers, the newest first, without their secrets.
#[utoipa::path(get, path = "/api/provider-keys", operation_id = "listProviderKeys", tag = "keys", params(KeyQuery, Page), security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyPage)))]
pub async fn list(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Query(query): Query<KeyQuery>,
    page: Page,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.keys.list(user.id(), query.provider, page).await?))
}

/// Keeps a key. Its secret never leaves again.
#[utoipa::path(post, path = "/api/provider-keys", operation_id = "createProviderKey", tag = "keys", request_body = NewProviderKey, security(("bearer" = [])),
    responses((status = 201, body = ProviderKeyView), (status = 409)))]
pub async fn create(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    JsonBody(request): JsonBody<NewProviderKey>,
) -> Result<Reply, Problem> {
    user.require_fresh_sign_in()?;
    let too_many = || Problem::conflict("too_many_keys", "You keep as many keys as you may: revoke one first.");
    let key = app.own.keys.create(&app.ledger, &user.account, request).await?.ok_or_else(too_many)?;
    note(&app, &user, Action::ProviderKeyCreated, &key.id).await?;
    Ok(Reply::created(&key))
}

/// Replaces the secret of a key in use.
#[utoipa::path(post, path = "/api/provider-keys/{keyId}/rotate", operation_id = "rotateProviderKey", tag = "keys", params(("keyId" = String, Path)), request_body = RotatedSecret, security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyView), (status = 409, description = "It was changed meanwhile")))]
pub async fn rotate(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    Path(key_id): Path<String>,
    JsonBody(request): JsonBody<RotatedSecret>,
) -> Result<Reply, Problem> {
    user.require_fresh_sign_in()?;
    let key = app.own.keys.rotate(user.id(), &key_id, &request.api_key).await?.ok_or_else(absent)?;
    note(&app, &user, Action::ProviderKeyRotated, &key_id).await?;
    Ok(Reply::ok(&key))
}

/// Ends the use of a key, and forgets its secret and its models.
#[utoipa::path(post, path = "/api/provider-keys/{keyId}/revoke", operation_id = "revokeProviderKey", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyView)))]
pub async fn revoke(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    Path(key_id): Path<String>,
) -> Result<Reply, Problem> {
    let key = app.own.keys.revoke(user.id(), &key_id).await?.ok_or_else(absent)?;
    note(&app, &user, Action::ProviderKeyRevoked, &key_id).await?;
    Ok(Reply::ok(&key))
}

async fn note(app: &App<Own>, user: &Signed<rate_limits::Keys>, action: Action, id: &str) -> Result<(), Problem> {
    app.own.audit_log.record(&user.client, AuditEvent::new(action).by(&user.account).on("provider_key", id)).await
}

fn absent() -> Problem {
    Problem::not_found("You keep no such key.")
}
