//! Records for which their account has no bytes left: added up by day, key, provider and model.
//!
//! A sum is a document of `ai_usage` that is of several requests (`requests`), so that reports, alerts and limits add it
//! up as they do any record.

use std::{collections::BTreeMap, time::Duration};

use bson::{Bson, Document, doc};
use mongodb::Database;

use super::record::Use;
use crate::{
    cache::{Cache, CountedOnce, QuotaCounter},
    clock,
    http::Problem,
    keys,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::QueuedEvent,
    usage::{AiUsage, Cost},
};

/// Sums of one account and day. A client may make up a name for each request: those beyond have none.
const MOST_A_DAY: usize = 20;
/// What such a sum has for a provider and a model.
const OTHERS: &str = "others";
/// The requests that a sum remembers, so that the one who sends again is not counted again.
const BATCHES: i32 = 50;
/// As long as records are known that come again.
const REMEMBERED: Duration = Duration::from_hours(24);

/// What records of one sum share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: String,
    key_id: Option<String>,
    provider: String,
    model: String,
    success: bool,
    priced: bool,
}

/// What a sum adds up.
#[derive(Clone, Copy, Debug, Default)]
struct Amounts {
    requests: i64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cost: Cost,
    latency_ms: u64,
}

/// Adds these records of an account up, once however often the same request is made.
pub(super) async fn add(mongo: &Mongo, user_id: &str, uses: &[Use]) -> Result<(), Problem> {
    let ids: Vec<&str> = uses.iter().map(|one| one.id.as_str()).collect();
    let batch = &keys::sha256(&ids.join(","))[..16];
    let mut sums = BTreeMap::<Key, Amounts>::new();
    for Use { usage, .. } in uses {
        sums.entry(key(usage)).or_default().add(usage);
    }
    for (mut key, amounts) in sums {
        if !add_to(mongo, user_id, &key, amounts, batch, false).await? {
            let sums = sums_of(mongo, user_id, &key.day).await?;
            if sums.contains(&key.id(user_id)) {
                continue; // It has this batch.
            }
            if sums.len() >= MOST_A_DAY {
                key = Key { key_id: None, provider: OTHERS.into(), model: OTHERS.into(), ..key };
            }
            add_to(mongo, user_id, &key, amounts, batch, true).await?;
        }
    }
    Ok(())
}

/// Remembers that these records are in sums.
pub(super) async fn remember(cache: &Cache, user_id: &str, uses: &[Use]) {
    let counter = QuotaCounter { key: format!("usage:{{{user_id}}}:added-up"), limit: u64::MAX, window: REMEMBERED };
    let records: Vec<_> =
        uses.iter().map(|one| CountedOnce { key: remembered(user_id, &one.id), amounts: [1] }).collect();
    // Without a limit nothing is refused.
    let _ = cache.count_once(&[counter], &records, REMEMBERED).await;
}

/// Whether the record with this id is in a sum, as far as that is remembered.
pub(super) async fn is_added_up(cache: &Cache, user_id: &str, id: &str) -> bool {
    cache.is_counted(&remembered(user_id, id)).await
}

fn remembered(user_id: &str, id: &str) -> String {
    format!("usage:{{{user_id}}}:added-up:{id}")
}

fn key(usage: &AiUsage) -> Key {
    Key {
        day: clock::day(usage.occurred_at),
        key_id: usage.key_id.clone(),
        provider: usage.provider.clone(),
        model: usage.model.clone(),
        success: usage.success,
        priced: usage.priced,
    }
}

impl Key {
    fn id(&self, user_id: &str) -> String {
        let Self { day, key_id, provider, model, success, priced } = self;
        let which = format!("{}/{provider}/{model}/{success}/{priced}", key_id.as_deref().unwrap_or_default());
        format!("{user_id}/sum/{day}/{}", &keys::sha256(&which)[..32])
    }
}

impl Amounts {
    fn add(&mut self, usage: &AiUsage) {
        self.requests += 1;
        self.prompt_tokens += usage.prompt_tokens;
        self.completion_tokens += usage.completion_tokens;
        self.cost = self.cost + Cost::from_stored(usage.cost_micros, usage.cost_picos);
        self.latency_ms += usage.latency_ms;
    }
}

/// Adds to a sum that is there, or with `create` to a new one as well. False when there is none, or when this batch was
/// added to it before.
async fn add_to(
    mongo: &Mongo,
    user_id: &str,
    key: &Key,
    amounts: Amounts,
    batch: &str,
    create: bool,
) -> Result<bool, mongo::Error> {
    let not_yet = doc! {"_id": key.id(user_id), "batches": {"$ne": batch}};
    let mut first = doc! {
        "userId": user_id, "provider": &key.provider, "model": &key.model, "success": key.success,
        "priced": key.priced, "beyondPlan": ["storedBytesToday"], "receivedAt": clock::now(), "sum": true,
        "occurredAt": start_of(&key.day),
    };
    if let Some(key_id) = &key.key_id {
        first.insert("keyId", key_id);
    }
    let update = doc! {
        "$inc": {
            "requests": amounts.requests, "promptTokens": signed(amounts.prompt_tokens),
            "completionTokens": signed(amounts.completion_tokens), "costMicros": signed(amounts.cost.whole_micros()),
            "costPicos": signed(amounts.cost.picos_left()), "latencyMs": signed(amounts.latency_ms),
        },
        "$push": {"batches": {"$each": [batch], "$slice": -BATCHES}},
        "$setOnInsert": first,
    };
    // Twice: another request may be making the document, which looks as if this batch were in it.
    for _ in 0..2 {
        let (filter, update) = (not_yet.clone(), update.clone());
        let add = async |database: Database| {
            database.collection::<Document>(AiUsage::COLLECTION).update_one(filter, update).upsert(create).await
        };
        match mongo.run(REQUEST_TIMEOUT, add).await {
            Ok(done) => return Ok(done.matched_count == 1 || done.upserted_id.is_some()),
            Err(error) if error.is_duplicate() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// The ids of the sums that an account has of a day.
async fn sums_of(mongo: &Mongo, user_id: &str, day: &str) -> Result<Vec<String>, mongo::Error> {
    let of_day = doc! {"userId": user_id, "occurredAt": start_of(day), "sum": true};
    let find =
        async |database: Database| database.collection::<Document>(AiUsage::COLLECTION).distinct("_id", of_day).await;
    let ids = mongo.run(REQUEST_TIMEOUT, find).await?;
    Ok(ids.into_iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
}

fn start_of(day: &str) -> Bson {
    day.parse::<clock::Moment>().map_or(Bson::Null, Bson::from)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
