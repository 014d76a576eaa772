//! How much of its plan an account has used, counted in the cache: per hour and per UTC day, from when a record comes.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::{super::cost::Cost, plan::PlanLimit};
use crate::{
    cache::{Cache, Counted, CountedOnce, QuotaCounter},
    clock::{self, Moment},
    plans::{Allowed, Plan},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
pub(super) const HOUR_MS: i64 = 60 * 60 * 1000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// How long a record that comes again is known: clients try again within seconds, those that were offline within hours.
const REMEMBERED: Duration = DAY;
/// Requests of the hour and the day, tokens, whole micro-dollars, the pico-dollars below them, and bytes.
const COUNTERS: usize = 6;
const BYTES: usize = 5;

/// A plan's limits and what is left of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanUse {
    /// The plan.
    pub plan: Plan,
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
    /// Bytes that this UTC day's records fill, of all that the account may store: beyond it, records become sums.
    pub stored_bytes_today: Allowance,
    /// The exact cost so far.
    #[serde(skip)]
    pub(super) cost: Cost,
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

/// What a record counts against the plan: once under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) tokens: u64,
    pub(super) cost: Cost,
    pub(super) bytes: u64,
}

/// What was counted.
pub(super) struct Taken {
    /// Of each record, whether it was not counted before.
    pub(super) new: Vec<bool>,
    /// Of each record, the limits that it is beyond; of one that was counted before, none.
    pub(super) beyond: Vec<Vec<PlanLimit>>,
    counters: [QuotaCounter; COUNTERS],
    records: Vec<CountedOnce<COUNTERS>>,
}

impl UsageLimits {
    /// Counts in `cache`.
    pub fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// Counts what was not counted before, beyond the plan as well.
    pub(super) async fn take(&self, user_id: &str, plan: Plan, charges: &[Charge], now: Moment) -> Taken {
        let counters = counters(user_id, now);
        let records: Vec<_> = charges.iter().map(|charge| record(user_id, charge)).collect();
        let counted = self.cache.count_once(&counters, &records, REMEMBERED).await;
        // Without a limit nothing is refused.
        let counted = counted.unwrap_or_else(|_| Counted { before: [0; COUNTERS], new: vec![true; charges.len()] });
        let mut used = Used::from_counters(counted.before);
        let beyond = charges
            .iter()
            .zip(&counted.new)
            .map(|(charge, new)| if *new { used.add(charge, plan.allows()) } else { Vec::new() });
        let beyond = beyond.collect();
        let records = records.into_iter().zip(&counted.new).filter_map(|(record, new)| new.then_some(record));
        Taken { beyond, counters, records: records.collect(), new: counted.new }
    }

    /// Counts what has been used; whether it was not counted before.
    pub(super) async fn count(&self, user_id: &str, plan: Plan, charge: Charge, now: Moment) -> bool {
        self.take(user_id, plan, &[charge], now).await.new.contains(&true)
    }

    /// Gives back what was not accepted after all.
    pub(super) async fn give_back(&self, taken: &Taken) {
        self.cache.uncount(&taken.counters, &taken.records).await;
    }

    /// What is left; `bytes_a_day` is what the account may store.
    pub(super) async fn view(&self, user_id: &str, plan: Plan, bytes_a_day: u64, now: Moment) -> PlanUse {
        let (allowed, counters) = (plan.allows(), counters(user_id, now));
        let mut counted = [0; COUNTERS];
        for (counted, counter) in counted.iter_mut().zip(&counters) {
            *counted = self.cache.peek(&counter.key).await.and_then(|text| text.parse().ok()).unwrap_or_default();
        }
        let used = Used::from_counters(counted);
        PlanUse {
            plan,
            requests_this_hour: Allowance::of(allowed.requests_per_hour, used.requests_this_hour),
            requests_today: Allowance::of(allowed.requests_per_day, used.requests_today),
            tokens_today: Allowance::of(allowed.tokens_per_day, used.tokens),
            cost_micros_today: Allowance::of(allowed.micros_per_day, used.cost.rounded_micros()),
            tokens_per_request: allowed.tokens_per_request,
            stored_bytes_today: Allowance::of(bytes_a_day, counted[BYTES]),
            cost: used.cost,
        }
    }
}

impl Allowance {
    fn of(limit: u64, used: u64) -> Self {
        Self { limit, used, left: limit.saturating_sub(used) }
    }
}

/// What was used of the limits that are told of, and go on.
struct Used {
    requests_this_hour: u64,
    requests_today: u64,
    tokens: u64,
    cost: Cost,
}

impl Used {
    fn from_counters([hour, day, tokens, micros, picos, _]: [u64; COUNTERS]) -> Self {
        Self { requests_this_hour: hour, requests_today: day, tokens, cost: Cost::from_stored(micros, picos) }
    }

