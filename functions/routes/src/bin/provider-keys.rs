//! `GET`, `POST /api/provider-keys`, `POST /api/provider-keys/{keyId}/rotate`, `…/revoke`: keys for AI providers.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;
use shared::{
    accounts::{Guard, Guarded, Principal},
    api_keys::{NewProviderKey, Provider, ProviderKeyPage, ProviderKeyView, ProviderKeys, RotatedSecret},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, JsonBody, Page, Path, Problem, Query, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// How the list is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    provider: Option<Provider>,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// What the handlers need.
pub struct App {
    cache: Cache,
    guard: Guard,
    keys: ProviderKeys,
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
        keys: ProviderKeys::from_env(&mongo)?,
        trail: Trail::from_env(&mongo)?,
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/provider-keys", get(list).post(create))
        .route("/api/provider-keys/{keyId}/rotate", post(rotate))
        .route("/api/provider-keys/{keyId}/revoke", post(revoke))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// The caller's keys for providers, the newest first, without their secrets.
#[utoipa::path(get, path = "/api/provider-keys", tag = "keys", params(KeyQuery), security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyPage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<KeyQuery>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    Ok(Reply::ok(&app.keys.list(principal.id(), query.provider, page.limit()?, page.cursor()?).await?))
}

/// Keeps a key. Its secret never leaves again.
#[utoipa::path(post, path = "/api/provider-keys", tag = "keys", request_body = NewProviderKey, security(("bearer" = [])),
    responses((status = 201, body = ProviderKeyView), (status = 409)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(request): JsonBody<NewProviderKey>,
) -> Result<Reply, Problem> {
    limits::KEYS.check(&app.cache, &caller, principal.id()).await?;
    principal.require_fresh_mfa()?;
    let too_many = || Problem::conflict("too_many_keys", "You keep as many keys as you may: revoke one first.");
    let key = app.keys.create(principal.id(), request).await?.ok_or_else(too_many)?;
    app.note(&caller, &principal, Action::ProviderKeyCreated, &key.id).await?;
    Ok(Reply::created(&key))
}

/// Replaces the secret of a key in use.
#[utoipa::path(post, path = "/api/provider-keys/{keyId}/rotate", tag = "keys", params(("keyId" = String, Path)), request_body = RotatedSecret, security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyView), (status = 409, description = "It was changed meanwhile")))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(key_id): Path<String>,
    JsonBody(request): JsonBody<RotatedSecret>,
) -> Result<Reply, Problem> {
    limits::KEYS.check(&app.cache, &caller, principal.id()).await?;
    principal.require_fresh_mfa()?;
    let key = app.keys.rotate(principal.id(), &key_id, &request.api_key).await?.ok_or_else(absent)?;
    app.note(&caller, &principal, Action::ProviderKeyRotated, &key_id).await?;
    Ok(Reply::ok(&key))
}

/// Ends the use of a key, and forgets its secret and its models.
#[utoipa::path(post, path = "/api/provider-keys/{keyId}/revoke", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyView)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(key_id): Path<String>,
) -> Result<Reply, Problem> {
    limits::KEYS.check(&app.cache, &caller, principal.id()).await?;
    let key = app.keys.revoke(principal.id(), &key_id).await?.ok_or_else(absent)?;
    app.note(&caller, &principal, Action::ProviderKeyRevoked, &key_id).await?;
    Ok(Reply::ok(&key))
}

impl App {
    async fn note(&self, caller: &Caller, principal: &Principal, action: Action, id: &str) -> Result<(), Problem> {
        self.trail.record(caller, Fact::new(action).by(&principal.account).on("provider_key", id)).await
    }
}

fn absent() -> Problem {
    Problem::not_found("You keep no such key.")
}
