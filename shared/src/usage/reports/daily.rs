//! Days: usage per account and day, and a report of the day, computed by the database.

use std::{ops::Range, time::Duration};

use bson::{Document, doc};
use mongodb::Database;
use serde::Serialize;

use super::{
    super::intake::LATE_DAYS, UsageGroup, UsageReport, add_up, carry, fields_of_sums, keep, sums, sums_of_sums,
};
use crate::{
    clock::{self, Moment},
    mongo::{Error, Mongo},
    queue::QueuedEvent,
    schema,
    usage::AiUsage,
};

/// One pass over the open days' records: 80,000 of them took 1.5 s on two cores.
pub(super) const PASS_TIMEOUT: Duration = Duration::from_mins(2);
/// Models that the document of an account's day names, the dearest ones. A client may make up a name for each request,
/// and a document has an end.
const MODELS_A_DAY: i64 = 50;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DailyRun {
    /// First day computed.
    pub from: String,
    /// Last day computed, the one that is reported.
    pub day: String,
    pub report: UsageReport,
}

/// Recomputes the days that can still change before the day of `at`, and the reports of those that have records. Four
/// operations, whatever the number of records and accounts; done twice, or half and again, it ends in the same documents.
pub async fn daily_reports(mongo: &Mongo, at: Moment) -> Result<DailyRun, Error> {
    let open = open_days(at, clock::now());
    let (from, day) = (clock::day(open.start), clock::day(clock::start_of_day(at, 1)));
    let report = mongo
        .run(PASS_TIMEOUT, async |database: Database| {
            recompute(&database, open).await?;
            let mut reports = reports_of_days(&database, at).await?;
            let report = reports.iter().find(|report| report.period == day).cloned();
            let report = report.unwrap_or_else(|| UsageReport::empty("daily", &day));
            if report.days.is_empty() {
                reports.push(report.clone());
            }
            keep(&database, &reports).await?;
            Ok(report)
        })
        .await?;
    Ok(DailyRun { from, day, report })
}

/// The days before the day of `at` that records may still come to. Those of which records may be gone by `now` are
/// left as they are: from what is left, they would be less than they were. A record that comes later still, out of a
/// dead-letter queue, is counted when the job is run with `{"at": …}` of the day after its own.
pub(super) fn open_days(at: Moment, now: Moment) -> Range<Moment> {
    let from = first_open_day(at).max(schema::whole_since(schema::USAGE_DAYS, now));
    from..clock::start_of_day(at, 0)
}

/// The first day before that of `at` that records may still come to, and that is added up again.
pub fn first_open_day(at: Moment) -> Moment {
    clock::start_of_day(at, LATE_DAYS + 1)
}

/// Records → one document per account and day, with its models inside.
pub(super) async fn recompute(database: &Database, days: Range<Moment>) -> mongodb::error::Result<()> {
    if days.is_empty() {
        return Ok(());
    }
    let day = doc! {"$dateToString": {"format": "%Y-%m-%d", "date": "$occurredAt"}};
    let (provider, model) = (doc! {"$toLower": "$provider"}, doc! {"$toLower": "$model"});
    let mut by_model = doc! {"_id": {"day": day, "userId": "$userId", "provider": provider, "model": model}};
    by_model.extend(sums());
    let mut model = doc! {"provider": "$_id.provider", "model": "$_id.model"};
    model.extend(fields_of_sums());
    let order = doc! {"costMicros": -1, "costPicos": -1, "requests": -1, "_id.provider": 1, "_id.model": 1};
    let mut by_account = doc! {
        "_id": {"day": "$_id.day", "userId": "$_id.userId"},
        "byModel": {"$topN": {"n": MODELS_A_DAY, "sortBy": order, "output": model}},
    };
    by_account.extend(sums_of_sums(""));
    let range = doc! {"$gte": days.start, "$lt": days.end};
    let pipeline = [
        doc! {"$match": {"occurredAt": range}},
        doc! {"$group": by_model},
        carry(),
        doc! {"$group": by_account},
        carry(),
        doc! {"$set": {
            "day": "$_id.day", "userId": "$_id.userId", "_id": {"$concat": ["$_id.day", "/", "$_id.userId"]},
        }},
        doc! {"$merge": {"into": "usage_daily", "on": "_id", "whenMatched": "replace", "whenNotMatched": "insert"}},
    ];
    database.collection::<Document>(AiUsage::COLLECTION).aggregate(pipeline).await.map(drop)
}

/// The reports of the days that can still change before the day of `at`, as far as they have usage.
async fn reports_of_days(database: &Database, at: Moment) -> mongodb::error::Result<Vec<UsageReport>> {
    let (first, last) = (first_open_day(at), clock::start_of_day(at, 1));
    let days = doc! {"day": {"$gte": clock::day(first), "$lte": clock::day(last)}};
    let mut reports = add_up(database, "daily", &days, &"$day".into()).await?;
    for report in &mut reports {
        report.days = vec![UsageGroup { name: report.period.clone(), totals: report.totals }];
    }
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_whose_records_may_be_gone_keep_their_figures() {
        let at = |text: &str| text.parse::<Moment>().expect("valid");
        let days = |of: &str| {
            let open = open_days(at(of), at("2026-11-22T12:00:00Z"));
            (clock::day(open.start), clock::day(open.end), open.is_empty())
        };
        let expected = |from: &str, until: &str, none| (from.to_owned(), until.to_owned(), none);
        assert_eq!(days("2026-11-22T01:00:00Z"), expected("2026-11-14", "2026-11-22", false));
        assert_eq!(days("2025-10-26T01:00:00Z"), expected("2025-10-20", "2025-10-26", false), "records of 400 days");
        assert!(days("2025-10-20T01:00:00Z").2 && days("2025-01-01T01:00:00Z").2);
    }
}
