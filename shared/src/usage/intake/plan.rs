//! What each plan allows.

use serde::Serialize;
use utoipa::ToSchema;

/// What a plan allows. What happens beyond it is recorded all the same, and says so; only `bytes_per_day` ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The plan.
    pub name: &'static str,
    pub(super) requests_per_hour: u64,
    pub(super) requests_per_day: u64,
    pub(super) tokens_per_day: u64,
    /// Micro-dollars that a UTC day may cost.
    pub micros_per_day: u64,
    /// Tokens, sent and received, in one request.
    pub tokens_per_request: u64,
    /// Bytes that the records of a UTC day may fill, whatever they say: they are kept for 400 days, and M0 holds 512 MB
    /// for everybody. Enough for all the plan's requests, of 1,500 bytes each and more; most take 500.
    pub(super) bytes_per_day: u64,
}

const TIERS: [Tier; 4] = [
    Tier {
        name: "free",
        requests_per_hour: 10,
        requests_per_day: 50,
        tokens_per_day: 50_000,
        micros_per_day: 500_000,
        tokens_per_request: 2_000,
        bytes_per_day: 500_000,
    },
    Tier {
        name: "basic",
        requests_per_hour: 60,
        requests_per_day: 500,
        tokens_per_day: 500_000,
        micros_per_day: 5_000_000,
        tokens_per_request: 4_000,
        bytes_per_day: 2_000_000,
    },
    Tier {
        name: "pro",
        requests_per_hour: 300,
        requests_per_day: 2_000,
        tokens_per_day: 2_000_000,
        micros_per_day: 20_000_000,
        tokens_per_request: 8_000,
        bytes_per_day: 5_000_000,
    },
    Tier {
        name: "enterprise",
        requests_per_hour: 1_000,
        requests_per_day: 10_000,
        tokens_per_day: 10_000_000,
        micros_per_day: 100_000_000,
        tokens_per_request: 16_000,
        bytes_per_day: 15_000_000,
    },
];

impl Tier {
    /// The tier of a plan; an unknown plan has the smallest.
    pub fn of(plan: &str) -> &'static Self {
        TIERS.iter().find(|tier| tier.name == plan).unwrap_or(&TIERS[0])
    }
}

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
