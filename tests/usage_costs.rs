//! What usage costs the database: commands, counted on their way to it. And what is left when a job stops half way.

use std::{process::Command, time::Instant};

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde_json::{Value, json};
use serial_test::parallel;
use shared::clock;
use tests::{
    host::{Function, Outcome},
    people::Town,
    stack::stack,
    wiretap::Wiretap,
};

async fn tapped() -> (Town, Wiretap) {
    let wiretap = Wiretap::to(stack().mongodb_address()).await;
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", wiretap.port);
    (Town::with(&stack().redis_url.clone().unwrap_or_default(), &uri).await, wiretap)
}

async fn run(job: &Function, at: &str) -> Value {
    match job.invoke(json!({"at": at})).await {
        Outcome::Response(summary) => summary,
        Outcome::Error(error) => panic!("{error}"),
    }
}

/// As somebody at a terminal does: `cargo db fill`.
fn fill(town: &Town, from: &str, days: u32, records: u32) {
    let started = Instant::now();
    let output = Command::new("cargo")
        .current_dir("..")
        .args(["db", "fill", "--from", from, "--days", &days.to_string(), "--records", &records.to_string()])
        .envs([("MONGODB_URI", town.stack.mongodb_uri.as_str()), ("DB_NAME", town.database.name())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{records} records filled in {:?}", started.elapsed());
}

#[tokio::test]
#[parallel(stack)]
async fn a_thousand_records_cost_one_write() {
    let (town, wiretap) = tapped().await;
    let consumer = town.function("write-events").await;
    let record = |n: usize| {
        json!({"kind": "ai_usage", "id": format!("u/{n}"), "userId": "u", "provider": "p", "model": "m", "promptTokens": 1,
            "completionTokens": 2, "costMicros": 3, "priced": true, "latencyMs": 4, "success": true,
            "occurredAt": "2028-02-29T12:00:00Z", "receivedAt": "2028-02-29T12:00:00Z"})
    };
    let messages: Vec<Value> = (0..10)
        .map(|message| {
            let records: Vec<Value> = (0..100).map(|n| record(message * 100 + n)).collect();
            json!({"messageId": message.to_string(), "body": json!({"records": records}).to_string()})
        })
        .collect();
    let outcome = consumer.invoke(json!({"Records": messages})).await;
    assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
    let operations = wiretap.take();
    println!("1,000 records: {operations:?}");
    assert_eq!(operations.into_iter().collect::<Vec<_>>(), [("insert".to_owned(), 1)]);
}

#[tokio::test]
#[parallel(stack)]
async fn the_daily_report_over_300_000_records_costs_four_operations() {
    let (town, wiretap) = tapped().await;
    // All of them on the days that are still open: as much as a run ever reads.
    fill(&town, "2028-02-22", 8, 300_000);
    let daily = town.function("daily-usage-report").await;
    let started = Instant::now();
    let summary = run(&daily, "2028-03-01T01:00:00Z").await;
    let (took, operations, memory) = (started.elapsed(), wiretap.take(), daily.peak_memory_mb());
    println!("the daily report over 300,000 records: {took:?}, {memory} MB, {operations:?}");
    assert!(operations.values().sum::<u64>() <= 5, "{operations:?}");
    assert!(memory < 512, "the template gives it 512 MB");
    let reports = town.database.collection::<Document>("usage_reports").find(doc! {}).await.unwrap();
    let reports: Vec<Document> = reports.try_collect().await.unwrap();
    let requests = |report: &Document| report.get_document("totals").unwrap().get_i64("requests").unwrap();
    assert_eq!((reports.len(), reports.iter().map(requests).sum::<i64>()), (8, 300_000));
    assert_eq!(summary["day"], "2028-02-29");
}

#[tokio::test]
#[parallel(stack)]
async fn a_job_that_stops_half_way_is_made_good_by_its_next_run() {
    let whole = Town::new().await;
    fill(&whole, "2028-02-25", 5, 2_000);
    run(&whole.function("daily-usage-report").await, "2028-03-01T01:00:00Z").await;
    run(&whole.function("monthly-analytics").await, "2028-03-01T02:00:00Z").await;
    let expected = state(&whole.database).await;
    for commands in 1..4 {
        let (town, wiretap) = tapped().await;
        fill(&town, "2028-02-25", 5, 2_000);
        for (job, at) in [("daily-usage-report", "2028-03-01T01:00:00Z"), ("monthly-analytics", "2028-03-01T02:00:00Z")]
        {
            let job = town.function(job).await;
            wiretap.end_after(commands);
            let stopped = job.invoke(json!({"at": at})).await;
            assert!(matches!(stopped, Outcome::Error(_)), "after {commands} commands: {stopped:?}");
            wiretap.end_after(i64::MAX);
            run(&job, at).await;
        }
        assert_eq!(state(&town.database).await, expected, "after {commands} commands");
    }
}

async fn state(database: &Database) -> Vec<Document> {
    let mut all = Vec::new();
    for name in ["usage_daily", "usage_reports"] {
        let found = database.collection::<Document>(name).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
        all.extend(found.try_collect::<Vec<_>>().await.unwrap());
    }
    all
}

#[tokio::test]
#[parallel(stack)]
async fn ten_thousand_alerts_cost_a_handful_of_operations() {
    let (town, wiretap) = tapped().await;
    let alerts: Vec<Document> = (0..10_000)
        .map(|n| doc! {
            "_id": format!("a{n:05}"), "userId": format!("u{:04}", n / 10), "metric": "requests", "period": "monthly",
            "threshold": 2_i64, "active": true, "createdAt": clock::to_bson(clock::now()),
        })
        .collect();
    town.database.collection("usage_alerts").insert_many(alerts).await.unwrap();
    let at = bson::DateTime::parse_rfc3339_str("2028-02-29T09:00:00Z").unwrap();
    let records = (0..1_000).map(|n| doc! {
        "_id": n, "userId": format!("u{n:04}"), "provider": "p", "model": "m", "promptTokens": 1, "completionTokens": 1,
        "costMicros": 1_i64, "success": true, "occurredAt": at,
    });
    town.database.collection("ai_usage").insert_many(records).await.unwrap();
    let check = town.function("check-usage-alerts").await;
    let started = Instant::now();
    let checked = run(&check, "2028-02-29T10:00:00Z").await;
    let (took, operations) = (started.elapsed(), wiretap.take());
    println!("10,000 alerts of 1,000 accounts: {took:?}, {operations:?}, {checked}");
    assert_eq!((&checked["alerts"], &checked["fired"]), (&json!(10_000), &json!(10_000)), "each at 50 %");
    assert!(operations.values().sum::<u64>() <= 10, "{operations:?}");
}
