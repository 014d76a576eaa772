//! Refusals and failures of nobody who is known: a number a day for each kind, and no document for each.

use bson::{Document, doc};
use jiff::SignedDuration;
use mongodb::Database;

use crate::{
    clock::{self, Moment},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// As long as entries of the audit log about sign-ins.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Adds one to the day's number of `name`: `refusals`, `{_id: "2026-11-28/auth.refresh.refused", count, expiresAt}`.
/// `name` is one of ours, so that there are few.
pub async fn count_refusal(mongo: &Mongo, name: &str, now: Moment) -> Result<(), mongo::Error> {
    let id = doc! {"_id": format!("{}/{name}", clock::day(now))};
    let add = doc! {"$inc": {"count": 1_i64}, "$setOnInsert": {"expiresAt": now + KEPT_FOR}};
    let count =
        async |database: Database| database.collection::<Document>("refusals").update_one(id, add).upsert(true).await;
    mongo.run(REQUEST_TIMEOUT, count).await.map(drop)
}
