//! Keys for AI providers, kept for their owner.
//!
//! Environment: `VAULT_SEED` ([secret](crate::secrets); while it is replaced the new and the old one). A secret goes in
//! and leaves for a service key alone, one call at a time; it is sealed for its owner, its id and its version, so that
//! moved to another record it opens no more.

use std::collections::HashMap;

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use garde::Validate;
use mongodb::{Collection, Database, options::ReturnDocument};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::changed_meanwhile;
use crate::{
    clock::{self, Moment},
    config::ConfigError,
    http::{Cursor, Page, Problem},
    id,
    keys::{Cipher, Seeds},
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    secrets::{Secret, Unavailable},
    users::{Account, display_name, insert_within_quota},
};

/// Provider keys that one account may have in use.
const ACTIVE_LIMIT: u64 = 50;
/// When to look again at keys that are at their limit of the month: it may be raised by another key before the month ends.
const RETRY_S: u64 = 3600;

/// Whose models a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    OpenAi,
    Anthropic,
    Google,
    Groq,
}

/// A key to keep.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "name": "Main", "apiKey": "the-key-that-openai-gave-you"}))]
pub struct NewProviderKey {
    /// The provider.
    #[garde(skip)]
    pub provider: Provider,
    /// For its owner to tell it by.
    #[serde(alias = "keyName")]
    #[garde(length(chars, max = 100), custom(display_name))]
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    pub name: String,
    /// The provider's secret.
    #[garde(custom(secret))]
    #[schema(value_type = String, pattern = "^[!-~]{16,500}$")]
    pub api_key: SecretString,
    /// Models that it may be used for; any when empty.
    #[serde(default)]
    #[garde(length(max = 50), inner(length(chars, min = 1, max = 100)))]
    #[schema(max_items = 50)]
    pub allowed_models: Vec<String>,
    /// Micro-dollars a month that it may be used for; no limit when absent.
    #[garde(range(min = 1, max = 1_000_000_000_000_u64))]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    pub monthly_limit_micros: Option<u64>,
    /// Calls a month (UTC) that it may be used for; no limit when absent.
    #[garde(range(min = 1, max = 1_000_000_000))]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub monthly_usage_limit: Option<u64>,
}

/// Which key somebody's server needs to call a provider.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"userId": "0198f1c2-0000-7000-8000-000000000000", "provider": "openai", "model": "gpt-4o"}))]
pub struct KeyWanted {
    /// Whose call it is.
    #[garde(length(bytes, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    pub user_id: String,
    /// The provider.
    #[garde(skip)]
    pub provider: Provider,
    /// The model.
    #[garde(length(bytes, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    pub model: String,
}

/// Keys of an account that a call may use, as far as their limits of the month go.
pub struct UsableKeys(Vec<ProviderKey>);

impl UsableKeys {
    /// Whether one of them has a limit of what it may cost: then it has to be known what each has cost.
    pub fn limit_cost(&self) -> bool {
        self.0.iter().any(|key| key.monthly_limit_micros.is_some())
    }
}

/// A kept key, opened for one call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenedKey {
    /// Its id, for the report of what the call used (`providerKeyId`).
    pub key_id: String,
    /// The provider.
    pub provider: Provider,
    /// The model that was asked for.
    pub model: String,
    /// The provider's secret. Not to be kept: the next call asks again.
    pub api_key: String,
}

/// A new secret for a kept key.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotatedSecret {
    /// The provider's new secret.
    #[garde(custom(secret))]
    #[schema(value_type = String, pattern = "^[!-~]{16,500}$")]
    pub api_key: SecretString,
}

/// A kept key as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderKeyView {
    /// Id.
    pub id: String,
    /// The provider.
    pub provider: Provider,
    /// Name.
    pub name: String,
    /// The secret's last four characters.
    pub last4: String,
    /// Models that it may be used for; any when empty. A revoked key has none left.
    pub allowed_models: Vec<String>,
    /// Micro-dollars a month.
    pub monthly_limit_micros: Option<u64>,
    /// Calls a month.
    pub monthly_usage_limit: Option<u64>,
    /// Calls that it was used for, and those of this month (UTC).
    pub usage_count: u64,
    /// Of them, those of this month (UTC).
    pub monthly_usage_count: u64,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made.
    pub created_at: Moment,
    /// When its secret was last replaced.
    pub rotated_at: Option<Moment>,
}

