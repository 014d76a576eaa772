//! What is left over: runs that nobody completed, and records of use that did not reach the queue.

use bson::{RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use mongodb::Database;
use serde::Serialize;

use super::{
    complete::{no_longer_due, usage},
    run::{StoredRun, collection, pending},
};
use crate::{
    clock::Moment,
    mongo::{self, Mongo, WORK_TIMEOUT},
    queue::{Queue, Queued},
};

/// How long a run may be pending: longer than any model takes to answer.
pub const PENDING_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Records made up for in a round.
const ROUND: i64 = 500;

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Runs ended because nobody completed them.
    pub runs_ended: u64,
    /// Records of use sent that were due.
    pub usage_sent: usize,
}

/// Ends what has been pending too long as of `at`, and sends the records that are due. Twice is once.
pub async fn sweep(mongo: &Mongo, queue: &Queue, at: Moment) -> anyhow::Result<Swept> {
    let old = pending(doc! {"createdAt": {"$lte": at - PENDING_FOR}});
    let end = doc! {"$set": {
        "status": "error", "error": "not completed within 15 minutes", "completedAt": at,
    }};
    let ended = mongo.run(WORK_TIMEOUT, async |database| collection(&database).update_many(old, end).await).await?;
    let mut swept = Swept { runs_ended: ended.modified_count, usage_sent: 0 };
    loop {
        let due = async |database: Database| {
            let all = collection(&database);
            let due = all.find(doc! {"usageDue": true}).limit(ROUND).projection(doc! {"output": 0}).await?;
            due.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
        };
        let due = mongo.run(WORK_TIMEOUT, due).await?;
        let runs: Vec<StoredRun> = mongo::readable("workbench_runs", &due);
        // Odd ones stay due, and would be read for ever.
        if runs.is_empty() {
            return Ok(swept);
        }
        let events: Vec<_> = runs.iter().filter_map(usage).map(Queued).collect();
        queue.send(&events).await?;
        swept.usage_sent += events.len();
        no_longer_due(mongo, runs.into_iter().map(|run| run.id).collect()).await?;
    }
}
