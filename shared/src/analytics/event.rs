//! Something that somebody did with a prompt.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{clock::Moment, mongo, queue::QueuedEvent};

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
    /// What the front end added: a few numbers, flags and short texts.
    #[serde(serialize_with = "mongo::free_form", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// The front end's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When it happened.
    pub occurred_at: Moment,
}

impl QueuedEvent for AnalyticsEvent {
    const KIND: &'static str = "analytics";
    const COLLECTION: &'static str = "analytics_events";
}