/// A page of an account's keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderKeyPage {
    /// The newest first.
    pub keys: Vec<ProviderKeyView>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// `provider_keys`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderKey {
    #[serde(rename = "_id")]
    id: String,
    user_id: String,
    provider: Provider,
    name: String,
    /// Empty once the key is revoked.
    cipher: String,
    /// Counts up with each secret.
    key_version: i64,
    last4: String,
    allowed_models: Vec<String>,
    monthly_limit_micros: Option<i64>,
    #[serde(default)]
    monthly_usage_limit: Option<i64>,
    #[serde(default)]
    usage_count: i64,
    /// Of [`ProviderKey::usage_month`].
    #[serde(default)]
    monthly_usage_count: i64,
    /// `2026-11`.
    #[serde(default)]
    usage_month: Option<String>,
    #[serde(default)]
    last_used_at: Option<Moment>,
    active: bool,
    created_at: Moment,
    rotated_at: Option<Moment>,
}

/// The collection `provider_keys`.
pub struct ProviderKeys {
    mongo: Mongo,
    cipher: Secret<Cipher>,
}

impl ProviderKeys {
    /// Reads `VAULT_SEED`.
    pub fn from_env(mongo: &Mongo) -> Result<Self, ConfigError> {
        Ok(Self::new(mongo, vault_cipher()?))
    }

    /// As [`ProviderKeys::from_env`], with a cipher at hand.
    pub fn new(mongo: &Mongo, cipher: Secret<Cipher>) -> Self {
        Self { mongo: mongo.clone(), cipher }
    }

    /// An account's keys, the newest first, from `cursor` on; of one provider, if given.
    pub async fn list(
        &self,
        user_id: &str,
        provider: Option<Provider>,
        Page { limit, cursor }: Page,
    ) -> Result<ProviderKeyPage, mongo::Error> {
        let mut filter = doc! {"userId": user_id};
        if let Some(provider) = provider.and_then(|provider| bson::serialize_to_bson(&provider).ok()) {
            filter.insert("provider", provider);
        }
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
        let keys: Vec<ProviderKey> = mongo::readable("provider_keys", &read);
        Ok(ProviderKeyPage { keys: keys.iter().map(view).collect(), next_cursor })
    }

    /// Keeps a key; `None` when the account has as many in use as it may.
    pub async fn create(
        &self,
        ledger: &Ledger,
        owner: &Account,
        new: NewProviderKey,
    ) -> Result<Option<ProviderKeyView>, Problem> {
        let (id, user_id) = (id::new(), owner.id.as_str());
        let key = ProviderKey {
            cipher: self.seal(user_id, &id, 1, &new.api_key).await?,
            id,
            user_id: user_id.to_owned(),
            provider: new.provider,
            name: new.name,
            key_version: 1,
            last4: last4(&new.api_key),
            allowed_models: new.allowed_models,
            monthly_limit_micros: new.monthly_limit_micros.and_then(|limit| i64::try_from(limit).ok()),
            monthly_usage_limit: new.monthly_usage_limit.and_then(|limit| i64::try_from(limit).ok()),
            usage_count: 0,
            monthly_usage_count: 0,
            usage_month: None,
            last_used_at: None,
            active: true,
            created_at: clock::now(),
            rotated_at: None,
        };
        let (view, active) = (view(&key), doc! {"userId": user_id, "active": true});
        let made = insert_within_quota(ledger, owner, key, "provider_keys", active, ACTIVE_LIMIT).await?;
        Ok(made.then_some(view))
    }

