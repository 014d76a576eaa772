//! How many sockets a function holds, and when.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use mongodb::Database;
use serde_json::json;
use serial_test::{parallel, serial};
use tests::{
    eventually,
    host::{Function, Outcome},
    proxy::Proxy,
    stack::{Stack, connections, stack},
    template::functions,
};

/// One monitor for the one node of the test's server, and one pooled connection. On a cluster of three
/// nodes the same client has three monitors: 4 in all, and these 2 at the primary.
const PER_ENVIRONMENT: u32 = 2;

#[tokio::test]
#[parallel(stack)]
async fn a_consumer_opens_nothing_before_its_first_write_and_leaves_nothing_after_sigterm() {
    let stack = stack();
    let proxy = Proxy::to(stack.mongodb_address()).await;
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port);
    let database = stack.scratch().await;
    // FUNCTION_NAME alone makes the driver stream, with a socket more per node, unless it is told not to.
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", database.name()), ("FUNCTION_NAME", "x")];
    let function = Function::start("write-events", &variables).await;
    assert_eq!(proxy.total(), 0, "before the first operation");

    let event = json!({"Records": [click("1")]});
    for _ in 0..10 {
        assert!(matches!(function.invoke(event.clone()).await, Outcome::Response(_)));
    }
    let per_environment = PER_ENVIRONMENT as usize;
    assert_eq!((proxy.open(), proxy.total()), (per_environment, per_environment), "warm");
    let counted = function.metric("MongoSocketsOpen");
    assert_eq!(
        counted.last().map(|line| &line["MongoSocketsOpen"]),
        Some(&json!(2.0)),
        "the ledger agrees: {counted:?}"
    );

    assert!(function.retire().await, "it ends by itself on SIGTERM");
    eventually("no socket is left", 1, async || (proxy.open() == 0).then_some(())).await;
}

#[tokio::test]
#[parallel(stack)]
async fn a_client_whose_sockets_died_is_replaced_at_once() {
    let stack = stack();
    let proxy = Proxy::to(stack.mongodb_address()).await;
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port);
    let database = stack.scratch().await;
    let function =
        Function::start("write-events", &[("MONGODB_URI", uri.as_str()), ("DB_NAME", database.name())]).await;
    let event = json!({"Records": []});
    assert!(matches!(function.invoke(event).await, Outcome::Response(_)));
    let write = |id: &str| json!({"Records": [click(id)]});
    assert!(matches!(function.invoke(write("1")).await, Outcome::Response(_)));
    proxy.cut();
    let Outcome::Error(error) = function.invoke(write("2")).await else { panic!("an outage must fail the invocation") };
    assert!(!error.to_string().contains("mongodb://"));
    proxy.restore();
    let started = Instant::now();
    assert!(matches!(function.invoke(write("2")).await, Outcome::Response(_)));
    println!("first write after an outage: {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// Every capped function driven above its cap at once, the content routes without published content,
/// so that each of their environments has to ask MongoDB.
#[tokio::test]
#[serial(stack)]
async fn under_a_load_that_saturates_every_cap_the_total_stays_within_the_budget() {
    let stack = stack();
    let database = stack.database().await;
    let mut published = Vec::new();
    for route in CONTENT_ROUTES {
        published.push(stack.set_variable(route, "CONTENT_URL", "file:///nowhere").await);
    }
    let before = connections(&database).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let load = async { join(call_routes(&stack, deadline), call_jobs(&stack, deadline)).await };
    let (counts, peak) = join(load, watch(&database, deadline)).await;
    for (route, url) in CONTENT_ROUTES.iter().zip(published) {
        stack.set_variable(route, "CONTENT_URL", &url).await;
    }
    let (answered, refused) = (counts.0.0 + counts.1.0, counts.0.1 + counts.1.1);
    let reserved: u64 = functions().iter().filter_map(|function| function.cap["M0"]).sum();
    let budget = i64::try_from(reserved).unwrap() * i64::from(PER_ENVIRONMENT);
    println!(
        "saturation: {answered} answered, {refused} refused; connections before {before}, peak {peak}, budget {budget}"
    );
    assert!(answered > 100 && refused > 0, "the load reached the caps");
    assert!(peak > before, "the functions did open connections");
    assert!(peak - before <= budget);
}

const CONTENT_ROUTES: [&str; 4] = ["prompts", "prompt", "patterns", "learning"];

async fn call_routes(stack: &Stack, deadline: Instant) -> (u32, u32) {
    let client = reqwest::Client::new();
    let paths = ["/api/prompts", "/api/prompts/none", "/api/patterns", "/api/learning", "/api/stats"];
    let callers = paths.iter().cycle().take(paths.len() * 8).map(async |path| {
        let (mut answered, mut refused) = (0, 0);
        while Instant::now() < deadline {
            let answer = client.get(format!("{}{path}", stack.api_url)).send().await.unwrap();
            match answer.status().as_u16() {
                429 | 503 => refused += 1,
                status => {
                    assert!(status < 500, "{path}: {status}");
                    answered += 1;
                }
            }
        }
        (answered, refused)
    });
    sum(join_all(callers).await)
}

async fn call_jobs(stack: &Stack, deadline: Instant) -> (u32, u32) {
    let jobs = [
        "monitor-connections",
        "roll-up-analytics",
        "refresh-stats",
        "export-content",
        "write-events",
        "send-notifications",
    ];
    let callers = jobs.iter().cycle().take(jobs.len() * 3).map(async |job| {
        let event = match *job {
            "write-events" => json!({"Records": [click("saturation")]}),
            "send-notifications" => json!({"Records": [notice("saturation")]}),
            _ => json!({}),
        };
        let (mut answered, mut refused) = (0, 0);
        while Instant::now() < deadline {
            match stack.invoke(job, &event).await {
                (429, _) => {
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (status, body) => {
                    assert!(status < 300, "{job}: {status} {body}");
                    answered += 1;
                }
            }
        }
        (answered, refused)
    });
    sum(join_all(callers).await)
}

fn sum(counts: Vec<(u32, u32)>) -> (u32, u32) {
    counts.into_iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
}

async fn watch(database: &Database, deadline: Instant) -> i64 {
    let mut peak = 0;
    while Instant::now() < deadline {
        peak = peak.max(connections(database).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    peak
}

/// A queue message with one event.
fn click(id: &str) -> serde_json::Value {
    let record = json!({"kind": "affiliate_click", "id": id, "linkId": "l", "occurredAt": "2026-01-01T00:00:00Z"});
    json!({"messageId": "m", "body": json!({"records": [record]}).to_string()})
}

/// A queue message with one notification.
fn notice(id: &str) -> serde_json::Value {
    let channel = json!({"kind": "email", "to": "saturation@example.com"});
    let notification = json!({"id": id, "channel": channel, "template": {"kind": "mfa_enabled"}});
    json!({"messageId": "m", "body": notification.to_string()})
}
