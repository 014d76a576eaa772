//! What was written here, of which version of which old document: kept here, in a collection of the tool's own, so that a
//! later run finds what changed on either side.
//!
//! One document for each batch: an intent before the batch is written, and its end after. A run that was killed leaves
//! an intent behind, and the next one looks what of it is there.

use std::collections::HashMap;

use anyhow::Context;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use shared::{
    id, keys,
    mongo::{self, Mongo, WORK_TIMEOUT},
};

use super::{old::number, pace::Pace};

const COLLECTION: &str = "adoption";

/// What is known of each old document: by its collection and its id.
#[derive(Default)]
pub(crate) struct Ledger(HashMap<(String, String), Entry>);

/// One old document, and what was written of it.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) collection: String,
    pub(super) id: String,
    /// Of the old document: [`super::source::OldDocument::version`].
    pub(super) version: String,
    pub(super) wrote: Vec<Wrote>,
    /// False while it is only meant to be written.
    #[serde(default)]
    pub(super) done: bool,
    /// Of one that is only meant to be written: what was written before.
    #[serde(skip)]
    pub(super) earlier: Vec<Wrote>,
}

impl Entry {
    /// Whether a document here is to the last field what is to be written.
    pub(super) fn wrote_whole(&self, collection: &str, id: &str, whole: &str) -> bool {
        self.wrote.iter().any(|wrote| wrote.collection == collection && wrote.id == id && wrote.whole == whole)
    }

    /// Whether this version of a document here is of the tool's own hand.
    pub(super) fn knows(&self, collection: &str, id: &str, version: &str) -> bool {
        let is_it = |wrote: &Wrote| wrote.collection == collection && wrote.id == id && wrote.version == version;
        self.wrote.iter().chain(&self.earlier).any(is_it)
    }

    /// Whether the document was written, as far as is known.
    pub(super) fn has_written(&self, collection: &str, id: &str) -> bool {
        let written = if self.done { &self.wrote } else { &self.earlier };
        written.iter().any(|wrote| wrote.collection == collection && wrote.id == id)
    }
}

/// A document that was written here.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Wrote {
    pub(super) collection: String,
    pub(super) id: String,
    /// [`version`] of it.
    pub(super) version: String,
    /// [`whole_version`] of it, as it came from there.
    pub(super) whole: String,
}

#[derive(Deserialize, Serialize)]
struct Batch {
    #[serde(rename = "_id")]
    id: String,
    done: bool,
    entries: Vec<Entry>,
}

/// Fields that the functions and `cargo db reseal` keep by themselves: of these, a change is nobody's edit.
fn kept_by_functions(collection: &str) -> &'static [&'static str] {
    match collection {
        "users" => &[
            "lastLoginAt",
            "passwordHash",
            "passwordResetAt",
            "emailVerifiedAt",
            "sessionVersion",
            "cookiesCountFrom",
            "endedSessions",
            "bugReports",
            "promptChanges",
            "ownedChanges",
            "workbenchStarts",
        ],
        "prompts" => &["views", "lastViewedAt"],
        "provider_keys" => &["cipher", "usageCount", "monthlyUsageCount", "usageMonth", "lastUsedAt"],
        "affiliate_links" => &["clickCount", "conversionCount", "lastClickAt"],
        _ => &[],
    }
}

