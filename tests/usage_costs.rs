//! What usage costs the database: commands, counted on their way to it. And what is left when a job stops half way.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    time::Instant,
};

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde_json::{Value, json};
use shared::clock;
use tests::{
    host::{Function, Outcome},
    own_queue::OwnQueue,
    root,
    stack::stack,
    template,
    test_env::TestEnv,
    wiretap::Wiretap,
};

async fn tapped() -> (TestEnv, Wiretap) {
    let wiretap = Wiretap::to(stack().mongodb_address()).await;
    let uri = wiretap.uri();
    (TestEnv::with(&stack().redis_url.clone().unwrap_or_default(), &uri).await, wiretap)
}

async fn run(job: &Function, at: &str) -> Value {
    match job.invoke(json!({"at": at})).await {
        Outcome::Response(summary) => summary,
        Outcome::Error(error) => panic!("{error}"),
    }
}

/// As somebody at a terminal does.
fn db(env: &TestEnv, arguments: &[&str]) -> Output {
    Command::new(root().join("target/debug/db"))
        .args(arguments)
        .envs([("MONGODB_URI", env.stack.mongodb_uri.as_str()), ("DB_NAME", env.database.name())])
        .output()
        .unwrap()
}

fn fill(env: &TestEnv, from: &str, days: u32, records: u32) {
    let started = Instant::now();
    let (days, number) = (days.to_string(), records.to_string());
    let output = db(env, &["fill", "--from", from, "--days", &days, "--records", &number]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{records} records filled in {:?}", started.elapsed());
}

#[tokio::test]
async fn a_thousand_records_cost_one_write() {
    let (env, wiretap) = tapped().await;
    let consumer = env.function("write-events").await;
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

/// Panics when a function took more memory than the template gives it.
pub(crate) fn fits(name: &str, function: &Function) {
    let (took, given) = (function.peak_memory_mb(), template::Function::named(name).memory_mb);
    println!("{name}: {took} MB of {given}");
    assert!(took < given, "{name}: {took} MB of {given}");
}

#[tokio::test]
async fn the_daily_report_over_300_000_records_costs_four_operations() {
    let (env, wiretap) = tapped().await;
    // All of them on the days that are still open: as much as a run ever reads.
    fill(&env, "2028-02-22", 8, 300_000);
    let daily = env.function("daily-usage-report").await;
    let started = Instant::now();
    let summary = run(&daily, "2028-03-01T01:00:00Z").await;
    let (took, operations) = (started.elapsed(), wiretap.take());
    println!("the daily report over 300,000 records: {took:?}, {operations:?}");
    assert!(operations.values().sum::<u64>() <= 5, "{operations:?}");
    let reports = env.database.collection::<Document>("usage_reports").find(doc! {}).await.unwrap();
    let reports: Vec<Document> = reports.try_collect().await.unwrap();
    let requests = |kind: &str| {
        let of_kind = reports.iter().filter(|report| report.get_str("kind").unwrap() == kind);
        let sum = |report: &Document| report.get_document("totals").unwrap().get_i64("requests").unwrap();
        of_kind.map(sum).collect::<Vec<_>>()
    };
    assert_eq!((requests("daily").len(), requests("daily").iter().sum::<i64>()), (8, 300_000));
    assert_eq!(summary["day"], "2028-02-29");
    fits("daily-usage-report", &daily);

    // Every other job, with as much to do.
    for (name, at) in [
        ("monthly-analytics", "2028-03-01T02:00:00Z"),
        ("check-usage-alerts", "2028-03-01T02:15:00Z"),
        ("roll-up-analytics", "2028-03-01T02:10:00Z"),
        ("refresh-stats", "2028-03-01T02:20:00Z"),
        ("monitor-connections", "2028-03-01T02:00:00Z"),
        ("sweep", "2028-03-01T02:00:00Z"),
    ] {
        let published = tempfile::tempdir().unwrap();
        let url = format!("file://{}", published.path().display());
        let job = env.function_with(name, &[("REDIS_URL", ""), ("CONTENT_URL", &url)]).await;
        wiretap.take();
        let started = Instant::now();
        run(&job, at).await;
        println!("{name}: {:?}, {:?}", started.elapsed(), wiretap.take());
        fits(name, &job);
    }
}

#[tokio::test]
async fn a_filled_month_has_its_whole_report() {
    let env = TestEnv::new().await;
    let output =
        db(&env, &["fill", "--from", "2028-02-01", "--days", "29", "--users", "50", "--records", "5000", "--reports"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reports = env.database.collection::<Document>("usage_reports");
    assert_eq!(reports.count_documents(doc! {"kind": "daily"}).await.unwrap(), 29);
    let month = reports.find_one(doc! {"_id": "monthly/2028-02"}).await.unwrap().unwrap();
    assert_eq!(month.get_document("totals").unwrap().get_i64("requests").unwrap(), 5000);
    let number = |field: &str| month.get_array(field).unwrap().len();
    assert_eq!([number("days"), number("models"), number("topUsers"), number("topPrompts")], [29, 6, 10, 20]);
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 50);
}

/// A job that stops after each of so many commands, and then runs as if nothing had been.
async fn stop_after(wiretap: &Wiretap, job: &Function, commands: i64, at: &str) {
    wiretap.end_after(commands);
    let stopped = job.invoke(json!({"at": at})).await;
    assert!(matches!(stopped, Outcome::Error(_)), "after {commands} commands: {stopped:?}");
    wiretap.end_after(i64::MAX);
    run(job, at).await;
}

#[tokio::test]
async fn a_report_that_stops_half_way_is_made_good_by_its_next_run() {
    let whole = TestEnv::new().await;
    fill(&whole, "2028-02-25", 5, 2_000);
    run(&whole.function("daily-usage-report").await, "2028-03-01T01:00:00Z").await;
    run(&whole.function("monthly-analytics").await, "2028-03-01T02:00:00Z").await;
    let expected = state(&whole.database, &["usage_daily", "usage_reports"]).await;
    for commands in 1..6 {
        let (env, wiretap) = tapped().await;
        fill(&env, "2028-02-25", 5, 2_000);
        for (job, at, its_commands) in
            [("daily-usage-report", "2028-03-01T01:00:00Z", 4), ("monthly-analytics", "2028-03-01T02:00:00Z", 6)]
        {
            let job = env.function(job).await;
            if commands < its_commands {
                stop_after(&wiretap, &job, commands, at).await;
            } else {
                run(&job, at).await;
            }
        }
        let state = state(&env.database, &["usage_daily", "usage_reports"]).await;
        assert_eq!(state, expected, "after {commands} commands");
    }
}

#[tokio::test]
async fn a_roll_up_that_stops_half_way_is_made_good_by_its_next_run() {
    let at = |hour: u32| bson::DateTime::parse_rfc3339_str(format!("2028-02-29T{hour:02}:00:00Z")).unwrap();
    let set_up = async |env: &TestEnv| {
        let events = (0..200_u32).map(|n| {
            let event = ["view", "copy", "execute"][n as usize % 3];
            doc! {"_id": n, "promptId": format!("p{}", n % 7), "event": event, "occurredAt": at(n % 24)}
        });
        env.database.collection("analytics_events").insert_many(events).await.unwrap();
        let prompts = (0..7).map(|n| doc! {"_id": format!("p{n}"), "slug": format!("p{n}"), "views": 0});
        env.database.collection("prompts").insert_many(prompts).await.unwrap();
    };
    let whole = TestEnv::new().await;
    set_up(&whole).await;
    run(&whole.function("roll-up-analytics").await, "2028-03-01T00:10:00Z").await;
    let expected = state(&whole.database, &["prompt_daily", "prompts"]).await;
    for commands in 0..2 {
        let (env, wiretap) = tapped().await;
        set_up(&env).await;
        stop_after(&wiretap, &env.function("roll-up-analytics").await, commands, "2028-03-01T00:10:00Z").await;
        let state = state(&env.database, &["prompt_daily", "prompts"]).await;
        assert_eq!(state, expected, "after {commands} commands");
    }
}

#[tokio::test]
async fn alerts_whose_check_stops_half_way_are_told_by_its_next_run() {
    for commands in 0..7 {
        let (env, wiretap) = tapped().await;
        let queue = OwnQueue::new(&env.stack).await;
        alerts(&env, 4, 1).await;
        let check = env.function_with("check-usage-alerts", &[("NOTIFICATIONS_QUEUE_URL", &queue.url)]).await;
        stop_after(&wiretap, &check, commands, "2028-02-29T10:00:00Z").await;
        assert_eq!(run(&check, "2028-02-29T11:00:00Z").await["told"], 0, "after {commands} commands");
        // What was sent and could not be noted comes again under its id, and whoever sends mails knows it.
        let messages = queue.messages().await;
        let ids: BTreeSet<&str> = messages.iter().map(|message| message["id"].as_str().unwrap()).collect();
        queue.delete().await;
        assert_eq!(ids.len(), 40, "after {commands} commands: {ids:?}");
        let firings = env.database.collection::<Document>("usage_alert_firings");
        assert_eq!(firings.count_documents(doc! {"told": true}).await.unwrap(), 4 * 40, "after {commands} commands");
    }
}

async fn state(database: &Database, collections: &[&str]) -> Vec<Document> {
    let mut all = Vec::new();
    for name in collections {
        let found = database.collection::<Document>(name).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
        all.extend(found.try_collect::<Vec<_>>().await.unwrap());
    }
    all
}

/// Ten alerts of each of so many accounts, which have made one request.
async fn alerts(env: &TestEnv, accounts: u32, threshold: i64) {
    let users = (0..accounts).map(|n| {
        doc! {
            "_id": format!("u{n:04}"), "email": format!("u{n:04}@{}.example.com", env.database.name()), "role": "user",
            "name": "Somebody", "plan": "free", "status": "active", "createdAt": clock::now(),
            "emailVerifiedAt": clock::now(),
        }
    });
    env.users().insert_many(users).await.unwrap();
    let alerts = (0..accounts * 10).map(|n| {
        doc! {
            "_id": format!("a{n:05}"), "userId": format!("u{:04}", n / 10), "metric": "requests", "period": "monthly",
            "threshold": threshold, "active": true, "createdAt": clock::now(),
        }
    });
    env.database.collection("usage_alerts").insert_many(alerts).await.unwrap();
    let at = bson::DateTime::parse_rfc3339_str("2028-02-29T09:00:00Z").unwrap();
    let records = (0..accounts).map(|n| {
        doc! {
            "_id": format!("r{n}"), "userId": format!("u{n:04}"), "provider": "p", "model": "m", "promptTokens": 1,
            "completionTokens": 1, "costMicros": 1_i64, "success": true, "occurredAt": at,
        }
    });
    env.database.collection("ai_usage").insert_many(records).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_alerts_cost_a_handful_of_operations() {
    let (env, wiretap) = tapped().await;
    let queue = OwnQueue::new(&env.stack).await;
    alerts(&env, 1_000, 2).await;
    // All are at 50 %, of which a tenth of the owners wants to hear.
    let fifty = doc! {"$set": {"notificationPreferences": {"thresholds": {"fifty": true}}}};
    env.users().update_many(doc! {"_id": {"$lt": "u0100"}}, fifty).await.unwrap();
    let check = env.function_with("check-usage-alerts", &[("NOTIFICATIONS_QUEUE_URL", &queue.url)]).await;
    let started = Instant::now();
    let checked = run(&check, "2028-02-29T10:00:00Z").await;
    let (took, operations) = (started.elapsed(), wiretap.take());
    println!("10,000 alerts of 1,000 accounts, all of them due: {took:?}, {operations:?}, {checked}");
    assert_eq!(checked, json!({"alerts": 10_000, "fired": 10_000, "told": 1_000}));
    // And a note for each 200 that are told.
    assert!(operations.values().sum::<u64>() <= 10 + 1_000 / 200, "{operations:?}");

    let started = Instant::now();
    let checked = run(&check, "2028-02-29T11:00:00Z").await;
    let (took, operations) = (started.elapsed(), wiretap.take());
    println!("10,000 alerts, an hour later: {took:?}, {operations:?}, {checked}");
    assert_eq!(checked, json!({"alerts": 10_000, "fired": 0, "told": 0}));
    assert!(!operations.contains_key("insert") && operations.values().sum::<u64>() <= 7, "{operations:?}");
    fits("check-usage-alerts", &check);
    queue.delete().await;
}
