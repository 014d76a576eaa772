//! Realistic use, to try reports on and to measure with: few accounts use much, nights and weekends are quiet, some
//! calls fail, some models have no price, some prompts are run far more often than others.

use std::{
    io::{Write, stderr},
    iter,
};

use bson::{Document, doc};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{
    SignedDuration,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use mongodb::Database;
use shared::{
    clock::{self, Moment},
    content::{Kind, bundled, parse},
    mongo::{Error, Mongo, WORK_TIMEOUT, only_duplicates},
    usage::{
        Cost, TokenCounts,
        price::list_cost,
        reports::{daily_reports, monthly_report},
    },
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

/// What to fill.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Fill {
    /// The first day.
    #[arg(long, default_value = "2026-10-01")]
    from: Date,
    /// Days.
    #[arg(long, default_value_t = 31)]
    days: u32,
    /// Accounts.
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Records.
    #[arg(long, default_value_t = 300_000)]
    records: u32,
    /// Also make the reports of the days, and of the months that they end.
    #[arg(long)]
    reports: bool,
}

/// Fills some days with accounts, their AI usage, and counts of the starter prompts. The same arguments make the same
/// documents, under the same ids: done twice, nothing is added.
pub(crate) async fn fill(mongo: &Mongo, fill: Fill) -> anyhow::Result<()> {
    let start = Moment::from(TimeZone::UTC.to_timestamp(fill.from.at(0, 0, 0, 0))?);
    let mut random = fastrand::Rng::with_seed(7);
    insert_all(mongo, "users", (0..fill.users).map(|number| user(number, start))).await?;
    let records = (0..fill.records).map(|number| record(&mut random, number, fill.users, start, fill.days));
    insert_all(mongo, "ai_usage", records).await?;
    insert_all(mongo, "prompt_daily", counts(start, fill.days)?.into_iter()).await?;
    if fill.reports { report(mongo, start, fill.days).await } else { Ok(()) }
}

/// As the jobs do it: the daily one for each window of open days, the monthly one on each first.
async fn report(mongo: &Mongo, start: Moment, days: u32) -> anyhow::Result<()> {
    let midnight = |day: u32| start + SignedDuration::from_hours(24 * i64::from(day));
    // Each run computes the eight days before it.
    for day in (8..days).step_by(8).chain([days]) {
        daily_reports(mongo, midnight(day)).await?;
    }
    let firsts = (1..=days).map(midnight).filter(|midnight| TimeZone::UTC.to_datetime(**midnight).day() == 1);
    for first in firsts {
        let report = monthly_report(mongo, first).await?;
        eprintln!("the report of {}: {} requests", report.period, report.totals.requests);
    }
    Ok(())
}

fn user_id(number: u32) -> String {
    format!("fill-user-{number:05}")
}

fn user(number: u32, start: Moment) -> Document {
    let id = user_id(number);
    doc! {
        "_id": &id, "email": format!("{id}@example.com"), "name": format!("Somebody {number}"), "role": "user",
        "plan": "enterprise", "status": "active", "createdAt": start, "emailVerifiedAt": start,
    }
}

/// What was done with each starter prompt on each day.
fn counts(start: Moment, days: u32) -> anyhow::Result<Vec<Document>> {
    let prompts = parse(Kind::Prompts, bundled::PROMPTS)?;
    let ids: Vec<&str> = prompts.iter().filter_map(|prompt| prompt.get("id")?.as_str()).collect();
    let mut random = fastrand::Rng::with_seed(8);
    let mut counts = Vec::new();
    for day in (0..days).map(|day| clock::day(start + SignedDuration::from_hours(24 * i64::from(day)))) {
        for (place, id) in ids.iter().enumerate() {
            // The first is opened a hundred times a day, the second half as often.
            let views = random.u32(0..200) / (u32::try_from(place)? + 1);
            counts.push(doc! {
                "_id": format!("{day}/{id}"), "promptId": *id, "day": &day,
                "counts": {"view": i64::from(views), "copy": i64::from(views / 3), "execute": i64::from(views / 5)},
            });
        }
    }
    Ok(counts)
}

fn record(random: &mut fastrand::Rng, number: u32, users: u32, start: Moment, days: u32) -> Document {
    let at = loop {
        let day = random.u32(0..days);
        let midnight = start + SignedDuration::from_hours(24 * i64::from(day));
        let weekend = matches!(TimeZone::UTC.to_datetime(*midnight).weekday(), Weekday::Saturday | Weekday::Sunday);
        if weekend && random.u32(0..10) < 7 {
            continue;
        }
        let hour = weighted(random, &HOURS);
        let seconds = i64::from(day) * 86_400 + i64::try_from(hour).unwrap_or_default() * 3600 + random.i64(0..3600);
        break start + SignedDuration::from_secs(seconds);
    };
    // The cube of an even number between 0 and 1: a tenth of the accounts make half of the records.
    let user = user_id(fraction(random.f64().powi(3), users));
    let (provider, model, _) = MODELS[weighted(random, &MODELS.map(|(.., share)| share))];
    let (sent, received) = (tokens(random, 400.0), tokens(random, 250.0));
    let id = format!("fill/{}/{number}", clock::day(start));
    let failed = random.u32(0..100) < 2;
    // What failed is not billed.
    let billed = || list_cost(provider, model, &TokenCounts::text(sent, received), at);
    let cost = if failed { Some(Cost::ZERO) } else { billed() };
    let stored = cost.unwrap_or_default();
    doc! {
        "_id": id, "userId": user, "provider": provider, "model": model,
        "promptTokens": signed(sent), "completionTokens": signed(received),
        "costMicros": signed(stored.whole_micros()), "costPicos": signed(stored.picos_left()), "priced": cost.is_some(),
        "latencyMs": random.i64(200..9_000), "success": !failed,
        "occurredAt": at, "receivedAt": at,
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `of`")]
fn fraction(share: f64, of: u32) -> u32 {
    (share * f64::from(of)) as u32
}

/// One chunk is made while the server works on the one before.
async fn insert_all(
    mongo: &Mongo,
    collection: &str,
    mut documents: impl ExactSizeIterator<Item = Document>,
) -> anyhow::Result<()> {
    let total = documents.len();
    let chunks = iter::from_fn(|| Some(documents.by_ref().take(CHUNK).collect::<Vec<_>>()).filter(|c| !c.is_empty()));
    let mut inserts = stream::iter(chunks).map(|chunk| insert(mongo, collection, chunk)).buffered(2);
    let mut done = 0;
    while let Some(inserted) = inserts.try_next().await? {
        done += inserted;
        eprint!("\r{collection}: {done} of {total}");
        stderr().flush()?;
    }
    eprintln!();
    Ok(())
}

/// What is there already stays. Tells how many they are.
async fn insert(mongo: &Mongo, collection: &str, chunk: Vec<Document>) -> anyhow::Result<usize> {
    let write =
        async |database: Database| database.collection::<Document>(collection).insert_many(&chunk).ordered(false).await;
    match mongo.run(WORK_TIMEOUT, write).await {
        Err(Error::Refused(error)) if only_duplicates(&error).is_some() => {}
        outcome => drop(outcome?),
    }
    Ok(chunk.len())
}
