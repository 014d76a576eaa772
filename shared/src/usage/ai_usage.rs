//! The record of one use of a model.

use bson::{Document, doc};
use serde::{Deserialize, Serialize};

use crate::{clock::Moment, queue::QueuedEvent};

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
    /// By which provider key of theirs, where a service reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_key_id: Option<String>,
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
    pub occurred_at: Moment,
    /// When we were told.
    pub received_at: Moment,
}

impl QueuedEvent for AiUsage {
    const KIND: &'static str = "ai_usage";
    const COLLECTION: &'static str = "ai_usage";
}

/// Of how many requests a record is, in an aggregation: of one, unless it is a sum of records for which there was no room.
pub(super) fn requests() -> Document {
    doc! {"$ifNull": ["$requests", 1_i64]}
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the serialiser calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