/// Which version of a document this is: by its fields, whatever their order, without those that the functions keep.
pub(super) fn version(collection: &str, document: &Document) -> String {
    let kept = kept_by_functions(collection);
    let edited = document.iter().filter(|(name, _)| !kept.contains(&name.as_str()));
    whole_version(&edited.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Which version of a document this is, by all of its fields.
pub(crate) fn whole_version(document: &Document) -> String {
    let mut fields: Vec<_> = document.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let sorted: Document = fields.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    keys::hex(&keys::sha256_bytes(&bson::serialize_to_vec(&sorted).unwrap_or_default()).as_ref()[..16])
}

/// What replaces a document here: the new one, with what the functions have kept in it. A count is the greater of the
/// two, and an instant the later. A key is sealed anew with each run, so the new one is right.
pub(super) fn merged(collection: &str, here: &Document, mut new: Document) -> Document {
    for field in kept_by_functions(collection).iter().copied().filter(|field| *field != "cipher") {
        let Some(kept) = here.get(field).filter(|kept| **kept != Bson::Null) else { continue };
        let is_newer = match (new.get(field), kept) {
            // While it is as it came, the one there may be another by now.
            (Some(_), Bson::String(hash)) if field == "passwordHash" => hash.starts_with("$2"),
            (Some(Bson::DateTime(there)), Bson::DateTime(here)) if field != "emailVerifiedAt" => there > here,
            (Some(Bson::String(there)), Bson::String(here)) => there > here,
            (Some(there), here) => match (number(there), number(here)) {
                (Some(there), Some(here)) => there > here,
                _ => false,
            },
            (None, _) => false,
        };
        if !is_newer {
            new.insert(field, kept.clone());
        }
    }
    new
}

/// Whether anything was ever taken over into this database.
pub(crate) async fn has_adopted(mongo: &Mongo) -> anyhow::Result<bool> {
    let find = async |database: Database| database.collection::<Batch>(COLLECTION).find_one(doc! {}).await;
    Ok(mongo.run(WORK_TIMEOUT, find).await.context("what was adopted so far cannot be read")?.is_some())
}

impl Ledger {
    /// All that is known. Nothing is, before the first run.
    pub(crate) async fn read(mongo: &Mongo) -> anyhow::Result<Self> {
        let find = async |database: Database| {
            database
                .collection::<Batch>(COLLECTION)
                .find(doc! {})
                .sort(doc! {"_id": 1})
                .await?
                .try_collect::<Vec<_>>()
                .await
        };
        let batches = mongo.run(WORK_TIMEOUT, find).await.context("what was adopted so far cannot be read")?;
        let mut known = Self::default();
        for batch in batches {
            for entry in batch.entries {
                known.note(Entry { done: batch.done, ..entry });
            }
        }
        Ok(known)
    }

    fn note(&mut self, mut entry: Entry) {
        let key = (entry.collection.clone(), entry.id.clone());
        if let Some(before) = self.0.remove(&key).filter(|_| !entry.done) {
            entry.earlier = if before.done { before.wrote } else { [before.wrote, before.earlier].concat() };
        }
        self.0.insert(key, entry);
    }

    pub(super) fn of(&self, collection: &str, id: &str) -> Option<&Entry> {
        self.0.get(&(collection.to_owned(), id.to_owned()))
    }

    /// What is known of an old collection.
    pub(super) fn of_collection(&self, collection: &str) -> impl Iterator<Item = &Entry> {
        self.0.values().filter(move |entry| entry.collection == collection)
    }

    /// Ids of the documents that were written to a collection here.
    pub(super) fn ids_written(&self, collection: &str) -> impl Iterator<Item = &str> {
        let wrote = self.0.values().filter(|entry| entry.done).flat_map(|entry| &entry.wrote);
        wrote.filter(move |wrote| wrote.collection == collection).map(|wrote| wrote.id.as_str())
    }

    /// Every document that was written here, by its collection and id, with its [`whole_version`].
    pub(crate) fn written(&self) -> HashMap<(&str, &str), &str> {
        let wrote = self.0.values().filter(|entry| entry.done).flat_map(|entry| &entry.wrote);
        wrote.map(|wrote| ((wrote.collection.as_str(), wrote.id.as_str()), wrote.whole.as_str())).collect()
    }

    /// Says what is about to be written; returns the intent's id.
    pub(super) async fn intend(
        &self,
        mongo: &Mongo,
        entries: &[Entry],
        pace: &mut Pace,
    ) -> Result<String, mongo::Error> {
        pace.wait(1).await;
        let batch = Batch { id: id::new(), done: false, entries: entries.to_vec() };
        let insert = async |database: Database| database.collection::<Batch>(COLLECTION).insert_one(&batch).await;
        mongo.run(WORK_TIMEOUT, insert).await?;
        Ok(batch.id)
    }

    /// Says what of an intent was written.
    pub(super) async fn finish(
        &mut self,
        mongo: &Mongo,
        intent: String,
        entries: Vec<Entry>,
        pace: &mut Pace,
    ) -> Result<(), mongo::Error> {
        pace.wait(1).await;
        let batch = Batch { id: intent, done: true, entries };
        let replace = async |database: Database| {
            database.collection::<Batch>(COLLECTION).replace_one(doc! {"_id": &batch.id}, &batch).await
        };
        mongo.run(WORK_TIMEOUT, replace).await?;
        for entry in batch.entries {
            self.note(Entry { done: true, ..entry });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_functions_keep_is_no_edit_and_stays_when_an_edit_comes() {
        let at = bson::DateTime::from_millis;
        let came =
            doc! {"_id": "u", "name": "Ada", "passwordHash": "$2b$10$a", "sessionVersion": 0_i64, "lastLoginAt": at(1)};
        let mut here = came.clone();
        here.extend(doc! {"passwordHash": "$argon2id$b", "sessionVersion": 2_i64, "lastLoginAt": at(5), "emailVerifiedAt": at(4)});
        assert_eq!(version("users", &came), version("users", &here));
        assert_ne!(whole_version(&came), whole_version(&here), "an export brings it");
        let mut edited = came.clone();
        edited.insert("name", "Ada L.");
        edited.insert("passwordHash", "$2b$10$c");
        assert_ne!(version("users", &came), version("users", &edited));
        let mut wanted = here.clone();
        wanted.insert("name", "Ada L.");
        assert_eq!(whole_version(&merged("users", &here, edited.clone())), whole_version(&wanted));
        let merged_hash = merged("users", &came, edited);
        assert_eq!(merged_hash.get_str("passwordHash").ok(), Some("$2b$10$c"), "nobody has signed in here yet");

        let prompt = |title: &str, views: i64| doc! {"_id": "p", "title": title, "views": views};
        assert_eq!(version("prompts", &prompt("a", 3)), version("prompts", &prompt("a", 7)));
        assert_eq!(merged("prompts", &prompt("a", 7), prompt("b", 4)), prompt("b", 7));
        assert_eq!(merged("prompts", &prompt("a", 7), prompt("b", 9)), prompt("b", 9));
        assert_ne!(version("patterns", &prompt("a", 3)), version("patterns", &prompt("a", 7)), "nothing keeps those");
    }
}
