//! Reading entries as they lie in the store, whatever became of them there.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::Database;

use super::{AuditEntry, WRITTEN_AT};
use crate::{
    clock::{self, Moment},
    mongo::{self, Mongo, WORK_TIMEOUT},
    queue::QueuedEvent,
};

/// Entries read in one operation.
const CHUNK: i64 = 2_000;

/// Hands every entry that `wanted` matches to `each`, in the order of their ids.
pub(super) async fn each_entry(
    mongo: &Mongo,
    wanted: Document,
    mut each: impl FnMut(&RawDocumentBuf),
) -> Result<(), mongo::Error> {
    let mut last = String::new();
    loop {
        let read = async |database: Database| {
            let entries = database.collection::<RawDocumentBuf>(AuditEntry::COLLECTION);
            let further = doc! {"$and": [{"_id": {"$gt": &last}}, wanted.clone()]};
            entries.find(further).sort(doc! {"_id": 1}).limit(CHUNK).await?.try_collect::<Vec<_>>().await
        };
        let entries = mongo.run(WORK_TIMEOUT, read).await?;
        for entry in &entries {
            each(entry);
        }
        match entries.last() {
            Some(entry) if entries.len() >= usize::try_from(CHUNK).unwrap_or_default() => last = id(entry),
            _ => return Ok(()),
        }
    }
}

pub(super) fn id(entry: &RawDocumentBuf) -> String {
    entry.get_str("_id").unwrap_or_default().to_owned()
}

/// The code that it carries; empty when it has lost it.
pub(super) fn code(entry: &RawDocumentBuf) -> String {
    entry.get_str("hash").unwrap_or_default().to_owned()
}

/// The UTC day that it was stored on; of entries from before that was noted, the day of what they tell of.
pub(super) fn day_written(entry: &RawDocumentBuf) -> Option<String> {
    moment(entry, WRITTEN_AT).or_else(|| moment(entry, "at")).map(clock::day)
}

pub(super) fn moment(entry: &RawDocumentBuf, field: &str) -> Option<Moment> {
    entry.get_datetime(field).ok().map(Moment::from)
}
