//! `POST /api/api-keys/{keyId}/rotate`, `…/revoke`: one platform key.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use shared::{
    accounts::{Guard, Guarded, Principal},
    api_keys::{ApiKeyView, ApiKeys, NewApiKey},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, Path, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};

/// What the handlers need.
pub struct App {
    cache: Cache,
    guard: Guard,
    keys: ApiKeys,
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
        keys: ApiKeys::from_env(&mongo, &cache)?,
        trail: Trail::from_env(&mongo)?,
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/api-keys/{keyId}/rotate", post(rotate))
        .route("/api/api-keys/{keyId}/revoke", post(revoke))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// A new secret; the one before counts for 24 hours more.
///
/// After an answer of 503 the key may be rotated all the same, and its new secret told to nobody: asking once more then
/// ends the secret that was in use.
#[utoipa::path(post, path = "/api/api-keys/{keyId}/rotate", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = NewApiKey), (status = 409, description = "It has expired, or was changed meanwhile")))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(key_id): Path<String>,
) -> Result<Reply, Problem> {
    limits::KEYS.check(&app.cache, &caller, principal.id()).await?;
    principal.require_fresh_mfa()?;
    let key = app.keys.rotate(principal.id(), &key_id).await?.ok_or_else(absent)?;
    app.trail.record(&caller, Fact::new(Action::ApiKeyRotated).by(&principal.account).on("api_key", &key_id)).await?;
    Ok(Reply::ok(&key))
}

/// Ends the key at once.
#[utoipa::path(post, path = "/api/api-keys/{keyId}/revoke", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyView)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(key_id): Path<String>,
) -> Result<Reply, Problem> {
    limits::KEYS.check(&app.cache, &caller, principal.id()).await?;
    let key = app.keys.revoke(principal.id(), &key_id).await?.ok_or_else(absent)?;
    app.trail.record(&caller, Fact::new(Action::ApiKeyRevoked).by(&principal.account).on("api_key", &key_id)).await?;
    Ok(Reply::ok(&key))
}

fn absent() -> Problem {
    Problem::not_found("You have no such key in use.")
}