    /// A new secret for a key in use; `None` when the account has no such key, 409 when it was changed meanwhile.
    pub async fn rotate(
        &self,
        user_id: &str,
        key_id: &str,
        secret: &SecretString,
    ) -> Result<Option<ProviderKeyView>, Problem> {
        let mine = doc! {"_id": key_id, "userId": user_id, "active": true};
        let find = async |database| collection(&database).find_one(mine.clone()).await;
        let Some(key) = self.mongo.run(REQUEST_TIMEOUT, find).await? else { return Ok(None) };
        let version = key.key_version + 1;
        let set = doc! {"$set": {
            "cipher": self.seal(user_id, key_id, version, secret).await?, "keyVersion": version, "last4": last4(secret),
            "rotatedAt": clock::now(),
        }};
        // Of two rotations at once one wins.
        let mut guard = mine.clone();
        guard.insert("keyVersion", key.key_version);
        Ok(Some(self.update(guard, set).await?.ok_or_else(changed_meanwhile)?))
    }

    /// The keys of an account that may be used for a call, the one that was used longest ago first: 404 without a key for
    /// the provider, 403 (`model_not_allowed`) without one for the model.
    pub async fn for_call(&self, wanted: &KeyWanted) -> Result<UsableKeys, Problem> {
        let provider = bson::serialize_to_bson(&wanted.provider).map_err(Problem::internal)?;
        let of_provider = doc! {"userId": &wanted.user_id, "active": true, "provider": provider};
        let find = async |database: Database| {
            let keys = collection(&database);
            let found = keys.find(of_provider).sort(doc! {"lastUsedAt": 1, "_id": 1});
            found.await?.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
        };
        let mut keys: Vec<ProviderKey> =
            mongo::readable("provider_keys", &self.mongo.run(REQUEST_TIMEOUT, find).await?);
        if keys.is_empty() {
            return Err(Problem::not_found("This account keeps no key for that provider."));
        }
        keys.retain(|key| key.allows(&wanted.model));
        if keys.is_empty() {
            let detail = "None of this account's keys for that provider may be used for that model.";
            return Err(Problem::forbidden("model_not_allowed", detail));
        }
        Ok(UsableKeys(keys))
    }

    /// Opens the first of the keys that is within its limits of the month, and counts the call; 429 when none is. `spent`
    /// holds the micro-dollars that each has cost in the month, where one has a limit of them.
    pub async fn open(
        &self,
        keys: UsableKeys,
        wanted: KeyWanted,
        now: Moment,
        spent: &HashMap<String, u64>,
    ) -> Result<OpenedKey, Problem> {
        let month = &clock::day(now)[..7];
        let cipher = self.cipher.get().await?;
        for key in keys.0 {
            let cost = spent.get(&key.id).copied().unwrap_or_default();
            let is_spent = key.monthly_limit_micros.is_some_and(|limit| cost >= limit.unsigned_abs());
            if is_spent || !self.count_call(&key, month, now).await? {
                continue;
            }
            let context = vault_context(&wanted.user_id, &key.id, key.key_version);
            let secret = cipher.open(&key.cipher, &context);
            let secret = secret.ok_or_else(|| Problem::internal("a provider key does not open"))?;
            let KeyWanted { provider, model, .. } = wanted;
            return Ok(OpenedKey { key_id: key.id, provider, model, api_key: secret.expose_secret().to_owned() });
        }
        Err(Problem::limit_reached("This account's keys for that model are at their limit of the month.", RETRY_S))
    }

    /// Counts a call, unless the key is at its limit of the month, or was changed since it was read: of two calls at once
    /// at the limit one is counted.
    async fn count_call(&self, key: &ProviderKey, month: &str, now: Moment) -> Result<bool, mongo::Error> {
        let mut usable = doc! {"_id": &key.id, "active": true, "keyVersion": key.key_version};
        if let Some(limit) = key.monthly_usage_limit {
            usable.insert(
                "$or",
                [doc! {"usageMonth": {"$ne": month}}, doc! {"monthlyUsageCount": {"$lt": limit}}].to_vec(),
            );
        }
        let plus_one = |field: &str| doc! {"$add": [{"$ifNull": [field, 0_i64]}, 1_i64]};
        let is_this_month = doc! {"$eq": ["$usageMonth", month]};
        let count = vec![doc! {"$set": {
            "usageCount": plus_one("$usageCount"),
            "monthlyUsageCount": {"$cond": [is_this_month, plus_one("$monthlyUsageCount"), 1_i64]},
            "usageMonth": month, "lastUsedAt": now,
        }}];
        let count = async |database: Database| collection(&database).update_one(usable, count).await;
        Ok(self.mongo.run(REQUEST_TIMEOUT, count).await?.modified_count == 1)
    }

