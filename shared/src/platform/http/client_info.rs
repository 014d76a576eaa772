//! Where a request comes from.

use std::sync::{Arc, OnceLock};

use http::request::Parts;

use super::Quota;

/// Where a request comes from, put into it by the entry.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// API Gateway's id of the request; returned as `x-request-id`.
    pub request_id: String,
    /// The address of the connection, as API Gateway saw it.
    pub source_ip: String,
    /// What the caller's client calls itself.
    pub user_agent: String,
    /// What a rate limit left, for the answer's headers.
    pub quota: Arc<OnceLock<Quota>>,
}

impl ClientInfo {
    /// Of this request.
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_default()
    }
}
