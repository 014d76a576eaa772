//! A day's entries, listed the day after: what proves later that none is gone, changed or put in.

use std::collections::BTreeMap;

use bson::doc;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::{
    DigestStore, WRITTEN_AT,
    scan::{code, day_written, each_entry, id, moment},
};
use crate::{
    clock::{self, Moment},
    keys::{self, Mac, Seed},
    mongo::Mongo,
};

/// Days that the job makes up for, should it not have run.
const LOOK_BACK_DAYS: i64 = 7;
/// An entry is stored this many days after its id was made at the latest: the queue keeps it for 4, its dead-letter queue
/// for 14, and a message that is sent back has as long again.
const LATEST_DAYS: i64 = 36;

/// An entry as a digest knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) id: String,
    /// Its code, `hash` of the entry.
    pub(super) code: String,
    /// From when on it may be gone.
    pub(super) expires_at: Option<Moment>,
}

/// The entries that were stored on one UTC day.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Digest {
    /// `2026-01-31`.
    pub(super) day: String,
    pub(super) count: usize,
    /// Ids of the first and the last one; absent from a day without entries.
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
    /// SHA-256 over the codes in the order of the ids, one a line.
    pub(super) hash: String,
    pub(super) entries: Vec<Listed>,
    /// HMAC over all of the above.
    pub(super) code: String,
}

/// What a run of the job came to: days, with how many entries each has.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestSummary {
    /// Written now.
    pub written: BTreeMap<String, usize>,
}

pub(super) fn mac(seed: &Seed) -> Mac {
    seed.mac("audit/digest")
}

impl Digest {
    pub(super) fn new(mac: &Mac, day: &str, entries: Vec<Listed>) -> Self {
        let mut digest = Self {
            day: day.to_owned(),
            count: entries.len(),
            first: entries.first().map(|entry| entry.id.clone()),
            last: entries.last().map(|entry| entry.id.clone()),
            hash: hash(&entries),
            entries,
            code: String::new(),
        };
        digest.code = mac.sign(&digest.content());
        digest
    }

    /// Whether it is as the job wrote it for this day.
    pub(super) fn is_genuine(&self, mac: &Mac, day: &str) -> bool {
        self.day == day && self.hash == hash(&self.entries) && mac.verify(&self.content(), &self.code)
    }

    fn content(&self) -> String {
        let bare = Self { code: String::new(), ..self.clone() };
        serde_json::to_string(&bare).unwrap_or_default()
    }
}

fn hash(entries: &[Listed]) -> String {
    let codes: Vec<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
    keys::sha256(&codes.join("\n"))
}

/// Writes the digests of the days before `now` that have none, of a week at most. One that is there is never written
/// again, whatever became of its entries.
pub async fn write_digests(
    mongo: &Mongo,
    store: &DigestStore,
    seed: &Seed,
    now: Moment,
) -> anyhow::Result<DigestSummary> {
    let there = store.days().await?;
    let days = (1..=LOOK_BACK_DAYS).map(|days| clock::day(clock::start_of_day(now, days)));
    let mut missing: BTreeMap<String, Vec<Listed>> =
        days.filter(|day| !there.contains(day)).map(|day| (day, Vec::new())).collect();
    let mut summary = DigestSummary::default();
    if missing.is_empty() {
        return Ok(summary);
    }
    let (week, oldest) =
        (clock::start_of_day(now, LOOK_BACK_DAYS), clock::start_of_day(now, LOOK_BACK_DAYS + LATEST_DAYS));
    // What was taken over from the application before is stored long after the time that its id tells.
    let stored = doc! {"$or": [{WRITTEN_AT: {"$gte": week}}, {WRITTEN_AT: null, "_id": {"$gt": id_at(oldest)}}]};
    let list = |entry: &_| {
        let day = day_written(entry);
        if let Some(entries) = day.and_then(|day| missing.get_mut(&day)) {
            entries.push(Listed { id: id(entry), code: code(entry), expires_at: moment(entry, "expiresAt") });
        }
    };
    each_entry(mongo, stored, list).await?;
    for (day, entries) in missing {
        let digest = Digest::new(&mac(seed), &day, entries);
        if store.write_new(&day, serde_json::to_vec(&digest)?).await? {
            summary.written.insert(day, digest.count);
        }
    }
    Ok(summary)
}

/// The smallest id that is made at this instant.
fn id_at(at: Moment) -> String {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    let id: Uuid = Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid();
    id.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str) -> Listed {
        Listed { id: id.into(), code: format!("code of {id}"), expires_at: Some(clock::now()) }
    }

    #[test]
    fn a_digest_is_read_back_and_one_that_was_changed_is_found() {
        let mac = mac(&Seed::from("a seed of thirty-two characters!"));
        let digest = Digest::new(&mac, "2026-01-31", vec![listed("1"), listed("2"), listed("3")]);
        assert_eq!((digest.count, digest.first.as_deref(), digest.last.as_deref()), (3, Some("1"), Some("3")));
        let read: Digest = serde_json::from_slice(&serde_json::to_vec(&digest).expect("JSON")).expect("a digest");
        assert_eq!(read, digest);
        assert!(read.is_genuine(&mac, "2026-01-31") && !read.is_genuine(&mac, "2026-02-01"));
        let other = super::mac(&Seed::from("another of thirty-two characters"));
        assert!(!read.is_genuine(&other, "2026-01-31"));
        let mut shorter = digest.clone();
        shorter.entries.pop();
        assert!(!shorter.is_genuine(&mac, "2026-01-31"));
        shorter.hash = hash(&shorter.entries);
        assert!(!shorter.is_genuine(&mac, "2026-01-31"), "nor with the hash that fits");
        assert!(Digest::new(&mac, "2026-01-31", Vec::new()).is_genuine(&mac, "2026-01-31"));
    }

    #[test]
    fn an_id_of_an_instant_is_the_smallest_of_it() {
        let now = clock::now();
        let made = Uuid::now_v7().to_string();
        assert!(id_at(now) <= made && made < id_at(now + jiff::SignedDuration::from_mins(1)));
    }
}