    /// Adds a request, and says which limits it is beyond.
    fn add(&mut self, charge: &Charge, allowed: Allowed) -> Vec<PlanLimit> {
        self.requests_this_hour += 1;
        self.requests_today += 1;
        self.tokens = self.tokens.saturating_add(charge.tokens);
        self.cost = self.cost + charge.cost;
        let beyond = [
            (PlanLimit::RequestsThisHour, self.requests_this_hour > allowed.requests_per_hour),
            (PlanLimit::RequestsToday, self.requests_today > allowed.requests_per_day),
            // What takes none of a limit is not beyond it.
            (PlanLimit::TokensToday, charge.tokens > 0 && self.tokens > allowed.tokens_per_day),
            (
                PlanLimit::CostMicrosToday,
                charge.cost > Cost::ZERO && self.cost > Cost::from_stored(allowed.micros_per_day, 0),
            ),
            (PlanLimit::TokensPerRequest, charge.tokens > allowed.tokens_per_request),
        ];
        beyond.into_iter().filter_map(|(limit, beyond)| beyond.then_some(limit)).collect()
    }
}

/// The period stands in the key, so that every environment means the same one. The braces keep an account's keys
/// together where the cache is a cluster. None has a limit: what is beyond the plan is taken.
fn counters(user_id: &str, now: Moment) -> [QuotaCounter; COUNTERS] {
    let (day, hour) = (clock::day(now), now.strftime("%Y-%m-%dT%H").to_string());
    let counter = |period: &str, kind: &str, window| QuotaCounter {
        key: format!("usage:{{{user_id}}}:{period}:{kind}"),
        limit: u64::MAX,
        window,
    };
    [
        counter(&hour, "requests", HOUR),
        counter(&day, "requests", DAY),
        counter(&day, "tokens", DAY),
        counter(&day, "cost", DAY),
        counter(&day, "cost-picos", DAY),
        counter(&day, "bytes", DAY),
    ]
}

/// As the counters count it. Both parts of the cost are as stored, so their sums say what reports say.
fn record(user_id: &str, charge: &Charge) -> CountedOnce<COUNTERS> {
    let (micros, picos) = (charge.cost.whole_micros(), charge.cost.picos_left());
    CountedOnce {
        key: format!("usage:{{{user_id}}}:record:{}", charge.id),
        amounts: [1, 1, charge.tokens, micros, picos, charge.bytes],
    }
}

