//! Keys that programs call the platform with, in their owner's name and for the scopes given to them.
//!
//! A key is looked up in the cache each time it is used: from the moment it is revoked or rotated, that is in force
//! everywhere. Without the cache server, or while it is away, it takes half a minute.
//!
//! Environment: `AUTH_PEPPER` (secret).

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use garde::Validate;
use http::request::Parts;
use jiff::SignedDuration;
use mongodb::{Collection, Database, options::ReturnDocument};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ApiKeyUsage, changed_meanwhile,
    token::{self, Token},
};
use crate::{
    auth::{App, Principal, bearer, sign_in_again},
    cache::{Cache, Lookup},
    clock::{self, Moment},
    config::ConfigError,
    http::{ClientInfo, Cursor, Limit, Page, Problem},
    id,
    keys::{Mac, Seed},
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::{Queue, Queued, QueuedEvent},
    rate_limits,
    roles::{Permission, Role},
    schema,
    secrets::Secret,
    users::{Account, AccountStatus, Users, display_name, insert_within_quota, suspended},
};

/// Keys that one account may have in use.
pub const ACTIVE_LIMIT: u64 = 10;
/// How long the secret before goes on counting after a rotation.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// Days of use that are added up.
const USAGE_DAYS: i64 = 30;

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
pub enum Scope {
    /// Report AI usage.
    #[serde(rename = "usage:write")]
    UsageWrite,
    /// Read usage.
    #[serde(rename = "usage:read")]
    UsageRead,
    /// Be handed the provider keys of those whom its owner administers, to call providers for them.
    #[serde(rename = "service:provider-keys")]
    ServiceProviderKeys,
    /// Report their AI usage.
    #[serde(rename = "service:usage")]
    ServiceUsage,
}

/// What an account must have whose keys act for others: the same as for administering an organisation.
const SERVICE: Permission = Permission::OrgManageSettings;

impl Scope {
    /// Whether a key with it acts for others than its owner.
    const fn is_for_others(self) -> bool {
        matches!(self, Self::ServiceProviderKeys | Self::ServiceUsage)
    }
}

impl NewKeyRequest {
    /// 403 for scopes that are not the caller's to give: keys that act for others are administrators'.
    pub fn check_scopes(&self, principal: &Principal) -> Result<(), Problem> {
        if self.scopes.iter().any(|scope| scope.is_for_others()) { principal.require(SERVICE) } else { Ok(()) }
    }
}

/// Which key to make.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKeyRequest {
    /// For its owner to tell it by.
    #[garde(length(chars, max = 100), custom(display_name))]
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    pub name: String,
    /// What it may be used for.
    #[garde(length(min = 1, max = 4))]
    #[schema(min_items = 1, max_items = 4)]
    pub scopes: Vec<Scope>,
    /// Days until it ends; never when absent.
    #[garde(range(min = 1, max = 3650))]
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<u16>,
}

/// A key as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// The part that may be shown: `pk_<public id>`.
    pub prefix: String,
    /// The secret's last four characters.
    pub last4: String,
    /// Scopes.
    pub scopes: Vec<Scope>,
    /// `active`, `expired` or `revoked`.
    pub status: &'static str,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends, if ever.
    pub expires_at: Option<Moment>,
    /// Until when the secret before the last rotation counts.
    pub previous_valid_until: Option<Moment>,
}

/// A page of an account's keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyPage {
    /// The newest first.
    pub keys: Vec<ApiKeyView>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// A key just made, with what is never shown again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiKey {
    /// The whole key: shown now and never again.
    pub key: String,
    /// The rest.
    #[serde(flatten)]
    pub view: ApiKeyView,
}

/// How a key was used.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyUsage {
    /// The key.
    #[serde(rename(deserialize = "_id"))]
    pub key_id: String,
    /// Calls in the last 30 days.
    pub calls: u64,
    /// Of these, refused or failed.
    pub failed: u64,
    /// The last call.
    pub last_used_at: Moment,
}

/// `api_keys`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKey {
    #[serde(rename = "_id")]
    id: String,
    public_id: String,
    user_id: String,
    name: String,
    secret_hmac: String,
    last4: String,
    scopes: Vec<Scope>,
    revoked: bool,
    created_at: Moment,
    expires_at: Option<Moment>,
    previous: Option<PreviousSecret>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviousSecret {
    hmac: String,
    until: Moment,
}

/// A caller with a token of theirs, or with a key in their name.
#[derive(Clone, Debug)]
pub struct KeyPrincipal {
    pub account: Arc<Account>,
    key: Option<UsedKey>,
}

