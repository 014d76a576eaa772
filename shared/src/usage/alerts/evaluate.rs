//! Which alerts are due: each (alert, period, threshold, level) once, whatever happens.
//!
//! A firing is a document whose id is those four, so that the store decides who fires. The threshold is among them since
//! whoever changes it wants to hear of the new one in the same period.
//!
//! A run looks at the period that is open, and at one that ended since the run before: what came in the last minutes of
//! a day is told too. What comes later to a period that is over counts in reports and is told to nobody: a client may
//! date its records back by days, and would have one message sent for each.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::AddAssign,
};

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::{
    SignedDuration,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use mongodb::Database;
use serde::{Deserialize, Serialize};

use super::{
    super::{ai_usage::requests, cost::Cost, identifier},
    Metric, Period,
    firing::{BATCH, Firing},
    notify::{mark_unwanted, notify},
    rule::{Alert, collection},
};
use crate::{
    clock::Moment,
    mongo::{self, Mongo, WORK_TIMEOUT},
    notifications::Outbox,
    queue::QueuedEvent,
    usage::AiUsage,
};

/// The job runs every hour, and may be late.
const SINCE_LAST_RUN: SignedDuration = SignedDuration::from_mins(90);

/// Percent of the threshold at which is told.
const LEVELS: [u64; 4] = [50, 80, 90, 100];

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct EvaluatedAlerts {
    pub alerts: usize,
    /// Levels reached for the first time.
    pub fired: usize,
    pub told: usize,
}

/// Usage of one account in a day, by key and provider.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "_id")]
    key: RowKey,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowKey {
    user_id: String,
    key_id: Option<String>,
    provider: Option<String>,
    day: Date,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sums {
    requests: u64,
    failed: u64,
    tokens: u64,
    cost_micros: u64,
    cost_picos: u64,
}

/// Fires what is due as of `at`, and tells the owners. Eight operations whatever the number of alerts, and one more for
/// each 200 that are told.
pub async fn check_alerts(mongo: &Mongo, outbox: &Outbox, at: Moment) -> anyhow::Result<EvaluatedAlerts> {
    let (alerts, usage) = mongo.run(WORK_TIMEOUT, async |database| read(&database, at).await).await?;
    let mut firings = due(&alerts, &usage, at);
    let fired_before = mongo.run(WORK_TIMEOUT, async |database| fired(&database, &firings).await).await?;
    firings.retain(|firing| !fired_before.contains(&firing.id));
    mark_unwanted(mongo, &mut firings).await?;
    let fired = if firings.is_empty() { 0 } else { insert(mongo, &firings).await? };
    let told = notify(mongo, outbox).await?;
    Ok(EvaluatedAlerts { alerts: alerts.len(), fired, told })
}

/// The alerts that are on, and what their owners used since the first of the periods that are open.
async fn read(database: &Database, at: Moment) -> mongodb::error::Result<(Vec<Alert>, Vec<Row>)> {
    let active = collection(database).find(doc! {"active": true}).batch_size(BATCH).await?;
    let active: Vec<_> = active.with_type::<RawDocumentBuf>().try_collect().await?;
    let alerts: Vec<Alert> = mongo::readable("usage_alerts", &active);
    let users: BTreeSet<&str> = alerts.iter().map(|alert| alert.user_id.as_str()).collect();
    let first = alerts.iter().map(|alert| alert.period.oldest_open(at)).min();
    let since = first.and_then(|first| TimeZone::UTC.to_timestamp(first.at(0, 0, 0, 0)).ok().map(Moment::from));
    let Some(since) = since else { return Ok((alerts, Vec::new())) };
    let day = doc! {"$dateToString": {"format": "%Y-%m-%d", "date": "$occurredAt"}};
    let pipeline = [
        doc! {"$match": {
            "userId": {"$in": users.into_iter().collect::<Vec<_>>()},
            "occurredAt": {"$gte": since, "$lt": at},
        }},
        doc! {"$group": {
            "_id": {"userId": "$userId", "keyId": "$keyId", "provider": "$provider", "day": day},
            "requests": {"$sum": requests()},
            "failed": {"$sum": {"$cond": [{"$eq": ["$success", false]}, requests(), 0_i64]}},
            "tokens": {"$sum": {"$add": ["$promptTokens", "$completionTokens"]}},
            "costMicros": {"$sum": "$costMicros"},
            "costPicos": {"$sum": "$costPicos"},
        }},
    ];
    let rows = database.collection::<Document>(AiUsage::COLLECTION).aggregate(pipeline).batch_size(BATCH).await?;
    let rows = rows.with_type().try_collect().await?;
    Ok((alerts, rows))
}

/// Every level that is reached in a period that is open, fired before or not.
fn due(alerts: &[Alert], usage: &[Row], at: Moment) -> Vec<Firing> {
    let mut by_user = HashMap::<&str, Vec<&Row>>::new();
    for row in usage {
        by_user.entry(row.key.user_id.as_str()).or_default().push(row);
    }
    let mut firings = Vec::new();
    for alert in alerts {
        let oldest = alert.period.oldest_open(at).max(alert.period.start_of(alert.in_force_since()));
        let mut periods = BTreeMap::<Date, Sums>::new();
        for row in by_user.get(alert.user_id.as_str()).into_iter().flatten().filter(|row| alert.concerns(&row.key)) {
            *periods.entry(alert.period.start_of(row.key.day)).or_default() += row.sums;
        }
        for (start, sums) in periods.range(oldest..) {
            let levels = LEVELS.into_iter().filter(|level| alert.is_reached(*sums, *level));
            firings.extend(levels.map(|level| alert.firing(*start, *sums, level, at)));
        }
    }
    firings
}

/// Which firings of these periods are there already.
async fn fired(database: &Database, due: &[Firing]) -> mongodb::error::Result<HashSet<String>> {
    let starts: BTreeSet<&str> = due.iter().map(|firing| firing.period_start.as_str()).collect();
    if starts.is_empty() {
        return Ok(HashSet::new());
    }
    let firings = database.collection::<Id>("usage_alert_firings");
    let these = doc! {"periodStart": {"$in": starts.into_iter().collect::<Vec<_>>()}};
    let ids = firings.find(these).projection(doc! {"_id": 1}).batch_size(BATCH).await?;
    ids.map_ok(|firing| firing.id).try_collect().await
}

#[derive(Deserialize)]
struct Id {
    #[serde(rename = "_id")]
    id: String,
}

/// How many of them are new: another run may have been faster.
async fn insert(mongo: &Mongo, firings: &[Firing]) -> Result<usize, mongo::Error> {
    let work = async |database: Database| {
        database.collection::<Firing>("usage_alert_firings").insert_many(firings).ordered(false).await
    };
    match mongo.run(WORK_TIMEOUT, work).await {
        Ok(done) => Ok(done.inserted_ids.len()),
        Err(mongo::Error::Refused(error)) => match mongo::only_duplicates(&error) {
            Some(there) => Ok(firings.len() - there),
            None => Err(mongo::Error::Refused(error)),
        },
        Err(error) => Err(error),
    }
}

impl Alert {
    /// The day from which it is, or is as it is now.
    fn in_force_since(&self) -> Date {
        date(self.changed_at.unwrap_or(self.created_at))
    }

    fn concerns(&self, key: &RowKey) -> bool {
        let of_key = self.key_id.is_none() || self.key_id == key.key_id;
        // Alerts and records have the provider as somebody wrote it.
        let same = |wanted: &str| {
            key.provider.as_deref().is_some_and(|is| identifier::normal(is) == identifier::normal(wanted))
        };
        of_key && self.provider.as_deref().is_none_or(same)
    }

    /// Whether `level` percent of the threshold are used: compared exactly, since a share that is rounded first may
    /// miss a level.
    fn is_reached(&self, sums: Sums, level: u64) -> bool {
        let limit = u128::from(self.threshold.unsigned_abs().max(1)) * u128::from(level);
        match self.metric {
            Metric::ErrorRate => {
                let (failed, requests) = (u128::from(sums.failed), u128::from(sums.requests));
                requests > 0 && failed * 10_000 >= limit * requests
            }
            // To the pico-dollar: what is shown is rounded.
            Metric::Cost => sums.cost().picos() * 100 >= limit * Cost::from_stored(1, 0).picos(),
            metric => u128::from(metric.used(sums)) * 100 >= limit,
        }
    }

    fn firing(&self, start: Date, sums: Sums, level: u64, at: Moment) -> Firing {
        Firing {
            id: format!("{}/{start}/{}/{level}", self.id, self.threshold),
            alert_id: self.id.clone(),
            user_id: self.user_id.clone(),
            metric: self.metric,
            period: self.period,
            period_start: start.to_string(),
            key_id: self.key_id.clone(),
            provider: self.provider.clone(),
            level: i64::try_from(level).unwrap_or_default(),
            used: i64::try_from(self.metric.used(sums)).unwrap_or(i64::MAX),
            threshold: self.threshold,
            at,
            told: false,
        }
    }
}

impl Metric {
    /// As [`Firing::used`] has it.
    fn used(self, sums: Sums) -> u64 {
        match self {
            Self::Tokens => sums.tokens,
            Self::Cost => sums.cost().rounded_micros(),
            Self::Requests => sums.requests,
            Self::ErrorRate => (sums.failed * 10_000).checked_div(sums.requests).unwrap_or_default(),
        }
    }
}

impl Period {
    /// The first day of the period that a day belongs to.
    fn start_of(self, day: Date) -> Date {
        match self {
            Self::Daily => day,
            Self::Weekly => {
                (0..day.weekday().since(Weekday::Monday)).fold(day, |day, _| day.yesterday().unwrap_or(day))
            }
            Self::Monthly => day.first_of_month(),
        }
    }

    /// The first period that is open, or was at the last run.
    fn oldest_open(self, at: Moment) -> Date {
        self.start_of(date(at - SINCE_LAST_RUN))
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.tokens += other.tokens;
        self.cost_micros += other.cost_micros;
        self.cost_picos += other.cost_picos;
    }
}

impl Sums {
    fn cost(self) -> Cost {
        Cost::from_stored(self.cost_micros, self.cost_picos)
    }
}

/// The UTC day of an instant.
fn date(at: Moment) -> Date {
    TimeZone::UTC.to_datetime(*at).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    fn alert(metric: Metric, period: Period, threshold: i64) -> Alert {
        Alert {
            id: "a".into(),
            user_id: "u".into(),
            metric,
            period,
            threshold,
            key_id: None,
            provider: None,
            active: true,
            created_at: at("2026-01-01T00:00:00Z"),
            changed_at: None,
        }
    }

    fn row(day: &str, sums: Sums) -> Row {
        let key =
            RowKey { user_id: "u".into(), key_id: None, provider: Some("p".into()), day: day.parse().expect("a day") };
        Row { key, sums }
    }

    fn requests(day: &str, requests: u64) -> Row {
        row(day, Sums { requests, ..Sums::default() })
    }

    fn fired(alert: &Alert, usage: &[Row], now: &str) -> Vec<String> {
        due(std::slice::from_ref(alert), usage, at(now)).into_iter().map(|firing| firing.id).collect()
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let starts = |day: &str| {
            let day: Date = day.parse().expect("a day");
            [Period::Daily, Period::Weekly, Period::Monthly].map(|period| period.start_of(day).to_string())
        };
        assert_eq!(starts("2026-11-22"), ["2026-11-22", "2026-11-16", "2026-11-01"], "a Sunday");
        assert_eq!(starts("2026-11-23"), ["2026-11-23", "2026-11-23", "2026-11-01"], "a Monday");
        assert_eq!(starts("2028-03-01"), ["2028-03-01", "2028-02-28", "2028-03-01"], "after a leap day");
    }

    #[test]
    fn what_came_in_the_last_minutes_is_seen_after_the_period_is_over_and_what_is_dated_back_is_not() {
        let daily = alert(Metric::Requests, Period::Daily, 10);
        let weekly = alert(Metric::Requests, Period::Weekly, 20);
        let monthly = alert(Metric::Requests, Period::Monthly, 20);
        let usage = [requests("2026-10-31", 5), requests("2026-11-01", 5)];
        assert_eq!(fired(&daily, &usage, "2026-11-01T00:15:00Z"), ["a/2026-10-31/10/50", "a/2026-11-01/10/50"]);
        assert_eq!(fired(&daily, &usage, "2026-11-01T01:15:00Z"), ["a/2026-10-31/10/50", "a/2026-11-01/10/50"]);
        assert_eq!(fired(&daily, &usage, "2026-11-01T01:45:00Z"), ["a/2026-11-01/10/50"], "the 31st is over");
        assert_eq!(fired(&weekly, &usage, "2026-11-02T00:15:00Z"), ["a/2026-10-26/20/50"], "to Sunday the 1st");
        assert_eq!(fired(&weekly, &usage, "2026-11-02T01:45:00Z"), [""; 0]);
        let october = [requests("2026-10-01", 15), requests("2026-11-01", 1)];
        assert_eq!(fired(&monthly, &october, "2026-11-01T00:15:00Z"), ["a/2026-10-01/20/50"]);
        assert_eq!(fired(&monthly, &october, "2026-11-01T01:45:00Z"), [""; 0]);
        let dated_back: Vec<Row> = (14..22).map(|day| requests(&format!("2026-11-{day}"), 10)).collect();
        assert_eq!(fired(&daily, &dated_back, "2026-11-21T10:00:00Z").len(), LEVELS.len(), "of one day of eight");
    }

    #[test]
    fn a_new_rule_tells_nothing_of_periods_before_it() {
        let mut daily = alert(Metric::Requests, Period::Daily, 10);
        let usage = [requests("2026-11-18", 9), requests("2026-11-20", 9), requests("2026-11-21", 9)];
        daily.created_at = at("2026-11-20T18:00:00Z");
        let now = "2026-11-21T00:15:00Z";
        let levels = |day: &str| [50, 80, 90].map(|level| format!("a/{day}/10/{level}"));
        assert_eq!(fired(&daily, &usage, now), [levels("2026-11-20"), levels("2026-11-21")].concat());
        daily.changed_at = Some(at("2026-11-21T00:05:00Z"));
        assert_eq!(fired(&daily, &usage, now), levels("2026-11-21"));
    }

    #[test]
    fn a_raised_threshold_has_levels_of_its_own() {
        let of = |threshold, used| {
            let alert = alert(Metric::Requests, Period::Daily, threshold);
            fired(&alert, &[requests("2026-11-21", used)], "2026-11-21T10:00:00Z")
        };
        let old = of(10, 10);
        assert_eq!((old.len(), of(50, 10).len()), (4, 0));
        assert_eq!(of(50, 25), ["a/2026-11-21/50/50"]);
        assert!(of(50, 50).iter().all(|id| !old.contains(id)));
    }

    #[test]
    fn levels_of_an_error_rate_are_compared_before_they_are_rounded() {
        let rate = |failed, requests, threshold| {
            let usage = [row("2026-11-21", Sums { requests, failed, ..Sums::default() })];
            let levels = due(&[alert(Metric::ErrorRate, Period::Daily, threshold)], &usage, at("2026-11-21T10:00:00Z"));
            levels.into_iter().map(|firing| (firing.level, firing.used)).collect::<Vec<_>>()
        };
        assert_eq!(rate(9, 2000, 1), [], "0.45 %, where half of 1 % is 0.5 %");
        assert_eq!(rate(10, 2000, 1), [(50, 50)]);
        assert_eq!(rate(18, 2000, 1), [(50, 90), (80, 90), (90, 90)], "0.9 %");
        assert_eq!(rate(20, 2000, 1).len(), 4);
        assert_eq!(rate(1, 3, 67), [], "33.33 % of 67 %: not half");
        assert_eq!(rate(0, 0, 1), []);
        assert_eq!(rate(u64::MAX / 10_000, u64::MAX / 10_000, 100).len(), 4);
    }

    #[test]
    fn an_alert_of_a_key_and_a_provider_counts_theirs_alone() {
        let mut one = alert(Metric::Requests, Period::Daily, 10);
        let mut usage = [requests("2026-11-21", 10), requests("2026-11-21", 5), requests("2026-11-21", 5)];
        usage[1].key.key_id = Some("k".into());
        usage[2].key.provider = Some("q".into());
        let levels = |alert: &Alert, usage: &[Row]| fired(alert, usage, "2026-11-21T10:00:00Z").len();
        one.key_id = Some("k".into());
        assert_eq!(levels(&one, &usage), 1);
        one.provider = Some("q".into());
        assert_eq!(levels(&one, &usage), 0);
        one.key_id = None;
        assert_eq!(levels(&one, &usage), 1);
    }

    #[test]
    fn a_provider_is_watched_whatever_its_case_and_small_costs_add_up() {
        let mut one = alert(Metric::Requests, Period::Daily, 10);
        one.provider = Some("OpenAI ".into());
        let mut usage = [requests("2026-11-21", 10), requests("2026-11-21", 10)];
        (usage[0].key.provider, usage[1].key.provider) = (Some("openai".into()), Some("anthropic".into()));
        assert_eq!(fired(&one, &usage[..1], "2026-11-21T10:00:00Z").len(), 4);
        assert_eq!(fired(&one, &usage[1..], "2026-11-21T10:00:00Z").len(), 0);

        let cost = |cost_micros, cost_picos| {
            let usage = [row("2026-11-21", Sums { cost_micros, cost_picos, ..Sums::default() })];
            due(&[alert(Metric::Cost, Period::Daily, 10)], &usage, at("2026-11-21T10:00:00Z"))
                .into_iter()
                .map(|firing| (firing.level, firing.used))
                .collect::<Vec<_>>()
        };
        assert_eq!(cost(4, 999_999), [], "below half of ten micro-dollars, though shown as 5");
        assert_eq!(cost(4, 1_000_000), [(50, 5)]);
        assert_eq!(cost(8, 0), [(50, 8), (80, 8)], "a record from before has no pico-dollars");
        assert_eq!(cost(0, 10_000_000).len(), 4);
    }
}
