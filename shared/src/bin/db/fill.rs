//! Realistic AI usage, to try reports on and to measure with: few accounts use much, nights and
//! weekends are quiet, some calls fail, some models have no price.

use std::io::{Write, stderr};

use bson::{Document, doc};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use mongodb::{Database, error::ErrorKind};
use shared::{
    clock,
    mongo::{Error, Mongo, WORK_LIMIT},
    usage::cost_micros,
};

const CHUNK: usize = 5_000;
/// Provider, model, and its share in percent.
const MODELS: [(&str, &str, u32); 6] = [
    ("openai", "gpt-4o-mini", 45),
    ("openai", "gpt-4o", 25),
    ("anthropic", "claude-3-5-sonnet", 18),
    ("anthropic", "claude-3-haiku", 8),
    ("groq", "llama-3.1-70b", 3),
    ("groq", "a-model-without-a-price", 1),
];
/// How busy each hour of the day (UTC) is.
const HOURS: [u32; 24] = [2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 20, 16, 18, 20, 20, 18, 14, 10, 8, 7, 6, 4, 3];

/// Fills `days` days with `records` of `users` accounts. The same arguments make the same records, under the
/// same ids: done twice, nothing is added.
pub(crate) async fn fill(mongo: &Mongo, from: Date, days: u32, users: u32, records: u32) -> anyhow::Result<()> {
    let start = TimeZone::UTC.to_timestamp(from.at(0, 0, 0, 0))?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut chunk = Vec::with_capacity(CHUNK);
    for number in 0..records {
        chunk.push(record(&mut random, number, users, start, days));
        if chunk.len() == CHUNK || number + 1 == records {
            insert(mongo, &chunk).await?;
            chunk.clear();
            eprint!("\r{} of {records} records", number + 1);
            stderr().flush()?;
        }
    }
    eprintln!();
    Ok(())
}

fn record(random: &mut fastrand::Rng, number: u32, users: u32, start: Timestamp, days: u32) -> Document {
    let at = loop {
        let day = random.u32(0..days);
        let midnight = start + SignedDuration::from_hours(24 * i64::from(day));
        let weekend = matches!(TimeZone::UTC.to_datetime(midnight).weekday(), Weekday::Saturday | Weekday::Sunday);
        if weekend && random.u32(0..10) < 7 {
            continue;
        }
        let hour = weighted(random, &HOURS);
        let seconds = i64::from(day) * 86_400 + i64::try_from(hour).unwrap_or_default() * 3600 + random.i64(0..3600);
        break start + SignedDuration::from_secs(seconds);
    };
    // The cube of an even number between 0 and 1: a tenth of the accounts make half of the records.
    let user = (random.f64().powi(3) * f64::from(users)).floor();
    let (provider, model, _) = MODELS[weighted(random, &MODELS.map(|(.., share)| share))];
    let (sent, received) = (tokens(random, 400.0), tokens(random, 250.0));
    let cost = cost_micros(model, sent, received, at);
    let id = format!("fill/{}/{number}", clock::day(start));
    let failed = random.u32(0..100) < 2;
    doc! {
        "_id": id, "userId": format!("fill-user-{user:05}"), "provider": provider, "model": model,
        "promptTokens": signed(sent), "completionTokens": signed(received),
        "costMicros": signed(cost.unwrap_or_default()), "priced": cost.is_some(),
        "latencyMs": random.i64(200..9_000), "success": !failed,
        "occurredAt": clock::to_bson(at), "receivedAt": clock::to_bson(at),
    }
}

/// Many small, few large: around `typical`, up to some fifty times as much.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
fn tokens(random: &mut fastrand::Rng, typical: f64) -> u64 {
    (typical * (1.0 / (1.0 - random.f64() * 0.98)).powf(0.9)) as u64
}

fn weighted(random: &mut fastrand::Rng, weights: &[u32]) -> usize {
    let mut drawn = random.u32(0..weights.iter().sum());
    weights.iter().position(|weight| drawn.checked_sub(*weight).map(|rest| drawn = rest).is_none()).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is there already stays.
async fn insert(mongo: &Mongo, chunk: &[Document]) -> anyhow::Result<()> {
    let write =
        async |database: Database| database.collection::<Document>("ai_usage").insert_many(chunk).ordered(false).await;
    match mongo.run(WORK_LIMIT, write).await {
        Ok(_) => Ok(()),
        Err(Error::Refused(error)) if matches!(error.kind.as_ref(), ErrorKind::InsertMany(many) if many.write_errors.iter().flatten().all(|e| e.code == shared::mongo::DUPLICATE_KEY)) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
