//! Counts per prompt and day, computed anew from the events, never added to: running it twice, or
//! half, changes nothing in the end.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use serde::Serialize;

use crate::{
    clock,
    mongo::{Error, Mongo, WORK_LIMIT},
};

/// Events may arrive up to 7 days late, so the days that can still change are these and today.
const OPEN_DAYS: i64 = 7;

/// What a run did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollUp {
    /// First day computed.
    pub from: String,
    /// First day not computed.
    pub until: String,
    /// Prompts whose views were set.
    pub prompts: u64,
}

/// Recomputes `prompt_daily` for the days that can still change as of `at`, then `views` of every
/// prompt that has counts. Two aggregations, both finished inside the database.
pub async fn roll_up(mongo: &Mongo, at: Timestamp) -> Result<RollUp, Error> {
    let (from, until) = (clock::start_of_day(at, OPEN_DAYS), clock::start_of_day(at, -1));
    mongo.run(WORK_LIMIT, async |database| drain(&database, "analytics_events", count_days(from, until)).await).await?;
    let prompts = mongo
        .run(WORK_LIMIT, async |database| {
            drain(&database, "prompt_daily", set_views()).await?;
            database.collection::<Document>("prompt_daily").distinct("promptId", doc! {}).await
        })
        .await?;
    Ok(RollUp { from: clock::day(from), until: clock::day(until), prompts: prompts.len() as u64 })
}

async fn drain(database: &Database, collection: &str, pipeline: Vec<Document>) -> mongodb::error::Result<()> {
    // A pipeline that ends in $merge returns nothing; draining it waits for its end.
    database.collection::<Document>(collection).aggregate(pipeline).await?.try_collect::<Vec<_>>().await.map(drop)
}

fn count_days(from: Timestamp, until: Timestamp) -> Vec<Document> {
    vec![
        doc! {"$match": {"occurredAt": {"$gte": clock::to_bson(from), "$lt": clock::to_bson(until)}}},
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

/// Views are the sum over days, what the prompt was imported with included.
fn set_views() -> Vec<Document> {
    vec![
        doc! {"$group": {"_id": "$promptId", "views": {"$sum": "$counts.view"}}},
        doc! {"$merge": {"into": "prompts", "on": "_id", "whenMatched": "merge", "whenNotMatched": "discard"}},
    ]
}
