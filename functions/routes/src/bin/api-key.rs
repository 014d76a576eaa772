//! `POST /api/api-keys/{keyId}/rotate`, `…/revoke`: one platform key.

use axum::{Router, extract::State, routing::post};
use shared::{
    api_keys::{ApiKeyView, ApiKeys, NewApiKey},
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    http::{Path, Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
};

pub struct Own {
    keys: ApiKeys,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            keys: ApiKeys::from_env(&clients.mongo, &clients.cache)?,
            audit_log: AuditLog::from_env(&clients.ledger)?,
        })
    })?;
    let routes = Router::new()
        .route("/api/api-keys/{keyId}/rotate", post(rotate))
        .route("/api/api-keys/{keyId}/revoke", post(revoke));
    app.serve(routes).await
}

/// A new secret; the one before counts for 24 hours more.
///
/// After an answer of 503 the key may be rotated all the same, and its new secret told to nobody: asking once more then
/// ends the secret that was in use.
#[utoipa::path(post, path = "/api/api-keys/{keyId}/rotate", operation_id = "rotateApiKey", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = NewApiKey), (status = 409, description = "It has expired, or was changed meanwhile")))]
pub async fn rotate(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    Path(key_id): Path<String>,
) -> Result<Reply, Problem> {
    user.require_fresh_sign_in()?;
    let key = app.own.keys.rotate(user.id(), &key_id).await?.ok_or_else(absent)?;
    app.own
        .audit_log
        .record(&user.client, AuditEvent::new(Action::ApiKeyRotated).by(&user.account).on("api_key", &key_id))
        .await?;
    Ok(Reply::ok(&key))
}

/// Ends the key at once.
#[utoipa::path(post, path = "/api/api-keys/{keyId}/revoke", operation_id = "revokeApiKey", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyView)))]
pub async fn revoke(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    Path(key_id): Path<String>,
) -> Result<Reply, Problem> {
    let key = app.own.keys.revoke(user.id(), &key_id).await?.ok_or_else(absent)?;
    app.own
        .audit_log
        .record(&user.client, AuditEvent::new(Action::ApiKeyRevoked).by(&user.account).on("api_key", &key_id))
        .await?;
    Ok(Reply::ok(&key))
}

fn absent() -> Problem {
    Problem::not_found("You have no such key in use.")
}
