//! What goes through the queue: things that happened, written by a consumer in bulk.
//!
//! Each event carries its own id, which becomes its `_id`: delivered or sent twice, it is stored
//! once.

mod write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use write::{Written, read, write_batch};

/// One event.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// Somebody did something with a prompt.
    Analytics(AnalyticsEvent),
    /// A model was used.
    AiUsage(AiUsage),
    /// A user's key was used.
    ApiKeyUsage(ApiKeyUsage),
    /// An entry of the audit log: one that may wait, or one that the store could not take at once.
    Audit(AuditEntry),
    /// An affiliate link was followed.
    AffiliateClick(AffiliateClick),
}

/// What one can do with a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AnalyticsAction {
    /// Opened it.
    View,
    /// Copied its text.
    Copy,
    /// Ran it.
    Execute,
    /// Marked it.
    Favorite,
    /// Passed it on.
    Share,
}

/// `analytics_events`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnalyticsEvent {
    /// Event id.
    pub id: String,
    /// The prompt's id (never its slug).
    pub prompt_id: String,
    /// What was done.
    pub event: AnalyticsAction,
    /// What the front end added, at most 2 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// The front end's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// `ai_usage`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiUsage {
    /// Event id.
    pub id: String,
    /// Whose usage.
    pub user_id: String,
    /// By which platform key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `openai`, `anthropic`, …, in small letters.
    pub provider: String,
    /// The model, by the name under which its price is known.
    pub model: String,
    /// What the client called it, where that is another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_model: Option<String>,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Of them, read from the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Of them, written to the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Of them, audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_audio_tokens: u64,
    /// Of them, images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_image_tokens: u64,
    /// Tokens received.
    pub completion_tokens: u64,
    /// Of them, reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    /// Of them, audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub completion_audio_tokens: u64,
    /// Of them, images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub completion_image_tokens: u64,
    /// Images made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub images: u64,
    /// Whole micro-dollars; 0 while `priced` is false.
    pub cost_micros: u64,
    /// What the cost has below a micro-dollar, in pico-dollars.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_picos: u64,
    /// Whether the cost is known.
    pub priced: bool,
    /// Whether the provider asks money for it, where the client said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed: Option<bool>,
    /// The limits of the plan that it is beyond.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond_plan: Vec<String>,
    /// How long the provider took.
    pub latency_ms: u64,
    /// What it was called for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the provider answered.
    pub success: bool,
    /// What it said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The client's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When we were told.
    pub received_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the serialiser calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `api_key_usage`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyUsage {
    /// Event id.
    pub id: String,
    /// Whose key.
    pub user_id: String,
    /// Which key.
    pub key_id: String,
    /// The provider it was used for, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `success`, `error` or `rate_limited`.
    pub status: String,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// `audit_logs`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditEntry {
    /// Event id.
    pub id: String,
    /// What was done, `auth.login.success`.
    pub action: String,
    /// Its family: `auth`, `security`, `admin` or `data`.
    pub category: String,
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// The id of who did it, if known. Never an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// Their role then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_role: Option<String>,
    /// What it was done to, `user/<id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The network address it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The client it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The request it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Map<String, Value>>,
    /// When.
    pub at: Timestamp,
    /// When the entry may go.
    pub expires_at: Timestamp,
    /// Code of all of the above: who changes the entry cannot make a new one.
    pub hash: String,
}

/// `affiliate_clicks`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AffiliateClick {
    /// Event id.
    pub id: String,
    /// Which link.
    pub link_id: String,
    /// When.
    pub occurred_at: Timestamp,
}

impl Event {
    /// The event's id: its `_id` in the store.
    pub fn id(&self) -> &str {
        match self {
            Self::Analytics(event) => &event.id,
            Self::AiUsage(event) => &event.id,
            Self::ApiKeyUsage(event) => &event.id,
            Self::Audit(event) => &event.id,
            Self::AffiliateClick(event) => &event.id,
        }
    }

    /// Where events of this kind are kept.
    pub const fn collection(&self) -> &'static str {
        match self {
            Self::Analytics(_) => "analytics_events",
            Self::AiUsage(_) => "ai_usage",
            Self::ApiKeyUsage(_) => "api_key_usage",
            Self::Audit(_) => "audit_logs",
            Self::AffiliateClick(_) => "affiliate_clicks",
        }
    }
}

/// A queue message, as [`crate::queue`] packs it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The events it carries.
    pub records: Vec<Event>,
}
