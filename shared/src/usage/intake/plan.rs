//! What a plan limits, by name.

use serde::Serialize;
use utoipa::ToSchema;

/// A limit of a plan, by its name in `GET /api/ai/usage/limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanLimit {
    /// Requests an hour.
    RequestsThisHour,
    /// Requests a UTC day.
    RequestsToday,
    /// Tokens a UTC day.
    TokensToday,
    /// Dollars a UTC day.
    CostMicrosToday,
    /// Tokens in one request.
    TokensPerRequest,
    /// What the records of a UTC day fill.
    StoredBytesToday,
}

impl PlanLimit {
    /// Its name in JSON and in the store.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RequestsThisHour => "requestsThisHour",
            Self::RequestsToday => "requestsToday",
            Self::TokensToday => "tokensToday",
            Self::CostMicrosToday => "costMicrosToday",
            Self::TokensPerRequest => "tokensPerRequest",
            Self::StoredBytesToday => "storedBytesToday",
        }
    }
}
