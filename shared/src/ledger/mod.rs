//! How many bytes anybody may store: every route that stores something takes them from the ledger before it answers.
//!
//! Bytes are counted as the store counts them, entries in indexes included ([`schema::weight`]). The collection `ledger`
//! has a document for each budget; from these an environment takes a slice at a time, so that most requests cost no
//! operation. A slice lies in the cache, where every environment finds it; without a cache server each environment has
//! slices of its own. What a lost cache held of slices is lost until midnight; no budget begins anew.
//!
//! Anonymous events have a way of their own ([`AnonymousBudget`]), since those who take them do not have the database.

mod anonymous;
mod budgets;
mod intake_state;
mod payer;
mod recount;
mod refusals;

use std::time::Duration;

use bson::{Document, doc};
use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{Collection, Database};

pub use self::{
    anonymous::{AnonymousBudget, Charge, Taken as TakenAnonymously},
    budgets::*,
    intake_state::{IntakeState, add_anonymous, publish_intake_state},
    payer::Payer,
    recount::{Recounted, recount},
    refusals::count_refusal,
};

use self::payer::{Counter, UNLIMITED};
use crate::{
    cache::Cache,
    clock::{self, Moment},
    http::Problem,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// The ledger, for functions that have the database; clones share it.
#[derive(Clone)]
pub struct Ledger {
    mongo: Mongo,
    cache: Cache,
}

/// Bytes that were taken, to be given back if nothing is stored for them.
#[derive(Debug)]
pub struct Taken {
    slice: String,
    bytes: u64,
}

impl Ledger {
    /// Opens nothing.
    pub fn new(mongo: Mongo, cache: Cache) -> Self {
        Self { mongo, cache }
    }

    /// The client of the database that it is kept in.
    pub(crate) fn mongo(&self) -> &Mongo {
        &self.mongo
    }

    /// Takes `bytes` from each of the payer's budgets, or nothing: 429 when they do not fit into one of them.
    pub async fn take(&self, payer: &Payer, bytes: u64) -> Result<Taken, Problem> {
        let now = clock::now();
        match self.try_take(payer, bytes, now).await? {
            Ok(taken) => Ok(taken),
            Err(full) => {
                self.count_refusal(&format!("bytes.{}", full.name)).await;
                Err(full.refusal(now))
            }
        }
    }

    /// As [`Ledger::take`], for what has a smaller form: `None` when there is no room.
    pub async fn take_if_any(&self, payer: &Payer, bytes: u64) -> Result<Option<Taken>, mongo::Error> {
        Ok(self.try_take(payer, bytes, clock::now()).await?.ok())
    }

    /// Counts `bytes` that are stored whatever is left: what is small, bounded otherwise, and must not fail, such as the
    /// audit entry of a change that was paid for. A failure is logged, and is no error.
    pub async fn charge(&self, payer: &Payer, bytes: u64) {
        let now = clock::now();
        if self.cache.draw(&payer.slice(now), bytes).await {
            return;
        }
        for counter in payer.counters(now) {
            let counter = Counter { limit: UNLIMITED, ..counter };
            if let Err(error) = self.add(counter, bytes).await {
                tracing::warn!(%error, bytes, "bytes that are stored were not counted");
                return;
            }
        }
    }

    /// Gives back what was taken: nothing was stored for it.
    pub async fn give_back(&self, taken: Taken) {
        self.cache.add(&taken.slice, taken.bytes, SLICE_FOR).await;
    }

    /// Takes `bytes` and does `work`, which stores them; gives them back when it did not, as `is_stored` tells of its
    /// outcome. After an error they stay taken: only the answer may have been lost.
    pub async fn pay<T, E>(
        &self,
        payer: &Payer,
        bytes: u64,
        work: impl Future<Output = Result<T, E>>,
        is_stored: impl FnOnce(&T) -> bool,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        let taken = self.take(payer, bytes).await?;
        let outcome = work.await?;
        if !is_stored(&outcome) {
            self.give_back(taken).await;
        }
        Ok(outcome)
    }

    /// Counts a refusal or a failure of today by its name: a number a day, however many there are. What cannot be
    /// counted is logged: the answer is the refusal's.
    pub async fn count_refusal(&self, name: &str) {
        if let Err(error) = count_refusal(&self.mongo, name, clock::now()).await {
            tracing::warn!(%error, name, "a refusal was not counted");
        }
    }

    /// The inner error is the budget that is full.
    async fn try_take(&self, payer: &Payer, bytes: u64, now: Moment) -> Result<Result<Taken, Counter>, mongo::Error> {
        let taken = Taken { slice: payer.slice(now), bytes };
        if self.cache.draw(&taken.slice, bytes).await {
            return Ok(Ok(taken));
        }
        let slice = bytes.max(payer.slice_bytes(now));
        let mut outcome = self.reserve(payer.counters(now), slice).await?;
        if outcome.is_ok() {
            if slice > bytes {
                self.cache.add(&taken.slice, slice - bytes, SLICE_FOR).await;
            }
        } else {
            // No whole slice is left; or another environment has just made the document, which looks the same.
            outcome = self.reserve(payer.counters(now), bytes).await?;
        }
        Ok(outcome.map(|()| taken))
    }

    /// Adds `bytes` to each counter, or to none; the inner error is the one that is full.
    async fn reserve(&self, counters: Vec<Counter>, bytes: u64) -> Result<Result<(), Counter>, mongo::Error> {
        for (index, counter) in counters.iter().enumerate() {
            if self.add(counter.clone(), bytes).await? {
                continue;
            }
            for before in &counters[..index] {
                self.subtract(before.key.clone(), bytes).await?;
            }
            return Ok(Err(counter.clone()));
        }
        Ok(Ok(()))
    }

    /// False when the counter would go over its limit. Boxed: the driver's futures are large.
    fn add(&self, counter: Counter, bytes: u64) -> BoxFuture<'_, Result<bool, mongo::Error>> {
        let Some(room) = counter.limit.checked_sub(bytes) else { return async { Ok(false) }.boxed() };
        let add = async move |database: Database| {
            let fitting = doc! {"_id": &counter.key, "bytes": {"$lte": signed(room)}};
            let mut update = doc! {"$inc": {"bytes": signed(bytes)}};
            if let Some(expires_at) = counter.expires_at {
                update.insert("$setOnInsert", doc! {"expiresAt": expires_at});
            }
            collection(&database).update_one(fitting, update).upsert(true).await
        };
        async move {
            match self.mongo.run(REQUEST_TIMEOUT, add).await {
                Ok(_) => Ok(true),
                // It is there, and does not match: it is too full.
                Err(error) if error.is_duplicate() => Ok(false),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn subtract(&self, key: String, bytes: u64) -> BoxFuture<'_, Result<(), mongo::Error>> {
        let subtract = async move |database: Database| {
            let update = doc! {"$inc": {"bytes": -signed(bytes)}};
            collection(&database).update_one(doc! {"_id": key}, update).await
        };
        async move { self.mongo.run(REQUEST_TIMEOUT, subtract).await.map(drop) }.boxed()
    }
}

/// A slice is of one UTC day, whose name is in its key: it need not last longer.
const SLICE_FOR: Duration = Duration::from_hours(24);

/// `ledger`: a document for each budget, `{_id, bytes, expiresAt?}`.
fn collection(database: &Database) -> Collection<Document> {
    database.collection("ledger")
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
