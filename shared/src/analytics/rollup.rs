//! Counts per prompt and day, computed anew from the events, never added to: running it twice, or
//! half, changes nothing in the end.

use std::ops::Range;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::Serialize;

use super::{AnalyticsEvent, track::OLDEST_DAYS};
use crate::{
    clock::{self, Moment},
    mongo::{Error, Mongo, WORK_TIMEOUT},
    queue::QueuedEvent,
    schema,
};

/// Events may arrive up to 7 days late, and one that came just before midnight is first seen by a run after it: so the
/// days that can still change are these and today. An event that comes later still, out of a dead-letter queue, is
/// counted when the job is run with `{"at": …}` of its day.
const OPEN_DAYS: i64 = OLDEST_DAYS + 1;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollUp {
    /// First day computed.
    pub from: String,
    /// First day not computed.
    pub until: String,
}

/// Recomputes `prompt_daily` for the days that can still change as of `at`, then `views` of every
/// prompt that has counts. Two aggregations, both finished inside the database.
pub async fn roll_up(mongo: &Mongo, at: Moment) -> Result<RollUp, Error> {
    let Range { start, end } = open_days(at, clock::now());
    if start < end {
        let counts = count_days(start, end);
        mongo.run(WORK_TIMEOUT, async |database| drain(&database, AnalyticsEvent::COLLECTION, counts).await).await?;
    }
    mongo.run(WORK_TIMEOUT, async |database| drain(&database, "prompt_daily", set_views()).await).await?;
    Ok(RollUp { from: clock::day(start), until: clock::day(end) })
}

/// The days that can still change as of `at`, without those of which events may be gone by `now`: counted again, they
/// would lose them.
fn open_days(at: Moment, now: Moment) -> Range<Moment> {
    let from = clock::start_of_day(at, OPEN_DAYS).max(schema::whole_since(schema::EVENT_DAYS, now));
    from..clock::start_of_day(at, -1)
}

async fn drain(database: &Database, collection: &str, pipeline: Vec<Document>) -> mongodb::error::Result<()> {
    // A pipeline that ends in $merge returns nothing; draining it waits for its end.
    database.collection::<Document>(collection).aggregate(pipeline).await?.try_collect::<Vec<_>>().await.map(drop)
}

fn count_days(from: Moment, until: Moment) -> Vec<Document> {
    vec![
        doc! {"$match": {"occurredAt": {"$gte": from, "$lt": until}}},
        doc! {"$group": {
            "_id": {
                "promptId": "$promptId",
                "day": {"$dateToString": {"date": "$occurredAt", "format": "%Y-%m-%d"}},
                "event": "$event",
            },
            "count": {"$sum": 1},
        }},
        doc! {"$group": {
            "_id": {"promptId": "$_id.promptId", "day": "$_id.day"},
            "counts": {"$push": {"k": "$_id.event", "v": "$count"}},
        }},
        doc! {"$project": {
            "_id": {"$concat": ["$_id.day", "/", "$_id.promptId"]},
            "promptId": "$_id.promptId",
            "day": "$_id.day",
            "counts": {"$arrayToObject": "$counts"},
        }},
        doc! {"$merge": {"into": "prompt_daily", "on": "_id", "whenMatched": "replace", "whenNotMatched": "insert"}},
    ]
}

/// Views are the sum over days, what the prompt was imported with included; never fewer than it has already.
fn set_views() -> Vec<Document> {
    let most = doc! {"$set": {"views": {"$max": ["$views", "$$new.views"]}}};
    vec![
        doc! {"$group": {"_id": "$promptId", "views": {"$sum": "$counts.view"}}},
        doc! {"$merge": {"into": "prompts", "on": "_id", "whenMatched": [most], "whenNotMatched": "discard"}},
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_whose_events_may_be_gone_are_not_counted_again() {
        let at = |text: &str| text.parse::<Moment>().expect("valid");
        let days = |of: &str| {
            let Range { start, end } = open_days(at(of), at("2026-11-22T12:00:00Z"));
            (clock::day(start), clock::day(end), start < end)
        };
        let expected = |from: &str, until: &str, any| (from.to_owned(), until.to_owned(), any);
        assert_eq!(days("2026-11-22T12:10:00Z"), expected("2026-11-14", "2026-11-23", true));
        assert_eq!(days("2026-08-30T12:10:00Z"), expected("2026-08-26", "2026-08-31", true), "events of 90 days");
        assert!(!days("2026-08-20T12:10:00Z").2);
    }
}