#[derive(Clone, Debug)]
struct UsedKey {
    id: String,
    scopes: Vec<Scope>,
}

impl KeyPrincipal {
    /// The key's id, when it was a key.
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.id.as_str())
    }

    /// 403 for a key without the scope; its owner in person may.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match &self.key {
            Some(key) if !key.scopes.contains(&scope) => Err(Problem::forbidden(
                "scope_missing",
                "This key was not made for that: its scopes do not include it.",
            )),
            _ => Ok(()),
        }
    }

    /// Somebody for whom a key with this scope acts. 403 without such a key: its owner in person may not, and the owner has
    /// to go on having a second factor. 404 for whoever is not of its owner's organisation and below them in it, unless that
    /// is a super admin; and for a suspended account.
    pub async fn acting_for(&self, users: &Users, user_id: &str, scope: Scope) -> Result<Self, Problem> {
        let key = self.key.as_ref().filter(|key| key.scopes.contains(&scope));
        let has_factor = self.account.mfa_enabled && !self.account.mfa_by_mail;
        if key.is_none() || !self.account.role.may(SERVICE) || !has_factor {
            return Err(Problem::forbidden("scope_missing", "Only a service key that was made for that may."));
        }
        let (own, role) = (self.account.organization_id.as_deref(), self.account.role);
        let reached = |account: &Arc<Account>| {
            let organization = account.organization_id.as_deref();
            let is_below = account.id == self.account.id || account.role.level() < role.level();
            role == Role::SuperAdmin || (organization.is_some() && organization == own && is_below)
        };
        let account = users.find(user_id).await?.filter(reached);
        let account = account.filter(|account| account.status == AccountStatus::Active);
        let absent = || Problem::not_found("There is no such account in your reach.");
        // Their usage is not one of the key's.
        Ok(Self { account: account.ok_or_else(absent)?, key: None })
    }
}

/// A [`KeyPrincipal`], counted by account against the limit `L`: 401 for nobody, 429 when it is used up. What the
/// function has of its own includes the keys.
pub struct SignedOrKey<L> {
    caller: KeyPrincipal,
    limit: PhantomData<L>,
}

impl<L> Deref for SignedOrKey<L> {
    type Target = KeyPrincipal;

    fn deref(&self) -> &KeyPrincipal {
        &self.caller
    }
}

impl<L, Own> FromRequestParts<App<Own>> for SignedOrKey<L>
where
    L: Limit,
    Own: AsRef<ApiKeys> + Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<Own>) -> Result<Self, Problem> {
        let client = ClientInfo::of(parts);
        let caller = match bearer(&parts.headers)? {
            Some(text) if token::is_key(text) => app.own.as_ref().authenticate(&client, &app.users, text).await?,
            _ => {
                let nobody = || Problem::unauthorized("Sign in first, or bring a key.");
                KeyPrincipal { account: app.guard.caller(parts).await?.ok_or_else(nobody)?.account, key: None }
            }
        };
        L::POLICY.check(&app.cache, &client, &caller.account.id).await?;
        Ok(Self { caller, limit: PhantomData })
    }
}

/// The collection `api_keys`, and the look-up that keeps requests away from it.
pub struct ApiKeys {
    mongo: Mongo,
    cache: Cache,
    mac: Secret<Mac>,
    lookup: Lookup<ApiKey>,
}

impl ApiKeys {
    /// Reads `AUTH_PEPPER`.
    pub fn from_env(mongo: &Mongo, cache: &Cache) -> Result<Self, ConfigError> {
        let mac = Secret::from_env("AUTH_PEPPER", |text| Ok(Seed::parse(text)?.mac("api-keys/secret")))?;
        Ok(Self { mongo: mongo.clone(), cache: cache.clone(), mac, lookup: lookup(cache) })
    }

    /// An account's keys, the newest first, from `cursor` on.
    pub async fn list(&self, user_id: &str, Page { limit, cursor }: Page) -> Result<ApiKeyPage, mongo::Error> {
        let mut filter = doc! {"userId": user_id};
        if let Some(Cursor(_, last)) = cursor {
            filter.insert("_id", doc! {"$lt": last});
        }
        let find = async |database: Database| {
            let keys = collection(&database);
            let page = keys.find(filter).sort(doc! {"_id": -1}).limit(Page::to_read(limit));
            page.await?.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
        };
        let read = self.mongo.run(REQUEST_TIMEOUT, find).await?;
        let (read, next_cursor) = Page::cut(read, limit, Page::by_id);
        let keys: Vec<ApiKey> = mongo::readable("api_keys", &read);
        Ok(ApiKeyPage { keys: keys.iter().map(|key| view(key, clock::now())).collect(), next_cursor })
    }

