//! Records for which their account has no bytes left: added up by day, key, provider and model.
//!
//! A sum is a document of `ai_usage` that is of several requests (`requests`), so that reports, alerts and limits add it
//! up as they do any record.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bson::{Bson, Document, doc};
use mongodb::Database;

use super::record::Use;
use crate::{
    cache::{Cache, CountedOnce, QuotaCounter},
    clock, keys,
    mongo::{self, DUPLICATE_KEY, Mongo, REQUEST_TIMEOUT},
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
struct Group {
    day: String,
    key_id: Option<String>,
    provider_key_id: Option<String>,
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

/// Adds these records of an account up, once however often the same request is made. Two operations; three for a use of
/// a provider key.
pub(super) async fn add(mongo: &Mongo, user_id: &str, uses: &[Use]) -> Result<(), mongo::Error> {
    let days: BTreeSet<String> = uses.iter().map(|one| clock::day(one.usage.occurred_at)).collect();
    let mut known = sums_of(mongo, user_id, &days).await?;
    let mut sums = BTreeMap::<Group, Amounts>::new();
    // One key for all records of a request.
    let has_provider_key = match uses.first().and_then(|one| one.usage.provider_key_id.as_deref()) {
        Some(id) => is_provider_key_of(mongo, user_id, id).await?,
        None => false,
    };
    for Use { usage, .. } in uses {
        let group = group(usage);
        let of_day = known.entry(group.day.clone()).or_default();
        let id = group.id(user_id);
        let group = if of_day.contains(&id) || of_day.len() < MOST_A_DAY {
            of_day.insert(id);
            group
        } else {
            group.of_others(has_provider_key)
        };
        sums.entry(group).or_default().add(usage);
    }
    let ids: Vec<&str> = uses.iter().map(|one| one.id.as_str()).collect();
    let batch = &keys::sha256(&ids.join(","))[..16];
    let mut statements: Vec<_> =
        sums.iter().map(|(group, amounts)| statement(user_id, group, *amounts, batch)).collect();
    // Twice: a sum that has this batch looks as one does that another request has just made.
    for _ in 0..2 {
        let update = doc! {"update": AiUsage::COLLECTION, "updates": &statements, "ordered": false};
        let answer = mongo.run(REQUEST_TIMEOUT, async |database: Database| database.run_command(update).await).await?;
        let refused = refused(&answer)?;
        statements = refused.into_iter().filter_map(|index| statements.get(index).cloned()).collect();
        if statements.is_empty() {
            break;
        }
    }
    Ok(())
}

/// A service says which key it used, and may make one up.
async fn is_provider_key_of(mongo: &Mongo, user_id: &str, id: &str) -> Result<bool, mongo::Error> {
    let theirs = doc! {"_id": id, "userId": user_id};
    let count =
        async |database: Database| database.collection::<Document>("provider_keys").count_documents(theirs).await;
    Ok(mongo.run(REQUEST_TIMEOUT, count).await? > 0)
}

/// The statements that met a sum which does not match; an error for any other refusal.
fn refused(answer: &Document) -> mongodb::error::Result<Vec<usize>> {
    let Ok(errors) = answer.get_array("writeErrors") else { return Ok(Vec::new()) };
    let number = |error: &Document, field: &str| {
        let number = error.get_i32(field).map(i64::from).or_else(|_| error.get_i64(field));
        number.unwrap_or(-1)
    };
    let index = |error: &Bson| match error.as_document() {
        Some(error) if number(error, "code") == i64::from(DUPLICATE_KEY) => {
            Ok(usize::try_from(number(error, "index")).unwrap_or(usize::MAX))
        }
        _ => Err(mongodb::error::Error::custom(format!("sums were refused: {error}"))),
    };
    errors.iter().map(index).collect()
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

fn group(usage: &AiUsage) -> Group {
    Group {
        day: clock::day(usage.occurred_at),
        key_id: usage.key_id.clone(),
        provider_key_id: usage.provider_key_id.clone(),
        provider: usage.provider.clone(),
        model: usage.model.clone(),
        success: usage.success,
        priced: usage.priced,
    }
}

impl Group {
    /// The sum of what is beyond [`MOST_A_DAY`]: it has none of the names that a caller can make up.
    fn of_others(self, has_provider_key: bool) -> Self {
        let provider_key_id = self.provider_key_id.filter(|_| has_provider_key);
        Self { key_id: None, provider_key_id, provider: OTHERS.into(), model: OTHERS.into(), ..self }
    }

    fn id(&self, user_id: &str) -> String {
        let Self { day, key_id, provider_key_id, provider, model, success, priced } = self;
        let mut which = format!("{}/{provider}/{model}/{success}/{priced}", key_id.as_deref().unwrap_or_default());
        // Without one the id is what it was before there were any.
        which.extend(provider_key_id.iter().map(|id| format!("/{id}")));
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

/// Adds to a sum, or makes it, unless this batch was added to it before.
fn statement(user_id: &str, group: &Group, amounts: Amounts, batch: &str) -> Document {
    let not_yet = doc! {"_id": group.id(user_id), "batches": {"$ne": batch}};
    let mut first = doc! {
        "userId": user_id, "provider": &group.provider, "model": &group.model, "success": group.success,
        "priced": group.priced, "beyondPlan": ["storedBytesToday"], "receivedAt": clock::now(), "sum": true,
        "occurredAt": start_of(&group.day),
    };
    if let Some(key_id) = &group.key_id {
        first.insert("keyId", key_id);
    }
    // Its limit of the month counts what is in sums, too.
    if let Some(provider_key_id) = &group.provider_key_id {
        first.insert("providerKeyId", provider_key_id);
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
    doc! {"q": not_yet, "u": update, "upsert": true}
}

/// The ids of the sums that an account has, by day.
async fn sums_of(
    mongo: &Mongo,
    user_id: &str,
    days: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, mongo::Error> {
    let days: Vec<Bson> = days.iter().map(|day| start_of(day)).collect();
    let of_days = doc! {"userId": user_id, "occurredAt": {"$in": days}, "sum": true};
    let find =
        async |database: Database| database.collection::<Document>(AiUsage::COLLECTION).distinct("_id", of_days).await;
    let mut sums = BTreeMap::<_, BTreeSet<_>>::new();
    for id in mongo.run(REQUEST_TIMEOUT, find).await? {
        let Some(id) = id.as_str() else { continue };
        // `{user}/sum/{day}/{key}`
        let day = id.rsplit('/').nth(1).unwrap_or_default();
        sums.entry(day.to_owned()).or_default().insert(id.to_owned());
    }
    Ok(sums)
}

fn start_of(day: &str) -> Bson {
    day.parse::<clock::Moment>().map_or(Bson::Null, Bson::from)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_most_a_day_nothing_made_up_makes_another_sum() {
        let id = |name: &str, has_provider_key| {
            let (provider_key_id, key_id) = (Some(name.to_owned()), Some(name.to_owned()));
            let usage =
                AiUsage { provider: name.into(), model: name.into(), provider_key_id, key_id, ..AiUsage::default() };
            group(&usage).of_others(has_provider_key).id("ada")
        };
        assert_eq!(id("one", false), id("another", false));
        assert_ne!(id("one", true), id("another", true), "what a key has spent of its month counts there, too");
    }
}
