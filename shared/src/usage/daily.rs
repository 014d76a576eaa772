//! Days: usage per account and day, and a report of the day, computed by the database.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use serde::{Deserialize, Serialize};

use super::{
    record::LATE_DAYS,
    report::{Part, Report, Totals, keep, sums, sums_of_sums},
};
use crate::{
    clock,
    mongo::{Error, Mongo},
};

/// One pass over the open days' records: 80,000 of them took 1.5 s on two cores.
const PASS_LIMIT: std::time::Duration = std::time::Duration::from_mins(2);
/// Accounts that a report names.
pub(super) const TOP: i64 = 10;

/// What a run did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DailyRun {
    /// First day computed.
    pub from: String,
    /// Last day computed, the one that is reported.
    pub day: String,
    /// The report.
    pub report: Report,
}

/// Recomputes the days that can still change before the day of `at`, and the reports of those that have
/// records. Four operations, whatever the number of records and accounts; done twice, or half and again, it
/// ends in the same documents.
pub async fn daily_reports(mongo: &Mongo, at: Timestamp) -> Result<DailyRun, Error> {
    // A record may come up to LATE_DAYS after its day.
    let (from, until) = (clock::start_of_day(at, LATE_DAYS + 1), clock::start_of_day(at, 0));
    let (first, last) = (clock::day(from), clock::day(clock::start_of_day(at, 1)));
    let report = mongo
        .run(PASS_LIMIT, async |database: Database| {
            let records = database.collection::<Document>("ai_usage");
            records.aggregate(per_account(from, until)).await?;
            let mut reports = reports(&database, &first, &last).await?;
            let yesterday = reports.iter().position(|report| report.period == last);
            let yesterday = yesterday.map_or_else(|| empty(&last), |index| reports.swap_remove(index));
            keep(&database, &reports.iter().chain([&yesterday]).collect::<Vec<_>>()).await?;
            Ok(yesterday)
        })
        .await?;
    Ok(DailyRun { from: first, day: last, report })
}

/// Records → one document per account and day, with its models inside.
fn per_account(from: Timestamp, until: Timestamp) -> Vec<Document> {
    let day = doc! {"$dateToString": {"format": "%Y-%m-%d", "date": "$occurredAt"}};
    let mut by_model = doc! {"_id": {"day": day, "userId": "$userId", "provider": "$provider", "model": "$model"}};
    by_model.extend(sums());
    let model = doc! {
        "provider": "$_id.provider", "model": "$_id.model", "requests": "$requests", "failed": "$failed",
        "unpriced": "$unpriced", "promptTokens": "$promptTokens", "completionTokens": "$completionTokens",
        "costMicros": "$costMicros",
    };
    let mut by_account = doc! {
        "_id": {"day": "$_id.day", "userId": "$_id.userId"},
        "byModel": {"$push": model},
    };
    by_account.extend(sums_of_sums(""));
    vec![
        doc! {"$match": {"occurredAt": {"$gte": clock::to_bson(from), "$lt": clock::to_bson(until)}}},
        doc! {"$group": by_model},
        // So that the models of a document stand in one order, whatever the order of the records.
        doc! {"$sort": {"_id.provider": 1, "_id.model": 1}},
        doc! {"$group": by_account},
        doc! {"$set": {
            "day": "$_id.day", "userId": "$_id.userId", "_id": {"$concat": ["$_id.day", "/", "$_id.userId"]},
        }},
        doc! {"$merge": {"into": "usage_daily", "on": "_id", "whenMatched": "replace", "whenNotMatched": "insert"}},
    ]
}

/// The reports of the days from `first` to `last` that have usage.
async fn reports(database: &Database, first: &str, last: &str) -> mongodb::error::Result<Vec<Report>> {
    let days = doc! {"$match": {"day": {"$gte": first, "$lte": last}}};
    let mut by_day = doc! {
        "_id": "$day", "activeUsers": {"$sum": 1_i64},
        "users": {"$push": {
            "name": "$userId", "requests": "$requests", "failed": "$failed", "unpriced": "$unpriced",
            "promptTokens": "$promptTokens", "completionTokens": "$completionTokens", "costMicros": "$costMicros",
        }},
    };
    by_day.extend(sums_of_sums(""));
    let top = doc! {"$set": {"users": {"$slice": ["$users", TOP]}}};
    let totals = [days.clone(), doc! {"$sort": {"costMicros": -1, "userId": 1}}, doc! {"$group": by_day}, top];
    let mut by_model = doc! {"_id": {"day": "$day", "model": "$byModel.model"}};
    by_model.extend(sums_of_sums("byModel."));
    let models = [
        days,
        doc! {"$unwind": "$byModel"},
        doc! {"$group": by_model},
        doc! {"$set": {"day": "$_id.day", "name": "$_id.model"}},
        doc! {"$sort": {"costMicros": -1, "name": 1}},
    ];
    let daily = database.collection::<Document>("usage_daily");
    let totals: Vec<Day> = daily.aggregate(totals).await?.with_type().try_collect().await?;
    let models: Vec<ModelDay> = daily.aggregate(models).await?.with_type().try_collect().await?;
    Ok(totals.into_iter().map(|day| day.into_report(&models)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    #[serde(rename = "_id")]
    name: String,
    active_users: u64,
    users: Vec<Part>,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Deserialize)]
struct ModelDay {
    day: String,
    name: String,
    #[serde(flatten)]
    totals: Totals,
}

impl Day {
    fn into_report(self, models: &[ModelDay]) -> Report {
        let of_the_day = models.iter().filter(|model| model.day == self.name);
        let models = of_the_day.map(|model| Part { name: model.name.clone(), totals: model.totals }).collect();
        Report {
            active_users: self.active_users,
            totals: self.totals,
            models,
            top_users: self.users,
            days: vec![Part { name: self.name.clone(), totals: self.totals }],
            ..empty(&self.name)
        }
    }
}

/// A day without usage is a report too: that nothing happened is worth knowing.
fn empty(day: &str) -> Report {
    Report {
        kind: "daily".into(),
        period: day.into(),
        active_users: 0,
        totals: Totals::default(),
        days: Vec::new(),
        models: Vec::new(),
        top_users: Vec::new(),
        top_prompts: Vec::new(),
    }
}
