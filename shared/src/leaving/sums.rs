//! What a deleted account used stays in the sums, without its name.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;

use crate::{
    clock::Moment,
    mongo::{self, Mongo, WORK_TIMEOUT},
    usage::reports::first_open_day,
};

/// Documents moved at a time.
const ROUND: i64 = 500;
/// Fields of a record that sums do not need.
const DROPPED: [&str; 6] = ["keyId", "providerKeyId", "sessionId", "endpoint", "error", "reportedModel"];

/// Gives the account's sums to `pseudonym`, and the records of days that are added up once more; removes all others.
pub(super) async fn keep_sums(
    mongo: &Mongo,
    account_id: &str,
    pseudonym: &str,
    at: Moment,
) -> Result<(), mongo::Error> {
    let theirs = doc! {"userId": account_id};
    move_all(mongo, "usage_daily", &theirs, |day| renamed_day(day, pseudonym)).await?;
    let open = doc! {"userId": account_id, "occurredAt": {"$gte": first_open_day(at)}};
    move_all(mongo, "ai_usage", &open, |record| renamed_record(record, account_id, pseudonym)).await?;
    let delete = async |database: Database| database.collection::<Document>("ai_usage").delete_many(theirs).await;
    mongo.run(WORK_TIMEOUT, delete).await.map(drop)
}

/// Puts `renamed` in the place of each document that matches. An id holds the account's, and cannot be changed: so each is
/// made anew. What is there already, of a run that stopped half way, stays.
async fn move_all(
    mongo: &Mongo,
    collection: &str,
    matching: &Document,
    renamed: impl Fn(Document) -> Document,
) -> Result<(), mongo::Error> {
    loop {
        let find = async |database: Database| {
            let round = database.collection::<Document>(collection).find(matching.clone()).limit(ROUND).await?;
            round.try_collect::<Vec<_>>().await
        };
        let found = mongo.run(WORK_TIMEOUT, find).await?;
        if found.is_empty() {
            return Ok(());
        }
        let before: Vec<_> = found.iter().filter_map(|document| document.get("_id").cloned()).collect();
        let after: Vec<_> = found.into_iter().map(&renamed).collect();
        let replace = async |database: Database| {
            let documents = database.collection::<Document>(collection);
            match documents.insert_many(after).ordered(false).await {
                Err(error) if mongo::only_duplicates(&error).is_none() => Err(error),
                _ => documents.delete_many(doc! {"_id": {"$in": before}}).await,
            }
        };
        mongo.run(WORK_TIMEOUT, replace).await?;
    }
}

/// As `daily_reports` would make it of the renamed records.
fn renamed_day(mut day: Document, pseudonym: &str) -> Document {
    let name = day.get_str("day").map_or_else(|_| pseudonym.to_owned(), |day| format!("{day}/{pseudonym}"));
    day.extend(doc! {"_id": name, "userId": pseudonym});
    day
}

fn renamed_record(mut record: Document, account_id: &str, pseudonym: &str) -> Document {
    let id = record.get("_id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)).unwrap_or_default();
    let rest = id.strip_prefix(account_id).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&id);
    record.extend(doc! {"_id": format!("{pseudonym}/{rest}"), "userId": pseudonym});
    for field in DROPPED {
        record.remove(field);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_of_use_names_nobody() {
        let record = doc! {"_id": "1/run/1", "userId": "1", "model": "m", "sessionId": "s", "costMicros": 3};
        let expected = doc! {"_id": "deleted-x/run/1", "userId": "deleted-x", "model": "m", "costMicros": 3};
        assert_eq!(renamed_record(record, "1", "deleted-x"), expected);
        let imported = renamed_record(doc! {"_id": "11", "userId": "1"}, "1", "deleted-x");
        assert_eq!(imported, doc! {"_id": "deleted-x/11", "userId": "deleted-x"});
        let day = renamed_day(doc! {"_id": "2026-11-29/1", "day": "2026-11-29", "userId": "1"}, "deleted-x");
        assert_eq!(day, doc! {"_id": "2026-11-29/deleted-x", "day": "2026-11-29", "userId": "deleted-x"});
    }
}