    /// A new key; `None` when the account has [`ACTIVE_LIMIT`] in use.
    pub async fn create(
        &self,
        ledger: &Ledger,
        owner: &Account,
        request: NewKeyRequest,
    ) -> Result<Option<NewApiKey>, Problem> {
        let (now, user_id) = (clock::now(), owner.id.as_str());
        let (text, token) = token::mint(None);
        let mut scopes = request.scopes;
        scopes.dedup();
        let lifetime = |days: u16| now + SignedDuration::from_hours(24 * i64::from(days));
        let key = ApiKey {
            id: id::new(),
            secret_hmac: self.mac.get().await?.sign(token.secret.expose_secret()),
            last4: last4(&token),
            public_id: token.public_id,
            user_id: user_id.to_owned(),
            name: request.name,
            scopes,
            revoked: false,
            created_at: now,
            expires_at: request.expires_in_days.map(lifetime),
            previous: None,
        };
        let view = view(&key, now);
        let alive = doc! {"$or": [{"expiresAt": null}, {"expiresAt": {"$gt": key.created_at}}]};
        let active = doc! {"userId": user_id, "revoked": false, "$and": [alive]};
        let made = insert_within_quota(ledger, owner, key, "api_keys", active, ACTIVE_LIMIT).await?;
        Ok(made.then_some(NewApiKey { key: text, view }))
    }

    /// A new secret for a key of this account; the one before counts a day longer. `None` when there is no
    /// such key in use, 409 when it has expired, since its new secret would not count either, or was changed meanwhile.
    pub async fn rotate(&self, user_id: &str, key_id: &str) -> Result<Option<NewApiKey>, Problem> {
        let mine = doc! {"_id": key_id, "userId": user_id, "revoked": false};
        let find = async |database| collection(&database).find_one(mine.clone()).await;
        let Some(key) = self.mongo.run(REQUEST_TIMEOUT, find).await? else { return Ok(None) };
        if status(&key, clock::now()) == "expired" {
            return Err(Problem::conflict("key_expired", "This key has expired: make another one."));
        }
        let (text, token) = token::mint(Some(&key.public_id));
        let until = clock::now() + OVERLAP;
        let set = doc! {"$set": {
            "secretHmac": self.mac.get().await?.sign(token.secret.expose_secret()), "last4": last4(&token),
            "previous": {"hmac": &key.secret_hmac, "until": until},
        }};
        // Of two rotations at once one wins: the other's secret was never told to anybody.
        let mut guard = mine.clone();
        guard.insert("secretHmac", &key.secret_hmac);
        let outcome = self.update(guard, set).await;
        if outcome.is_err() {
            // It may be done all the same: only the answer was lost.
            self.lookup.forget(&key.public_id).await;
        }
        let key = outcome?.ok_or_else(changed_meanwhile)?;
        Ok(Some(NewApiKey { key: text, view: view(&key, clock::now()) }))
    }

    /// Ends a key of this account at once; `None` when there is no such key. Twice is once.
    pub async fn revoke(&self, user_id: &str, key_id: &str) -> Result<Option<ApiKeyView>, mongo::Error> {
        let mine = doc! {"_id": key_id, "userId": user_id};
        let key = self.update(mine, doc! {"$set": {"revoked": true, "previous": null}}).await?;
        Ok(key.map(|key| view(&key, clock::now())))
    }

    /// How an account's keys were used in the last 30 days.
    pub async fn usage(&self, user_id: &str) -> Result<Vec<KeyUsage>, mongo::Error> {
        let since = clock::start_of_day(clock::now(), USAGE_DAYS);
        let keys = async |database: Database| {
            let mine = collection(&database).find(doc! {"userId": user_id}).await?;
            let ids: Vec<String> = mine.map_ok(|key| key.id).try_collect().await?;
            let failed = doc! {"$cond": [{"$eq": ["$status", "success"]}, 0, 1]};
            let pipeline = [
                doc! {"$match": {"keyId": {"$in": ids}, "occurredAt": {"$gte": since}}},
                doc! {"$group": {
                    "_id": "$keyId", "calls": {"$sum": 1}, "failed": {"$sum": failed}, "lastUsedAt": {"$max": "$occurredAt"},
                }},
                doc! {"$sort": {"_id": -1}},
            ];
            let usage = database.collection::<Document>(ApiKeyUsage::COLLECTION).aggregate(pipeline).await?;
            usage.with_type::<KeyUsage>().try_collect::<Vec<_>>().await
        };
        self.mongo.run(REQUEST_TIMEOUT, keys).await
    }