/// Until the running hour or day is over; rounded up.
pub(super) fn seconds_left(period_ms: i64, now: Moment) -> u64 {
    (period_ms - now.as_millisecond().rem_euclid(period_ms)).unsigned_abs().div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_A_DAY: u64 = 2_000_000;

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    fn charges(prefix: &str, number: u64, tokens: u64, cost_micros: u64) -> Vec<Charge> {
        let charge =
            |n| Charge { id: format!("{prefix}{n}"), tokens, cost: Cost::from_stored(cost_micros, 0), bytes: 500 };
        (0..number).map(charge).collect()
    }

    fn limits() -> UsageLimits {
        UsageLimits::new(Cache::in_process())
    }

    #[tokio::test]
    async fn what_is_beyond_a_limit_of_any_plan_is_counted_and_flagged() {
        // Requests an hour and a day, tokens a day, micro-dollars a day, tokens a request: as the specification has them.
        for (plan, limits_of_plan) in [
            (Plan::Free, [10, 50, 50_000, 500_000, 2_000]),
            (Plan::Basic, [60, 500, 500_000, 5_000_000, 4_000]),
            (Plan::Pro, [300, 2_000, 2_000_000, 20_000_000, 8_000]),
            (Plan::Enterprise, [1_000, 10_000, 10_000_000, 100_000_000, 16_000]),
        ] {
            let [per_hour, per_day, tokens, micros, per_request] = limits_of_plan;
            let usage = limits();
            assert_eq!(plan.allows().tokens_per_request, per_request);
            let take = async |user: &str, charges: Vec<Charge>, now: &str| {
                usage.take(user, plan, &charges, at(now)).await.beyond
            };
            let now = "2026-11-01T10:59:29.001Z";
            let hour = take("hour", charges("a", per_hour + 1, 0, 0), now).await;
            let (last, rest) = hour.split_last().expect("records");
            assert!(rest.iter().all(Vec::is_empty), "{plan:?}");
            assert_eq!(*last, [PlanLimit::RequestsThisHour], "{plan:?}: one more than the hour's, in one batch");
            assert_eq!(take("hour", charges("b", 1, 0, 0), now).await, [[PlanLimit::RequestsThisHour]]);
            let view = usage.view("hour", plan, BYTES_A_DAY, at(now)).await;
            let expected = Allowance { limit: per_hour, used: per_hour + 2, left: 0 };
            assert_eq!(view.requests_this_hour, expected, "{plan:?}: what happened counts");

            let full = [PlanLimit::TokensToday];
            let most = take("tokens", charges("a", tokens / per_request, per_request, 0), now).await;
            assert!(!most.iter().flatten().any(|limit| full.contains(limit)), "{plan:?}: {most:?}");
            assert!(take("tokens", charges("b", 1, 1, 0), now).await[0].contains(&full[0]), "{plan:?}");
            assert!(!take("tokens", charges("c", 1, 0, 0), now).await[0].contains(&full[0]), "{plan:?}: takes none");
            assert_eq!(take("cost", charges("a", 1, 0, micros), now).await, [[]; 1], "{plan:?}");
            assert_eq!(take("cost", charges("b", 1, 0, 1), now).await, [[PlanLimit::CostMicrosToday]], "{plan:?}");
            assert_eq!(take("cost", charges("c", 1, 0, 0), now).await, [[]; 1], "{plan:?}: costs nothing");
            let large =
                take("large", [charges("a", 1, per_request, 0), charges("b", 1, per_request + 1, 0)].concat(), now);
            assert_eq!(large.await, [vec![], vec![PlanLimit::TokensPerRequest]], "{plan:?}");

            // A day's requests, hour by hour.
            for hour in 0..per_day.div_ceil(per_hour) {
                let number = per_hour.min(per_day - hour * per_hour);
                let now = format!("2026-11-01T{hour:02}:00:00Z");
                let beyond = take("day", charges(&format!("{hour}/"), number, 0, 0), &now).await;
                assert!(beyond.iter().all(Vec::is_empty), "{plan:?}, {hour} h");
            }
            let over = take("day", charges("b", 1, 0, 0), "2026-11-01T23:59:59Z").await;
            assert_eq!(over, [[PlanLimit::RequestsToday]], "{plan:?}");
            assert_eq!(
                take("day", charges("c", 1, 0, 0), "2026-11-02T00:00:00Z").await,
                [[]; 1],
                "{plan:?}: a new day"
            );
        }
    }

    #[tokio::test]
    async fn a_record_that_comes_again_is_charged_once() {
        let (usage, now, plan) = (limits(), at("2026-11-01T10:00:00Z"), Plan::Free);
        let take = async |charges: &[Charge]| usage.take("u", plan, charges, now).await;
        let batch = charges("a", 10, 100, 1_000);
        for _ in 0..3 {
            take(&batch).await;
        }
        let view = usage.view("u", plan, BYTES_A_DAY, now).await;
        assert_eq!(
            (view.requests_this_hour.used, view.tokens_today.used, view.cost_micros_today.used),
            (10, 1_000, 10_000)
        );
        usage.count("u", plan, batch[0].clone(), now).await;
        usage.count("u", plan, charges("b", 1, 0, 0).remove(0), now).await;
        assert_eq!(usage.view("u", plan, BYTES_A_DAY, now).await.requests_this_hour.used, 11, "used is used");
    }

    #[tokio::test]
    async fn costs_below_a_micro_dollar_add_up() {
        let (usage, now, plan) = (limits(), at("2026-11-01T10:00:00Z"), Plan::Free);
        let small = |n: u64| Charge { id: n.to_string(), tokens: 3, cost: Cost::from_picos(450_000), bytes: 1 };
        let batch: Vec<_> = (0..10).map(small).collect();
        usage.take("u", plan, &batch, now).await;
        assert_eq!(usage.view("u", plan, BYTES_A_DAY, now).await.cost_micros_today.used, 5, "4.5, half up");
    }

    #[tokio::test]
    async fn what_goes_back_is_what_was_taken_and_no_more() {
        let (usage, now, plan) = (limits(), at("2026-11-01T10:00:00Z"), Plan::Free);
        let take = async |charges: &[Charge]| usage.take("u", plan, charges, now).await;
        take(&charges("a", 2, 100, 0)).await;
        let taken = take(&charges("a", 5, 100, 0)).await;
        assert_eq!(taken.new, [false, false, true, true, true]);
        usage.give_back(&taken).await;
        let view = usage.view("u", plan, BYTES_A_DAY, now).await;
        assert_eq!((view.requests_this_hour.used, view.tokens_today.used), (2, 200), "three were new");
        take(&charges("a", 5, 100, 0)).await;
        assert_eq!(usage.view("u", plan, BYTES_A_DAY, now).await.requests_today.used, 5);
    }
}
