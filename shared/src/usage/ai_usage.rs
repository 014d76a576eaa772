//! The record of one use of a model.

use serde::{Deserialize, Serialize};

use crate::{clock::Moment, queue::QueuedEvent};

/// `ai_usage`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiUsage {
    /// Event id.
    pub id: String,
    /// Whose usage.
    pub user_id: String,
    /// By which platform key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `openai`, `anthropic`, …
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Tokens received.
    pub completion_tokens: u64,
    /// Micro-dollars; 0 while `priced` is false.
    pub cost_micros: u64,
    /// Whether the model's price is known.
    pub priced: bool,
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
