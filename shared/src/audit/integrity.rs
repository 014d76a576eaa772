//! The HMAC over an entry's content, and the check of a whole audit log.

use bson::{RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use serde_json::Value;

use super::AuditEntry;
use crate::{
    keys::{Mac, Seed},
    mongo::{self, Mongo, WORK_TIMEOUT},
    queue::QueuedEvent,
};

/// Entries read in one operation.
const CHUNK: i64 = 2_000;

/// What a check of the audit log found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VerifiedEntries {
    /// Entries that are as they were written.
    pub intact: u64,
    /// Ids of those that are not.
    pub changed: Vec<String>,
}

pub(super) fn mac(seed: &Seed) -> Mac {
    seed.mac("audit/content")
}

/// HMAC over the entry as JSON, its HMAC left out. The fields' order is the type's; the instants have as few digits as
/// it takes, as in the first entries that were ever written.
pub(super) fn hash(mac: &Mac, entry: &AuditEntry) -> String {
    let mut bare = serde_json::to_value(AuditEntry { hash: String::new(), ..entry.clone() }).unwrap_or_default();
    for (field, at) in [("at", entry.at), ("expiresAt", entry.expires_at)] {
        bare[field] = Timestamp::to_string(&at).into();
    }
    mac.sign(&bare.to_string())
}

/// An entry of another application's log, with the code that this log's entries have.
pub fn sealed(entry: AuditEntry, seed: &Seed) -> AuditEntry {
    AuditEntry { hash: hash(&mac(seed), &entry), ..entry }
}

/// Reads every entry and compares its HMAC with its content, with `AUDIT_SEED` for `seed`.
pub async fn verify(mongo: &Mongo, seed: &Seed) -> Result<VerifiedEntries, mongo::Error> {
    let mac = mac(seed);
    let (mut checked, mut last) = (VerifiedEntries::default(), String::new());
    loop {
        let read = async |database: Database| {
            let entries = database.collection::<RawDocumentBuf>(AuditEntry::COLLECTION);
            let after = doc! {"_id": {"$gt": &last}};
            entries.find(after).sort(doc! {"_id": 1}).limit(CHUNK).await?.try_collect::<Vec<_>>().await
        };
        let entries = mongo.run(WORK_TIMEOUT, read).await?;
        for entry in &entries {
            let id = entry.get_str("_id").unwrap_or_default().to_owned();
            match self::entry(entry) {
                Some(entry) if hash(&mac, &entry) == entry.hash => checked.intact += 1,
                _ => checked.changed.push(id.clone()),
            }
            last = id;
        }
        if entries.len() < usize::try_from(CHUNK).unwrap_or_default() {
            return Ok(checked);
        }
    }
}

/// An entry as it was written; `None` when it has lost that shape.
pub(super) fn entry(document: &RawDocumentBuf) -> Option<AuditEntry> {
    serde_json::from_value(Value::Object(mongo::to_json(document).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::Document;
    use serde_json::json;

    #[test]
    fn an_entry_read_back_has_its_hmac_and_a_changed_one_has_not() {
        let mac = mac(&Seed::from("a seed of thirty-two characters!"));
        let mut written: AuditEntry = serde_json::from_value(json!({
            "id": "1", "action": "a", "category": "auth", "severity": "info", "outcome": "success", "actorId": "u",
            "details": {"b": 1, "a": [true, null, 1.5], "text": "ü"}, "at": "2026-01-01T00:00:00.120Z",
            "expiresAt": "2027-01-01T00:00:00Z", "hash": "",
        }))
        .expect("an entry");
        written.hash = hash(&mac, &written);
        assert_eq!(written.hash, "G073OyMWlkUApkRLDWkGg_oEuQlMj-hy7yHbJH-8C7g", "entries of years ago have theirs");
        let mut document = mongo::to_document(&written).expect("a document");
        let raw = |document: &Document| RawDocumentBuf::try_from(document).expect("raw");
        let read = entry(&raw(&document)).expect("an entry");
        assert_eq!(hash(&mac, &read), written.hash);
        document.insert("outcome", "failure");
        let read = entry(&raw(&document)).expect("an entry");
        assert_ne!(hash(&mac, &read), written.hash);
    }
}
