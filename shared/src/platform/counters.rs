//! Counters that no environment keeps for itself alone: in the cache server, and where there is none, or while it is
//! away, in MongoDB. For what may be guessed; what only costs time is counted by [`crate::cache`] alone.

use std::time::Duration;

use bson::doc;
use mongodb::{Collection, Database, options::ReturnDocument};
use serde::{Deserialize, Serialize};

use crate::{
    cache::{Cache, Count},
    clock::{self, Moment},
    http::{ClientInfo, Policy, Problem},
    keys,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// `counters`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counter {
    /// A hash: what is counted by an address or a network does not name it.
    #[serde(rename = "_id")]
    id: String,
    used: i64,
    expires_at: Moment,
}

/// A handle to the counters; clones share them.
#[derive(Clone)]
pub struct Counters {
    cache: Cache,
    /// None where the process's memory stands in for it.
    mongo: Option<Mongo>,
}

impl Counters {
    /// Opens nothing.
    pub fn new(mongo: &Mongo, cache: &Cache) -> Self {
        Self { cache: cache.clone(), mongo: Some(mongo.clone()) }
    }

    #[cfg(test)]
    pub(crate) fn in_process() -> Self {
        Self { cache: Cache::in_process(), mongo: None }
    }

    /// The same counters without the store: where no cache server answers, each environment counts for itself.
    #[must_use]
    pub fn unstored(&self) -> Self {
        Self { cache: self.cache.clone(), mongo: None }
    }

    /// Adds one to the counter `key`, which ends `window` after its first count.
    pub async fn increment(&self, key: &str, window: Duration) -> Result<Count, mongo::Error> {
        let Some(mongo) = &self.mongo else { return Ok(self.cache.increment(key, window).await) };
        if let Some(count) = self.cache.increment_shared(key, window).await {
            return Ok(count);
        }
        match increment_stored(mongo, key, window).await {
            // Two made it at once: by now it is there.
            Err(error) if error.is_duplicate() => increment_stored(mongo, key, window).await,
            outcome => outcome,
        }
    }

    /// Takes one back from each of these counters that counts. One that is at zero then is not kept.
    pub async fn give_back(&self, keys: &[String]) -> Result<(), mongo::Error> {
        for key in keys {
            self.cache.subtract(key, 1).await;
        }
        let (Some(mongo), false) = (&self.mongo, self.cache.is_up().await) else { return Ok(()) };
        let last = doc! {"_id": {"$in": ids(keys)}, "used": {"$lte": 1}};
        let more = doc! {"_id": {"$in": ids(keys)}, "used": {"$gt": 1}};
        let less = async |database: Database| {
            let counters = counters(&database);
            // In this order: a counter of two is not taken from twice.
            counters.delete_many(last).await?;
            counters.update_many(more, doc! {"$inc": {"used": -1_i64}}).await
        };
        mongo.run(REQUEST_TIMEOUT, less).await.map(drop)
    }

    /// Ends these counters.
    pub async fn clear(&self, keys: &[String]) -> Result<(), mongo::Error> {
        for key in keys {
            self.cache.delete(key).await;
        }
        let (Some(mongo), false) = (&self.mongo, self.cache.is_up().await) else { return Ok(()) };
        let these = doc! {"_id": {"$in": ids(keys)}};
        let delete = async |database: Database| counters(&database).delete_many(these).await;
        mongo.run(REQUEST_TIMEOUT, delete).await.map(drop)
    }

    /// As [`Policy::check`], counted here.
    pub async fn check(&self, policy: &Policy, client: &ClientInfo, principal: &str) -> Result<(), Problem> {
        let count = self.increment(&policy.key(principal), policy.window).await?;
        policy.judge(client, count)
    }
}

async fn increment_stored(mongo: &Mongo, key: &str, window: Duration) -> Result<Count, mongo::Error> {
    let now = clock::now();
    let lives = doc! {"$gt": ["$expiresAt", now]};
    let update = vec![doc! {"$set": {
        "used": {"$cond": [&lives, {"$add": ["$used", 1_i64]}, 1_i64]},
        "expiresAt": {"$cond": [&lives, "$expiresAt", now + window]},
    }}];
    let by_id = doc! {"_id": id(key)};
    let add = async |database: Database| {
        let counters = counters(&database);
        counters.find_one_and_update(by_id, update).upsert(true).return_document(ReturnDocument::After).await
    };
    let counter = mongo.run(REQUEST_TIMEOUT, add).await?;
    let left = |counter: &Counter| counter.expires_at.as_millisecond() - now.as_millisecond();
    Ok(counter.map_or(Count { used: 1, resets_in: window }, |counter| Count {
        used: counter.used.unsigned_abs(),
        resets_in: Duration::from_millis(left(&counter).max(0).unsigned_abs()),
    }))
}

fn id(key: &str) -> String {
    keys::sha256(key)[..32].to_owned()
}

fn ids(keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| id(key)).collect()
}

fn counters(database: &Database) -> Collection<Counter> {
    database.collection("counters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_expires() {
        let counter = Counter { id: id("k"), used: 1, expires_at: clock::now() };
        // By a date: of a text, the index that forgets it knows no age.
        assert!(mongo::to_document(&counter).expect("a document").get_datetime("expiresAt").is_ok());
    }
}
