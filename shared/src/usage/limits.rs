//! What each plan allows, counted in the cache: per hour and per UTC day, from when a record comes.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::record::Sum;
use crate::{cache::Cache, clock, http::Problem};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What a plan allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The plan.
    pub name: &'static str,
    requests_per_hour: u64,
    requests_per_day: u64,
    tokens_per_day: u64,
    /// Micro-dollars that a UTC day may cost.
    pub micros_per_day: u64,
    /// Tokens, sent and received, in one request.
    pub tokens_per_request: u64,
}

const TIERS: [Tier; 4] = [
    Tier {
        name: "free",
        requests_per_hour: 10,
        requests_per_day: 50,
        tokens_per_day: 50_000,
        micros_per_day: 500_000,
        tokens_per_request: 2_000,
    },
    Tier {
        name: "basic",
        requests_per_hour: 60,
        requests_per_day: 500,
        tokens_per_day: 500_000,
        micros_per_day: 5_000_000,
        tokens_per_request: 4_000,
    },
    Tier {
        name: "pro",
        requests_per_hour: 300,
        requests_per_day: 2_000,
        tokens_per_day: 2_000_000,
        micros_per_day: 20_000_000,
        tokens_per_request: 8_000,
    },
    Tier {
        name: "enterprise",
        requests_per_hour: 1_000,
        requests_per_day: 10_000,
        tokens_per_day: 10_000_000,
        micros_per_day: 100_000_000,
        tokens_per_request: 16_000,
    },
];

impl Tier {
    /// The tier of a plan; an unknown plan has the smallest.
    pub fn of(plan: &str) -> &'static Self {
        TIERS.iter().find(|tier| tier.name == plan).unwrap_or(&TIERS[0])
    }
}

/// A plan's limits and what is left of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsView {
    /// The plan.
    pub plan: &'static str,
    /// Requests this hour.
    pub requests_this_hour: Allowance,
    /// Requests this UTC day.
    pub requests_today: Allowance,
    /// Tokens this UTC day.
    pub tokens_today: Allowance,
    /// Micro-dollars this UTC day.
    pub cost_micros_today: Allowance,
    /// Tokens that one request may have.
    pub tokens_per_request: u64,
}

/// A limit and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Allowance {
    /// The limit.
    pub limit: u64,
    /// Used so far.
    pub used: u64,
    /// Left.
    pub left: u64,
}

/// Counts what accounts use.
pub struct UsageLimits {
    cache: Cache,
}

/// One counter: its key, its window, its limit, and what to add.
struct Counter {
    key: String,
    window: Duration,
    limit: u64,
    amount: u64,
    what: &'static str,
}

impl UsageLimits {
    /// Counts in `cache`.
    pub fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// Takes `sum` off the account's limits, all of it or, with 429, nothing.
    pub(super) async fn take(&self, user_id: &str, tier: &Tier, sum: Sum, now: Timestamp) -> Result<(), Problem> {
        let counters = counters(user_id, tier, sum, now);
        for (index, counter) in counters.iter().enumerate() {
            let count = self.cache.add(&counter.key, counter.amount, counter.window).await;
            if count.used > counter.limit {
                self.give_back_first(&counters[..=index]).await;
                let limit = format!("Your plan's limit of {} is reached", counter.what);
                return Err(Problem::limit_reached(limit, count.resets_in.as_secs() + 1));
            }
        }
        Ok(())
    }

    /// Counts `sum`, whatever the limits: it has been used.
    pub(super) async fn count(&self, user_id: &str, tier: &Tier, sum: Sum, now: Timestamp) {
        for counter in counters(user_id, tier, sum, now) {
            self.cache.add(&counter.key, counter.amount, counter.window).await;
        }
    }

    /// Gives `sum` back: it was not accepted after all.
    pub(super) async fn give_back(&self, user_id: &str, tier: &Tier, sum: Sum, now: Timestamp) {
        self.give_back_first(&counters(user_id, tier, sum, now)).await;
    }

    async fn give_back_first(&self, counters: &[Counter]) {
        for counter in counters {
            self.cache.subtract(&counter.key, counter.amount).await;
        }
    }

    /// What is left.
    pub async fn view(&self, user_id: &str, plan: &str, now: Timestamp) -> LimitsView {
        let tier = Tier::of(plan);
        let [hour, day, tokens, cost] = counters(user_id, tier, Sum::default(), now);
        LimitsView {
            plan: tier.name,
            requests_this_hour: self.used(&hour).await,
            requests_today: self.used(&day).await,
            tokens_today: self.used(&tokens).await,
            cost_micros_today: self.used(&cost).await,
            tokens_per_request: tier.tokens_per_request,
        }
    }

    async fn used(&self, counter: &Counter) -> Allowance {
        let used = self.cache.get(&counter.key).await.and_then(|text| text.parse().ok()).unwrap_or_default();
        Allowance { limit: counter.limit, used, left: counter.limit.saturating_sub(used) }
    }
}

/// The period stands in the key, so that every environment means the same one.
fn counters(user_id: &str, tier: &Tier, sum: Sum, now: Timestamp) -> [Counter; 4] {
    let (day, hour) = (clock::day(now), now.strftime("%Y-%m-%dT%H").to_string());
    let counter = |period: &str, kind: &str, window, limit, amount, what| Counter {
        key: format!("usage:{user_id}:{period}:{kind}"),
        window,
        limit,
        amount,
        what,
    };
    [
        counter(&hour, "requests", HOUR, tier.requests_per_hour, sum.requests, "requests an hour"),
        counter(&day, "requests", DAY, tier.requests_per_day, sum.requests, "requests a day"),
        counter(&day, "tokens", DAY, tier.tokens_per_day, sum.tokens, "tokens a day"),
        counter(&day, "cost", DAY, tier.micros_per_day, sum.cost_micros, "cost a day"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_limit_holds_and_what_is_refused_is_not_counted() {
        let limits = UsageLimits::new(Cache::in_process());
        let now: Timestamp = "2026-11-01T10:00:00Z".parse().expect("valid");
        let tier = Tier::of("free");
        let take = async |requests, tokens, cost_micros| {
            limits.take("u", tier, Sum { requests, tokens, cost_micros }, now).await.is_ok()
        };
        assert!(take(5, 40_000, 100).await);
        assert!(!take(6, 1, 1).await, "requests an hour");
        assert!(!take(1, 10_001, 1).await, "tokens a day");
        assert!(!take(1, 1, 500_000).await, "cost a day");
        assert!(take(5, 10_000, 499_900).await, "all that was left");
        let view = limits.view("u", "free", now).await;
        assert_eq!(view.requests_this_hour, Allowance { limit: 10, used: 10, left: 0 });
        assert_eq!((view.tokens_today.left, view.cost_micros_today.left, view.requests_today.left), (0, 0, 40));
        assert_eq!(Tier::of("unheard-of").name, "free");
    }
}
