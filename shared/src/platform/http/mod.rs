//! HTTP as the routes speak it: typed parts of a request, problem documents, paging, ETags.
//!
//! CORS is API Gateway's work, not ours: answered twice it breaks.

mod body;
mod client_info;
mod counted;
mod form;
mod if_match;
pub mod page;
mod paging;
mod path;
mod problem;
pub(crate) mod proxy;
mod query;
mod quota;
mod rate_limit;
mod refusal;
mod reply;
pub(crate) mod response_finisher;

pub use body::{JsonBody, MAX_BODY_BYTES, SmallBody};
pub use client_info::{ClientInfo, wide_network};
pub use counted::{Counted, HasCache, Limit};
pub use form::Form;
pub use if_match::IfMatch;
pub use paging::{Cursor, DEFAULT_LIMIT, LongPage, MAX_LIMIT, Page};
pub use path::Path;
pub use problem::{FieldError, Problem, ProblemDocument};
pub use query::Query;
pub use quota::{Policy, Quota};
pub use reply::{Created, Reply, etag};
