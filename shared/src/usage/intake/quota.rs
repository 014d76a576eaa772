//! What each plan allows, counted in the cache: per hour and per UTC day, from when a record comes.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    cache::{Cache, CountedOnce, QuotaCounter},
    clock::{self, Moment},
    http::Problem,
    plans::Plan,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const HOUR_MS: i64 = 60 * 60 * 1000;
/// How long a record that comes again is known: clients try again within seconds, those that were offline within hours.
const REMEMBERED: Duration = DAY;
/// What a plan limits, in the order of its counters.
const LIMITED: [&str; 4] = ["requests an hour", "requests a day", "tokens a day", "cost a day"];

/// A plan's limits and what is left of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsView {
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
    pub(super) cost_micros: u64,
}

/// What was counted, in case that it has to go back.
pub(super) struct Taken {
    counters: [QuotaCounter; 4],
    records: Vec<CountedOnce<4>>,
}

impl UsageLimits {
    /// Counts in `cache`.
    pub fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// Takes what was not charged before off the account's limits, all of it or, with 429, nothing.
    pub(super) async fn take(
        &self,
        user_id: &str,
        plan: Plan,
        charges: &[Charge],
        now: Moment,
    ) -> Result<Taken, Problem> {
        let counters = counters(user_id, plan, now);
        let records: Vec<_> = charges.iter().map(|charge| record(user_id, charge)).collect();
        match self.cache.count_once(&counters, &records, REMEMBERED).await {
            Ok(new) => {
                let records = records.into_iter().zip(new).filter_map(|(record, new)| new.then_some(record)).collect();
                Ok(Taken { counters, records })
            }
            Err(index) => {
                let reached = format!("Your plan's limit of {} is reached", LIMITED[index]);
                Err(Problem::limit_reached(reached, seconds_left(index, now)))
            }
        }
    }

    /// Counts what has been used, whatever the limits.
    pub(super) async fn count(&self, user_id: &str, plan: Plan, charge: Charge, now: Moment) {
        let unlimited = counters(user_id, plan, now).map(|counter| QuotaCounter { limit: u64::MAX, ..counter });
        // Without a limit nothing is refused.
        let _ = self.cache.count_once(&unlimited, &[record(user_id, &charge)], REMEMBERED).await;
    }

    /// Gives back what was not accepted after all.
    pub(super) async fn give_back(&self, taken: &Taken) {
        self.cache.uncount(&taken.counters, &taken.records).await;
    }

    pub async fn view(&self, user_id: &str, plan: Plan, now: Moment) -> LimitsView {
        let [hour, day, tokens, cost] = counters(user_id, plan, now);
        LimitsView {
            plan,
            requests_this_hour: self.used(&hour).await,
            requests_today: self.used(&day).await,
            tokens_today: self.used(&tokens).await,
            cost_micros_today: self.used(&cost).await,
            tokens_per_request: plan.allows().tokens_per_request,
        }
    }

    async fn used(&self, counter: &QuotaCounter) -> Allowance {
        let used = self.cache.peek(&counter.key).await.and_then(|text| text.parse().ok()).unwrap_or_default();
        Allowance { limit: counter.limit, used, left: counter.limit.saturating_sub(used) }
    }
}

/// The period stands in the key, so that every environment means the same one. The braces keep an account's keys
/// together where the cache is a cluster.
fn counters(user_id: &str, plan: Plan, now: Moment) -> [QuotaCounter; 4] {
    let allowed = plan.allows();
    let (day, hour) = (clock::day(now), now.strftime("%Y-%m-%dT%H").to_string());
    let counter = |period: &str, kind: &str, window, limit| QuotaCounter {
        key: format!("usage:{{{user_id}}}:{period}:{kind}"),
        limit,
        window,
    };
    [
        counter(&hour, "requests", HOUR, allowed.requests_per_hour),
        counter(&day, "requests", DAY, allowed.requests_per_day),
        counter(&day, "tokens", DAY, allowed.tokens_per_day),
        counter(&day, "cost", DAY, allowed.micros_per_day),
    ]
}

/// As the counters count it.
fn record(user_id: &str, charge: &Charge) -> CountedOnce<4> {
    CountedOnce {
        key: format!("usage:{{{user_id}}}:record:{}", charge.id),
        amounts: [1, 1, charge.tokens, charge.cost_micros],
    }
}

