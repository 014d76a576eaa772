//! `GET`, `POST /api/api-keys`, `GET /api/api-keys/usage`: platform keys.

use axum::{Router, extract::State, routing::get};
use serde::Serialize;
use shared::{
    api_keys::{ACTIVE_LIMIT, ApiKeyPage, ApiKeys, KeyUsage, NewApiKey, NewKeyRequest, Scope, SignedOrKey},
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    http::{JsonBody, Page, Problem, Reply},
    lambda,
    mongo::Lifetime,
    queue::Queue,
    rate_limits,
};
use utoipa::ToSchema;

/// The use of the caller's keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyUsageList)]
pub struct UsageList {
    usage: Vec<KeyUsage>,
}

pub struct Own {
    keys: ApiKeys,
    queue: Queue,
    audit_log: AuditLog,
}

impl AsRef<ApiKeys> for Own {
    fn as_ref(&self) -> &ApiKeys {
        &self.keys
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            keys: ApiKeys::from_env(&clients.mongo, &clients.cache)?,
            queue: Queue::events_from_env()?,
            audit_log: AuditLog::from_env(&clients.ledger)?,
        })
    })?;
    let routes = Router::new().route("/api/api-keys", get(list).post(create)).route("/api/api-keys/usage", get(usage));
    app.serve(routes).await
}

/// The caller's keys, the newest first. A secret is never among them.
#[utoipa::path(get, path = "/api/api-keys", operation_id = "listApiKeys", tag = "keys", params(Page), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyPage)))]
pub async fn list(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    page: Page,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.keys.list(user.id(), page).await?))
}

/// Makes a key. It is shown in this answer and never again.
#[utoipa::path(post, path = "/api/api-keys", operation_id = "createApiKey", tag = "keys", request_body = NewKeyRequest, security(("bearer" = [])),
    responses((status = 201, body = NewApiKey), (status = 409)))]
pub async fn create(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Keys>,
    JsonBody(request): JsonBody<NewKeyRequest>,
) -> Result<Reply, Problem> {
    request.check_scopes(&user)?;
    user.require_fresh_sign_in()?;
    let too_many =
        || Problem::conflict("too_many_keys", format!("{ACTIVE_LIMIT} keys may be in use: revoke one first."));
    let key = app.own.keys.create(&app.ledger, &user.account, request).await?.ok_or_else(too_many)?;
    app.own
        .audit_log
        .record(&user.client, AuditEvent::new(Action::ApiKeyCreated).by(&user.account).on("api_key", &key.view.id))
        .await?;
    Ok(Reply::created(&key))
}

/// How the caller's keys were used in the last 30 days. A key may ask too, with the scope `usage:read`.
#[utoipa::path(get, path = "/api/api-keys/usage", operation_id = "listApiKeyUsage", tag = "keys", security(("bearer" = []), ("apiKey" = ["usage:read"])),
    responses((status = 200, body = UsageList)))]
pub async fn usage(State(app): State<App<Own>>, user: SignedOrKey<rate_limits::Account>) -> Result<Reply, Problem> {
    user.require(Scope::UsageRead)?;
    let usage = app.own.keys.usage(&user.account.id).await?;
    ApiKeys::note_use(&app.ledger, &app.own.queue, &user).await?;
    Ok(Reply::ok(&UsageList { usage }))
}
