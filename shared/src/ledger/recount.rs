//! Accounts' totals, counted anew from what is stored: what expired or was removed is given back.

use std::{collections::HashMap, time::Duration};

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};

use super::{collection, payer::total, signed};
use crate::{
    clock::{self, Moment},
    mongo::{self, Mongo, WORK_TIMEOUT},
    schema,
};

/// The collections that accounts fill, each with the field that says whose a document is. What an account has one of
/// (its own document, its preferences) or a bounded number of by another rule (its sessions, codes and links) is not
/// counted.
pub(super) const OWNED: [(&str, &str); 12] = [
    ("prompts", "authorId"),
    ("prompt_revisions", "changedBy"),
    ("prompt_audits", "auditedBy"),
    ("prompt_collections", "userId"),
    ("workbench_runs", "userId"),
    ("bug_reports", "userId"),
    ("ai_usage", "userId"),
    ("api_key_usage", "userId"),
    ("api_keys", "userId"),
    ("provider_keys", "userId"),
    ("usage_alerts", "userId"),
    ("audit_logs", "actorId"),
];

/// One pass over a collection of hundreds of megabytes.
const PASS_TIMEOUT: Duration = Duration::from_mins(2);
/// Statements in one `update` command.
const CHUNK: usize = 500;
/// The document that says of which day the totals are.
const MARK: &str = "recounted";

/// What a recount did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recounted {
    /// Accounts that have something stored.
    pub accounts: usize,
    /// What they have, in bytes.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Sum {
    #[serde(rename = "_id")]
    account: String,
    bytes: i64,
}

/// Counts every account's total anew, unless that was done on the UTC day of `at`: `None` then. What is taken while it
/// runs may be missing from a total until the next day.
pub async fn recount(mongo: &Mongo, at: Moment) -> Result<Option<Recounted>, mongo::Error> {
    let today = clock::day(at);
    let done = doc! {"_id": MARK, "day": &today};
    let find = async |database: Database| collection(&database).find_one(done).await;
    if mongo.run(WORK_TIMEOUT, find).await?.is_some() {
        return Ok(None);
    }
    let totals = totals(mongo).await?;
    let accounts: Vec<_> = totals.iter().collect();
    for chunk in accounts.chunks(CHUNK) {
        let statement = |(account, bytes): &(&String, &u64)| {
            let set = doc! {"$set": {"bytes": signed(**bytes), "day": &today}};
            doc! {"q": {"_id": total(account)}, "u": set, "upsert": true}
        };
        let update = doc! {"update": "ledger", "updates": chunk.iter().map(statement).collect::<Vec<_>>()};
        mongo.run(WORK_TIMEOUT, async |database| database.run_command(update).await).await?;
    }
    // Those that were not named have nothing left. (`0` is the character after `/`.)
    let empty = doc! {"_id": {"$gte": "total/", "$lt": "total0"}, "day": {"$ne": &today}};
    let mark = doc! {"$set": {"day": &today}};
    let finish = async |database: Database| {
        let ledger = collection(&database);
        ledger.delete_many(empty).await?;
        ledger.update_one(doc! {"_id": MARK}, mark).upsert(true).await
    };
    mongo.run(WORK_TIMEOUT, finish).await?;
    Ok(Some(Recounted { accounts: totals.len(), bytes: totals.values().sum() }))
}

/// What each account has stored, from one pass over each collection.
async fn totals(mongo: &Mongo) -> Result<HashMap<String, u64>, mongo::Error> {
    let mut totals = HashMap::<_, u64>::new();
    for (name, owner) in OWNED {
        let sum = doc! {"_id": format!("${owner}"), "bytes": {"$sum": schema::weight_expression(name)}};
        // Of what was imported, or is nobody's, no account is named.
        let pipeline = [doc! {"$match": {owner: {"$type": "string"}}}, doc! {"$group": sum}];
        let add_up = async |database: Database| {
            let sums = database.collection::<Document>(name).aggregate(pipeline).await?;
            sums.with_type::<Sum>().try_collect::<Vec<_>>().await
        };
        for Sum { account, bytes } in mongo.run(PASS_TIMEOUT, add_up).await? {
            *totals.entry(account).or_default() += bytes.unsigned_abs();
        }
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_accounts_fill_is_declared() {
        for (name, _) in OWNED {
            assert!(schema::COLLECTIONS.iter().any(|collection| collection.name == name), "{name}");
        }
    }
}