/// Until the hour, for the first counter, or the day is over; rounded up.
fn seconds_left(counter: usize, now: Moment) -> u64 {
    let period = if counter == 0 { HOUR_MS } else { 24 * HOUR_MS };
    let left = period - now.as_millisecond().rem_euclid(period);
    left.unsigned_abs().div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    fn charges(prefix: &str, number: u64, tokens: u64, cost_micros: u64) -> Vec<Charge> {
        (0..number).map(|n| Charge { id: format!("{prefix}{n}"), tokens, cost_micros }).collect()
    }

    /// What a refused client is told: which limit, and for how long.
    fn told(refused: Result<Taken, Problem>) -> (String, String) {
        let Err(problem) = refused else { panic!("it was to be refused") };
        let response = problem.clone().into_response();
        let seconds = response.headers()["retry-after"].to_str().expect("text").to_owned();
        (format!("{problem:?}"), seconds)
    }

    #[tokio::test]
    async fn every_limit_of_every_plan_holds_and_what_is_refused_is_not_counted() {
        // Requests an hour and a day, tokens a day, micro-dollars a day, tokens a request, as in the table.
        for (plan, limits) in [
            (Plan::Free, [10, 50, 50_000, 500_000, 2_000]),
            (Plan::Basic, [60, 500, 500_000, 5_000_000, 4_000]),
            (Plan::Pro, [300, 2_000, 2_000_000, 20_000_000, 8_000]),
            (Plan::Enterprise, [1_000, 10_000, 10_000_000, 100_000_000, 16_000]),
        ] {
            let [per_hour, per_day, tokens, micros, per_request] = limits;
            let usage = UsageLimits::new(Cache::in_process());
            assert_eq!(plan.allows().tokens_per_request, per_request);
            let take =
                async |user: &str, charges: Vec<Charge>, now: &str| usage.take(user, plan, &charges, at(now)).await;
            let now = "2026-11-01T10:59:29.001Z";
            assert!(take("hour", charges("a", per_hour, 0, 0), now).await.is_ok());
            let (reason, seconds) = told(take("hour", charges("b", 1, 0, 0), now).await);
            assert!(reason.contains("requests an hour") && seconds == "31", "{reason} {seconds}");
            for (user, most, one, what) in [
                ("tokens", charges("a", 1, tokens, 0), charges("b", 1, 1, 0), "tokens a day"),
                ("cost", charges("a", 1, 0, micros), charges("b", 1, 0, 1), "cost a day"),
            ] {
                assert!(take(user, most, now).await.is_ok(), "{plan:?}: {what}");
                let (reason, seconds) = told(take(user, one, now).await);
                assert!(reason.contains(what) && seconds == "46831", "{plan:?}: {reason} {seconds}");
                assert!(take(user, charges("c", 1, 0, 0), now).await.is_ok(), "{plan:?}: what takes none of it");
            }
            // A day's requests, hour by hour.
            for hour in 0..per_day.div_ceil(per_hour) {
                let number = per_hour.min(per_day - hour * per_hour);
                let now = format!("2026-11-01T{hour:02}:00:00Z");
                assert!(
                    take("day", charges(&format!("{hour}/"), number, 0, 0), &now).await.is_ok(),
                    "{plan:?}, {hour} h"
                );
            }
            let (reason, seconds) = told(take("day", charges("b", 1, 0, 0), "2026-11-01T23:59:59Z").await);
            assert!(reason.contains("requests a day") && seconds == "1", "{plan:?}: {reason} {seconds}");
            let view = usage.view("day", plan, at("2026-11-01T23:59:59Z")).await;
            assert_eq!(view.requests_today, Allowance { limit: per_day, used: per_day, left: 0 });
            assert_eq!(view.requests_this_hour, Allowance { limit: per_hour, used: 0, left: per_hour });
            assert!(take("day", charges("b", 1, 0, 0), "2026-11-02T00:00:00Z").await.is_ok(), "{plan:?}: a new day");
        }
    }

    #[tokio::test]
    async fn a_record_that_comes_again_is_charged_once() {
        let (usage, now, plan) = (UsageLimits::new(Cache::in_process()), at("2026-11-01T10:00:00Z"), Plan::Free);
        let take = async |charges: &[Charge]| usage.take("u", plan, charges, now).await;
        let batch = charges("a", 10, 100, 1_000);
        for _ in 0..3 {
            assert!(take(&batch).await.is_ok(), "the same ten of ten");
        }
        let view = usage.view("u", plan, now).await;
        assert_eq!(
            (view.requests_this_hour.used, view.tokens_today.used, view.cost_micros_today.used),
            (10, 1_000, 10_000)
        );
        assert!(take(&charges("b", 1, 0, 0)).await.is_err());
        usage.count("u", plan, batch[0].clone(), now).await;
        usage.count("u", plan, charges("b", 1, 0, 0).remove(0), now).await;
        assert_eq!(usage.view("u", plan, now).await.requests_this_hour.used, 11, "used is used");
    }

    #[tokio::test]
    async fn what_goes_back_is_what_was_taken_and_no_more() {
        let (usage, now, plan) = (UsageLimits::new(Cache::in_process()), at("2026-11-01T10:00:00Z"), Plan::Free);
        let take = async |charges: &[Charge]| usage.take("u", plan, charges, now).await;
        assert!(take(&charges("a", 2, 100, 0)).await.is_ok());
        let Ok(taken) = take(&charges("a", 5, 100, 0)).await else { panic!("refused") };
        usage.give_back(&taken).await;
        let view = usage.view("u", plan, now).await;
        assert_eq!((view.requests_this_hour.used, view.tokens_today.used), (2, 200), "three were new");
        assert!(take(&charges("a", 5, 100, 0)).await.is_ok());
        assert_eq!(usage.view("u", plan, now).await.requests_today.used, 5);
    }
}