    /// Notes that a key was used, through the queue; nothing for a caller in person. A use for which its owner has no
    /// bytes left is counted by the day instead.
    pub async fn note_use(ledger: &Ledger, queue: &Queue, caller: &KeyPrincipal) -> Result<(), Problem> {
        let Some(key_id) = caller.key_id() else { return Ok(()) };
        let usage = ApiKeyUsage {
            id: id::new(),
            user_id: caller.account.id.clone(),
            key_id: key_id.to_owned(),
            provider: None,
            status: "success".into(),
            occurred_at: clock::now(),
        };
        let document = mongo::to_document(&usage).map_err(Problem::internal)?;
        let bytes = schema::weight(ApiKeyUsage::COLLECTION, &document);
        let Some(taken) = ledger.take_if_any(&caller.account.payer(), bytes).await? else {
            ledger.count_refusal("api_key.use").await;
            return Ok(());
        };
        let sent = queue.send(&[Queued(usage)]).await;
        if sent.is_err() {
            ledger.give_back(taken).await;
        }
        Ok(sent?)
    }

    async fn authenticate(&self, client: &ClientInfo, users: &Users, text: &str) -> Result<KeyPrincipal, Problem> {
        let no = || Problem::unauthorized("The key is invalid or expired.");
        let token = token::parse(text).ok_or_else(no)?;
        let mac = self.mac.get().await?;
        let load = async || {
            rate_limits::UnknownKeys::POLICY.admit_address(&self.cache, client).await?;
            let by_id = doc! {"publicId": &token.public_id};
            let find = async |database| collection(&database).find_one(by_id).await;
            let key = self.mongo.run(REQUEST_TIMEOUT, find).await?;
            // A key in use may well be looked up this often: while the cache is away, or has just forgotten it.
            if key.as_ref().is_some_and(|key| is_secret(&mac, key, &token)) {
                rate_limits::UnknownKeys::POLICY.give_back_address(&self.cache, client).await;
            }
            Ok::<_, Problem>(key)
        };
        let key = self.lookup.get(&token.public_id, load).await?.ok_or_else(no)?;
        if status(&key, clock::now()) != "active" || !is_secret(&mac, &key, &token) {
            return Err(no());
        }
        let account = users.find(&key.user_id).await?.ok_or_else(sign_in_again)?;
        if account.status == AccountStatus::Suspended {
            return Err(suspended());
        }
        Ok(KeyPrincipal { account, key: Some(UsedKey { id: key.id.clone(), scopes: key.scopes.clone() }) })
    }

    async fn update(&self, filter: Document, update: Document) -> Result<Option<ApiKey>, mongo::Error> {
        let change = async |database: Database| {
            collection(&database).find_one_and_update(filter, update).return_document(ReturnDocument::After).await
        };
        let key = self.mongo.run(REQUEST_TIMEOUT, change).await?;
        if let Some(key) = &key {
            self.lookup.forget(&key.public_id).await;
        }
        Ok(key)
    }
}

fn is_secret(mac: &Mac, key: &ApiKey, token: &Token) -> bool {
    let secret = token.secret.expose_secret();
    let previous = key.previous.as_ref().filter(|previous| previous.until > clock::now());
    mac.verify(secret, &key.secret_hmac) || previous.is_some_and(|previous| mac.verify(secret, &previous.hmac))
}

/// The copies of keys: a revocation is in force at once.
pub(super) fn lookup(cache: &Cache) -> Lookup<ApiKey> {
    Lookup::uncached_locally("api-key", cache.clone())
}

fn last4(token: &Token) -> String {
    let secret = token.secret.expose_secret();
    secret[secret.len() - 4..].to_owned()
}

fn status(key: &ApiKey, now: Moment) -> &'static str {
    match key.expires_at {
        _ if key.revoked => "revoked",
        Some(at) if at <= now => "expired",
        _ => "active",
    }
}

fn view(key: &ApiKey, now: Moment) -> ApiKeyView {
    ApiKeyView {
        id: key.id.clone(),
        name: key.name.clone(),
        prefix: format!("pk_{}", key.public_id),
        last4: key.last4.clone(),
        scopes: key.scopes.clone(),
        status: status(key, now),
        created_at: key.created_at,
        expires_at: key.expires_at,
        previous_valid_until: key.previous.as_ref().map(|previous| previous.until),
    }
}

fn collection(database: &Database) -> Collection<ApiKey> {
    database.collection("api_keys")
}
