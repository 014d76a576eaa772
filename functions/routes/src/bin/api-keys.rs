//! `GET`, `POST /api/api-keys`, `GET /api/api-keys/usage`: platform keys.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};
use shared::{
    accounts::{Guard, Guarded, Principal},
    api_keys::{ACTIVE_LIMIT, ApiKeyPage, ApiKeys, KeyPrincipal, KeyUsage, NewApiKey, NewKeyRequest, Scope, TakesKeys},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, JsonBody, Page, Problem, Query, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    queue::Queue,
};
use utoipa::{IntoParams, ToSchema};

/// Which page of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// The use of the caller's keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyUsageList)]
pub struct UsageList {
    usage: Vec<KeyUsage>,
}

/// What the handlers need.
pub struct App {
    cache: Cache,
    guard: Guard,
    keys: ApiKeys,
    queue: Queue,
    trail: Trail,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl TakesKeys for App {
    fn keys(&self) -> &ApiKeys {
        &self.keys
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        keys: ApiKeys::from_env(&mongo, &cache)?,
        queue: Queue::events_from_env()?,
        trail: Trail::from_env(&mongo)?,
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/api-keys", get(list).post(create))
        .route("/api/api-keys/usage", get(usage))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// The caller's keys, the newest first. A secret is never among them.
#[utoipa::path(get, path = "/api/api-keys", tag = "keys", params(KeyQuery), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyPage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<KeyQuery>,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    Ok(Reply::ok(&app.keys.list(principal.id(), page.limit()?, page.cursor()?).await?))
}

/// Makes a key. It is shown in this answer and never again.
#[utoipa::path(post, path = "/api/api-keys", tag = "keys", request_body = NewKeyRequest, security(("bearer" = [])),
    responses((status = 201, body = NewApiKey), (status = 409)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(request): JsonBody<NewKeyRequest>,
) -> Result<Reply, Problem> {
    limits::KEYS.check(&app.cache, &caller, principal.id()).await?;
    principal.require_fresh_mfa()?;
    let too_many =
        || Problem::conflict("too_many_keys", format!("{ACTIVE_LIMIT} keys may be in use: revoke one first."));
    let key = app.keys.create(principal.id(), request).await?.ok_or_else(too_many)?;
    app.trail
        .record(&caller, Fact::new(Action::ApiKeyCreated).by(&principal.account).on("api_key", &key.view.id))
        .await?;
    Ok(Reply::created(&key))
}

/// How the caller's keys were used in the last 30 days. A key may ask too, with the scope `usage:read`.
#[utoipa::path(get, path = "/api/api-keys/usage", tag = "keys", security(("bearer" = []), ("apiKey" = ["usage:read"])),
    responses((status = 200, body = UsageList)))]
pub async fn usage(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: KeyPrincipal,
) -> Result<Reply, Problem> {
    principal.require(Scope::UsageRead)?;
    limits::ACCOUNT.check(&app.cache, &caller, &principal.account.id).await?;
    let usage = app.keys.usage(&principal.account.id).await?;
    ApiKeys::note_use(&app.queue, &principal).await?;
    Ok(Reply::ok(&UsageList { usage }))
}
