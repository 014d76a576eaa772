//! `GET`, `POST /api/provider-keys`, `POST /api/provider-keys/{keyId}/rotate`, `…/revoke`: keys for AI providers.
//! `POST /api/provider-keys/use`: a key for one call of somebody's, for a service.
//! `/api/v2/users/api-keys`: the same keys for the front end's key manager, under its names.

use std::collections::HashMap;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use shared::{
    api_keys::{
        ApiKeys, KeyWanted, NewProviderKey, OpenedKey, Provider, ProviderKeyPage, ProviderKeyView, ProviderKeys,
        RotatedSecret, Scope, SignedOrKey,
    },
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    clock::{self, Moment},
    http::{ClientInfo, JsonBody, MAX_LIMIT, Page, Path, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    usage::reports::{KeyUsageAnswer, KeyUsageFilter, key_usage, spent_by_key},
};
use utoipa::{IntoParams, ToSchema};

/// How the list is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// Only keys of this provider.
    provider: Option<Provider>,
}

/// A key under the names of the front end's key manager.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedKey {
    /// Id.
    #[serde(rename = "_id")]
    id: String,
    /// The provider.
    provider: Provider,
    /// Its name.
    key_name: String,
    /// Whether it may be used.
    is_active: bool,
    /// When it was made.
    created_at: Moment,
    /// Calls that it was used for.
    usage_count: u64,
    /// Calls a month that it may be used for.
    monthly_usage_limit: Option<u64>,
    /// Calls of this month (UTC).
    monthly_usage_count: u64,
    /// Models that it may be used for; any when empty.
    allowed_models: Vec<String>,
    /// Never: a key counts until it is revoked.
    expires_at: Option<Moment>,
}

/// An account's keys for the key manager: all that are in use, and the latest of the others.
#[derive(Debug, Serialize, ToSchema)]
pub struct ManagedKeys {
    keys: Vec<ManagedKey>,
}

impl From<ProviderKeyView> for ManagedKey {
    fn from(key: ProviderKeyView) -> Self {
        Self {
            id: key.id,
            provider: key.provider,
            key_name: key.name,
            is_active: key.active,
            created_at: key.created_at,
            usage_count: key.usage_count,
            monthly_usage_limit: key.monthly_usage_limit,
            monthly_usage_count: key.monthly_usage_count,
            allowed_models: key.allowed_models,
            expires_at: None,
        }
    }
}

pub struct Own {
    keys: ProviderKeys,
    service_keys: ApiKeys,
    audit_log: AuditLog,
}

impl AsRef<ApiKeys> for Own {
    fn as_ref(&self) -> &ApiKeys {
        &self.service_keys
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            keys: ProviderKeys::from_env(&clients.mongo)?,
            service_keys: ApiKeys::from_env(&clients.mongo, &clients.cache)?,
            audit_log: AuditLog::from_env(&clients.ledger)?,
        })
    })?;
    let routes = Router::new()
        .route("/api/provider-keys", get(list).post(create))
        .route("/api/provider-keys/{keyId}/rotate", post(rotate))
        .route("/api/provider-keys/{keyId}/revoke", post(revoke))
        .route("/api/provider-keys/use", post(open))
        .route("/api/v2/users/api-keys", get(managed).post(manage))
        .route("/api/v2/users/api-keys/{keyId}/rotate", post(rotate_managed))
        .route("/api/v2/users/api-keys/{keyId}/revoke", post(revoke_managed))
        .route("/api/v2/users/api-keys/usage", get(usage));
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

/// Hands a service a key for one call of somebody whom its owner administers: the one that was used longest ago, of those
/// for the provider and the model that are within their limits of the month. Counted, and in the audit log.
#[utoipa::path(post, path = "/api/provider-keys/use", operation_id = "useProviderKey", tag = "keys", request_body = KeyWanted, security(("apiKey" = ["service:provider-keys"])),
    responses((status = 200, body = OpenedKey), (status = 403, description = "`scope_missing` or `model_not_allowed`"), (status = 404)))]
