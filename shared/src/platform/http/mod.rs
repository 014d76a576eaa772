//! HTTP as the routes speak it: typed parts of a request, problem documents, paging, ETags.
//!
//! CORS is API Gateway's work, not ours: answered twice it breaks.

use std::sync::{Arc, OnceLock};

use http::request::Parts;

mod body;
mod counted;
mod if_match;
mod paging;
mod path;
mod problem;
mod query;
mod rate_limit;
mod reply;
pub(crate) mod response_finisher;
mod text;

pub use body::{JsonBody, MAX_BODY_BYTES};
pub use counted::{Counted, HasCache, Limit};
pub use if_match::IfMatch;
pub use paging::{Cursor, DEFAULT_LIMIT, MAX_LIMIT, Page};
pub use path::Path;
pub use problem::{FieldError, Problem, ProblemDocument};
pub use query::Query;
pub use rate_limit::{Policy, Quota};
pub use reply::{Reply, etag};
pub use text::plain;

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
