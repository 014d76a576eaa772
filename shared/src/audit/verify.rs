//! The check of a whole audit log: every entry by its code, and all of them by the digests.

use std::collections::{BTreeMap, BTreeSet};

use bson::{RawDocumentBuf, doc};

use super::{
    DigestStore, EntryCheck,
    digest::{Digest, Listed, mac},
    scan::{code, day_written, each_entry, id},
};
use crate::{
    clock::{self, Moment},
    keys::{Mac, Seed},
    mongo::{self, Mongo},
};

/// What a check of the audit log found. What lists ids or days is empty in a sound one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VerifiedEntries {
    /// Entries whose code fits what they say.
    pub intact: u64,
    /// Ids of those that say, or carry, something else than when they were written.
    pub changed: Vec<String>,
    /// Ids of those that a digest lists and that are gone before their time.
    pub missing: Vec<String>,
    /// Ids of those that are there and that the digest of their day does not list.
    pub added: Vec<String>,
    /// Entries that digests list and whose time to go has come.
    pub expired: u64,
    /// Entries of days that have no digest yet: today's, and those from before the first one.
    pub not_listed_yet: u64,
    /// Days whose digest is gone, or was never written.
    pub days_without_digest: Vec<String>,
    /// Days whose digest is not what the job wrote.
    pub changed_digests: Vec<String>,
}

impl VerifiedEntries {
    /// Whether nothing was found.
    pub fn is_sound(&self) -> bool {
        let found = [&self.changed, &self.missing, &self.added, &self.days_without_digest, &self.changed_digests];
        found.iter().all(|list| list.is_empty())
    }
}

/// An entry in the store.
struct Seen {
    code: String,
    day: Option<String>,
}

/// Compares every entry's code with its content; `seed` is that of `AUDIT_SEED`. This finds changed entries alone.
pub async fn verify(mongo: &Mongo, seed: &Seed) -> Result<VerifiedEntries, mongo::Error> {
    Ok(read_all(mongo, seed).await?.0)
}

/// As [`verify`], and compares what is there with the digests.
pub async fn verify_with_digests(
    mongo: &Mongo,
    store: &DigestStore,
    seed: &Seed,
    now: Moment,
) -> anyhow::Result<VerifiedEntries> {
    // The digests first: one that is written meanwhile lists no entry that is not read after it.
    let days = store.days().await?;
    let (mut found, mut there) = read_all(mongo, seed).await?;
    let mac = mac(seed);
    for day in &days {
        match genuine(&mac, day, &store.read(day).await?) {
            Some(digest) => compare(&mut found, &mut there, &digest, now),
            None => found.changed_digests.push(day.clone()),
        }
    }
    found.days_without_digest = gaps(&days, now);
    for (id, entry) in there {
        match entry.day {
            Some(day) if !days.contains(&day) => found.not_listed_yet += 1,
            Some(day) if found.changed_digests.contains(&day) => {}
            _ => found.added.push(id),
        }
    }
    Ok(found)
}

async fn read_all(mongo: &Mongo, seed: &Seed) -> Result<(VerifiedEntries, BTreeMap<String, Seen>), mongo::Error> {
    let check = EntryCheck::new(seed);
    let (mut found, mut there) = (VerifiedEntries::default(), BTreeMap::new());
    let judge = |entry: &RawDocumentBuf| {
        if check.is_genuine(entry) {
            found.intact += 1;
        } else {
            found.changed.push(id(entry));
        }
        there.insert(id(entry), Seen { code: code(entry), day: day_written(entry) });
    };
    each_entry(mongo, doc! {}, judge).await?;
    Ok((found, there))
}

fn genuine(mac: &Mac, day: &str, bytes: &[u8]) -> Option<Digest> {
    let digest: Digest = serde_json::from_slice(bytes).ok()?;
    digest.is_genuine(mac, day).then_some(digest)
}

/// Takes what the digest lists out of `there`.
fn compare(found: &mut VerifiedEntries, there: &mut BTreeMap<String, Seen>, digest: &Digest, now: Moment) {
    for Listed { id, code, expires_at } in &digest.entries {
        match there.remove(id) {
            Some(entry) if entry.code == *code && entry.day.as_ref() == Some(&digest.day) => {}
            Some(_) if found.changed.contains(id) => {}
            Some(_) => {
                found.intact -= 1;
                found.changed.push(id.clone());
            }
            None if expires_at.is_some_and(|at| at <= now) => found.expired += 1,
            None => found.missing.push(id.clone()),
        }
    }
}

/// Days between the first digest and the day before yesterday that have none. Yesterday's may be on its way.
fn gaps(days: &BTreeSet<String>, now: Moment) -> Vec<String> {
    let Some(first) = days.first() else { return Vec::new() };
    let expected = (2..).map(|before| clock::day(clock::start_of_day(now, before))).take_while(|day| day > first);
    let mut gaps: Vec<String> = expected.filter(|day| !days.contains(day)).collect();
    gaps.reverse();
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[&str]) -> BTreeSet<String> {
        days.iter().map(|day| (*day).to_owned()).collect()
    }

    #[test]
    fn a_gap_is_a_day_without_digest_between_the_first_and_the_day_before_yesterday() {
        let now = "2026-03-02T00:10:00Z".parse().expect("an instant");
        assert_eq!(gaps(&days(&[]), now), Vec::<String>::new());
        assert_eq!(gaps(&days(&["2026-02-26", "2026-02-28"]), now), ["2026-02-27"]);
        assert_eq!(gaps(&days(&["2026-02-27"]), now), ["2026-02-28"]);
        assert_eq!(gaps(&days(&["2026-03-01"]), now), Vec::<String>::new());
    }
}