pub async fn open(
    State(app): State<App<Own>>,
    Extension(client): Extension<ClientInfo>,
    service: SignedOrKey<rate_limits::ProviderKeyUses>,
    JsonBody(wanted): JsonBody<KeyWanted>,
) -> Result<Reply, Problem> {
    let user = service.acting_for(&app.users, &wanted.user_id, Scope::ServiceProviderKeys).await?.account;
    let (keys, now) = (app.own.keys.for_call(&wanted).await?, clock::now());
    let spent = if keys.limit_cost() {
        spent_by_key(&app.mongo, &user.id, clock::start_of_month(now)).await?
    } else {
        HashMap::new()
    };
    app.own.audit_log.pay_ahead(&service.account.payer()).await?;
    let key = app.own.keys.open(keys, wanted, now, &spent).await?;
    let event = AuditEvent::new(Action::ProviderKeyUsed).by(&service.account).on("provider_key", &key.key_id);
    app.own.audit_log.record(&client, event.with("user", user.id.as_str()).with("model", &*key.model).paid()).await?;
    Ok(Reply::ok(&key))
}

/// The caller's keys for the key manager, the newest first.
#[utoipa::path(get, path = "/api/v2/users/api-keys", operation_id = "listManagedKeys", tag = "keys", params(KeyQuery), security(("bearer" = [])),
    responses((status = 200, body = ManagedKeys)))]
pub async fn managed(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Query(query): Query<KeyQuery>,
) -> Result<Reply, Problem> {
    let all = Page { limit: MAX_LIMIT, cursor: None };
    let keys = app.own.keys.list(user.id(), query.provider, all).await?.keys;
    Ok(Reply::ok(&ManagedKeys { keys: keys.into_iter().map(ManagedKey::from).collect() }))
}

/// As `POST /api/provider-keys`.
#[utoipa::path(post, path = "/api/v2/users/api-keys", operation_id = "createManagedKey", tag = "keys", request_body = NewProviderKey, security(("bearer" = [])),
    responses((status = 201, body = ProviderKeyView), (status = 409)))]
pub async fn manage(
    app: State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    request: JsonBody<NewProviderKey>,
) -> Result<Reply, Problem> {
    create(app, user, request).await
}

/// As `POST /api/provider-keys/{keyId}/rotate`.
#[utoipa::path(post, path = "/api/v2/users/api-keys/{keyId}/rotate", operation_id = "rotateManagedKey", tag = "keys", params(("keyId" = String, Path)), request_body = RotatedSecret, security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyView), (status = 409, description = "It was changed meanwhile")))]
pub async fn rotate_managed(
    app: State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    key_id: Path<String>,
    request: JsonBody<RotatedSecret>,
) -> Result<Reply, Problem> {
    rotate(app, user, key_id, request).await
}

/// As `POST /api/provider-keys/{keyId}/revoke`.
#[utoipa::path(post, path = "/api/v2/users/api-keys/{keyId}/revoke", operation_id = "revokeManagedKey", tag = "keys", params(("keyId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ProviderKeyView)))]
pub async fn revoke_managed(
    app: State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    key_id: Path<String>,
) -> Result<Reply, Problem> {
    revoke(app, user, key_id).await
}

/// What the caller used: by one key, at one provider, or in all.
#[utoipa::path(get, path = "/api/v2/users/api-keys/usage", operation_id = "getManagedKeyUsage", tag = "keys", params(KeyUsageFilter), security(("bearer" = [])),
    responses((status = 200, body = KeyUsageAnswer)))]
pub async fn usage(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Query(filter): Query<KeyUsageFilter>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&key_usage(&app.mongo, user.id(), filter, clock::now()).await?))
}

async fn note(app: &App<Own>, user: &Signed<rate_limits::Keys>, action: Action, id: &str) -> Result<(), Problem> {
    app.own.audit_log.record(&user.client, AuditEvent::new(action).by(&user.account).on("provider_key", id)).await
}

fn absent() -> Problem {
    Problem::not_found("You keep no such key.")
}
