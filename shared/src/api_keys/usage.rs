//! The record of one use of a platform key.

use serde::{Deserialize, Serialize};

use crate::{clock::Moment, queue::QueuedEvent};

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
    /// `success` or `error`; of older records also `rate_limited`.
    pub status: String,
    /// When it happened.
    pub occurred_at: Moment,
}

impl QueuedEvent for ApiKeyUsage {
    const KIND: &'static str = "api_key_usage";
    const COLLECTION: &'static str = "api_key_usage";
}