    /// Ends the use of a key and forgets its secret and its models, which would fill the store for ever; `None` when
    /// the account has no such key. Twice is once.
    pub async fn revoke(&self, user_id: &str, key_id: &str) -> Result<Option<ProviderKeyView>, mongo::Error> {
        let blank = doc! {"$set": {"active": false, "cipher": "", "allowedModels": []}};
        self.update(doc! {"_id": key_id, "userId": user_id}, blank).await
    }

    async fn update(&self, filter: Document, update: Document) -> Result<Option<ProviderKeyView>, mongo::Error> {
        let change = async |database: Database| {
            collection(&database).find_one_and_update(filter, update).return_document(ReturnDocument::After).await
        };
        Ok(self.mongo.run(REQUEST_TIMEOUT, change).await?.as_ref().map(view))
    }

    /// A secret as it is kept of this account's key, in this version of it.
    async fn seal(
        &self,
        user_id: &str,
        key_id: &str,
        version: i64,
        secret: &SecretString,
    ) -> Result<String, Unavailable> {
        Ok(vault_seal(&*self.cipher.get().await?, user_id, key_id, version, secret))
    }
}

/// What seals provider keys. Reads `VAULT_SEED`: a seed, or the new and the old one.
pub fn vault_cipher() -> Result<Secret<Cipher>, ConfigError> {
    Secret::from_env("VAULT_SEED", |text| Ok(Seeds::parse(text)?.cipher("provider-keys")))
}

/// A secret as it is kept of this account's key, in this version of it.
pub fn vault_seal(cipher: &Cipher, user_id: &str, key_id: &str, version: i64, secret: &SecretString) -> String {
    cipher.seal(secret.expose_secret(), &vault_context(user_id, key_id, version))
}

/// What a provider key is sealed for.
pub fn vault_context(user_id: &str, key_id: &str, version: i64) -> String {
    format!("{user_id}|{key_id}|{version}")
}

impl ProviderKey {
    /// Whether its owner lets it be used for the model.
    fn allows(&self, model: &str) -> bool {
        self.allowed_models.is_empty() || self.allowed_models.iter().any(|allowed| allowed.eq_ignore_ascii_case(model))
    }
}

/// Of a short secret less is shown than would help to guess it.
fn last4(secret: &SecretString) -> String {
    let chars: Vec<char> = secret.expose_secret().chars().collect();
    chars[chars.len().saturating_sub(4)..].iter().collect()
}

fn view(key: &ProviderKey) -> ProviderKeyView {
    ProviderKeyView {
        id: key.id.clone(),
        provider: key.provider,
        name: key.name.clone(),
        last4: key.last4.clone(),
        allowed_models: key.allowed_models.clone(),
        monthly_limit_micros: key.monthly_limit_micros.and_then(|limit| u64::try_from(limit).ok()),
        monthly_usage_limit: key.monthly_usage_limit.and_then(|limit| u64::try_from(limit).ok()),
        usage_count: key.usage_count.unsigned_abs(),
        monthly_usage_count: match &key.usage_month {
            Some(month) if clock::day(clock::now()).starts_with(month.as_str()) => {
                key.monthly_usage_count.unsigned_abs()
            }
            _ => 0,
        },
        active: key.active,
        created_at: key.created_at,
        rotated_at: key.rotated_at,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn secret(text: &SecretString, _: &()) -> garde::Result {
    let text = text.expose_secret();
    let good = (16..=500).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(()) } else { Err(garde::Error::new("must be 16 to 500 visible ASCII characters")) }
}

fn collection(database: &Database) -> Collection<ProviderKey> {
    database.collection("provider_keys")
}
