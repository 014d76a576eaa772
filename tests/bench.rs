//! `cargo local bench`: figures of the release build on this machine. Compare ratios within one run:
//! machines differ, and are noisy.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use serde_json::{Value, json};
use tests::{
    content::audit_sized_prompts,
    host::{Function, Outcome},
    stack::{Stack, stack},
    template::{functions, root},
};

const STARTS: usize = 7;
const REQUESTS: usize = 2000;
const RECORDS: usize = 10_000;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let stack = stack();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prompts.json"), audit_sized_prompts().to_string()).unwrap();
    let content = format!("file://{}", folder.path().display());

    println!("\n| function | zip, KB | start to ready, ms |\n|---|---|---|");
    for function in functions() {
        let name = function.binary.as_str();
        let zip = std::fs::metadata(root().join("target/bench").join(name).join("bootstrap.zip")).unwrap().len();
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(start(name, &stack, &content, "promptlib").await.init);
        }
        println!("| `{name}` | {} | {:.1} |", zip / 1000, millis(percentile(&mut starts, 50)));
    }

    println!(
        "\n| request, content of 296 items and 800 KB from JSON | first, ms | warm p50, ms | warm p99, ms |\n|---|---|---|---|"
    );
    for (name, path) in [
        ("prompts", "/api/prompts"),
        ("prompts", "/api/prompts?search=vec%3Cstring%3E%20number&limit=100"),
        ("prompt", "/api/prompts/prompt-7"),
    ] {
        let function = start(name, &stack, &content, "promptlib").await;
        let first = timed(&function, path).await;
        let mut warm = Vec::new();
        for _ in 0..REQUESTS {
            warm.push(timed(&function, path).await);
        }
        let (p50, p99) = (percentile(&mut warm, 50), percentile(&mut warm, 99));
        println!("| `{path}` | {:.1} | {:.2} | {:.2} |", millis(first), millis(p50), millis(p99));
    }
    consumer(&stack, &content).await;
}

async fn start(name: &str, stack: &Stack, content: &str, database: &str) -> Function {
    let mut variables = stack.aws_variables();
    variables.extend([("CONTENT_URL", content), ("MONGODB_URI", &stack.mongodb_uri), ("DB_NAME", database)]);
    if let Some(redis) = &stack.redis_url {
        variables.push(("REDIS_URL", redis));
    }
    let binary: PathBuf = root().join("target/bench").join(name).join("bootstrap");
    Function::start_binary(&binary, name, &variables).await
}

async fn timed(function: &Function, path: &str) -> Duration {
    let started = Instant::now();
    let answer = function.get(path).await;
    assert_eq!(answer.status, 200);
    started.elapsed()
}

/// The consumer's whole way (JSON event in, parse, bulk insert, answer) against a bare `insert_many` of
/// the same documents, in turns.
async fn consumer(stack: &Stack, content: &str) {
    let database = stack.scratch().await;
    let function = start("write-events", stack, content, database.name()).await;
    let bare = database.collection::<Document>("bare");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ids: Vec<String> = (0..RECORDS).map(|_| uuid::Uuid::now_v7().to_string()).collect();
        let documents: Vec<Document> = ids
            .iter()
            .map(|id| doc! {"_id": id, "promptId": "p", "event": "view", "occurredAt": bson::DateTime::now()})
            .collect();
        let started = Instant::now();
        bare.insert_many(documents).ordered(false).await.unwrap();
        theirs.push(started.elapsed());
        let messages: Vec<Value> = ids
            .iter()
            .map(|id| {
                let record = json!({"kind": "analytics", "id": id, "promptId": "p", "event": "view", "occurredAt": "2026-11-01T00:00:00.000Z"});
                json!({"messageId": id, "body": json!({"records": [record]}).to_string()})
            })
            .collect();
        let event = json!({"Records": messages});
        let started = Instant::now();
        assert!(matches!(function.invoke(event).await, Outcome::Response(_)));
        ours.push(started.elapsed());
    }
    let rate = |times: &mut Vec<Duration>| RECORDS as f64 / percentile(times, 50).as_secs_f64();
    let (ours, theirs) = (rate(&mut ours), rate(&mut theirs));
    println!(
        "\nconsumer: {ours:.0} documents/s; bare insert_many of the same: {theirs:.0}/s; ratio {:.2}",
        ours / theirs
    );
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
