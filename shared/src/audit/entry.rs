//! An entry, as it is kept and as it goes through the queue: one that may wait, or one that the store could not take at
//! once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{clock::Moment, mongo, queue::QueuedEvent};

/// `audit_logs`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
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
    #[serde(serialize_with = "mongo::free_form", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Map<String, Value>>,
    /// When.
    pub at: Moment,
    /// When the entry may go.
    pub expires_at: Moment,
    /// Code of all of the above: who changes the entry cannot make a new one.
    pub hash: String,
    /// When it was stored, which the queue may delay by days. Set by whoever stores it, so it is no part of the code; the
    /// digest of that day holds it fast. Absent from entries of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Moment>,
}

impl QueuedEvent for AuditEntry {
    const KIND: &'static str = "audit";
    const COLLECTION: &'static str = "audit_logs";
}
