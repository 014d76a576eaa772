//! What a caller and the queue see when something fails, how long it takes, and that nothing is lost.
//! `cargo local test -- faults --nocapture` prints a line for each fault.
//!
//! Elsewhere: servers that are away (`outages`, `events_are_not_lost`), sockets that died (`sockets`), and what a
//! failover does to each kind of write (`failover`).

mod answers;
mod aws;
mod batches;
pub(crate) mod clock;
mod failovers;
mod repeats;
mod ways;

use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Database;
use serde_json::{Value, json};
use tests::{
    host::{Function, Outcome},
    http_event::Answer,
    proxy::Proxy,
    test_env::{Person, TestEnv},
};

/// The longest that a caller waits for an answer, whatever has failed.
const ROUTE_TIMEOUT: Duration = Duration::from_millis(3500);
/// A consumer's bulk insert has 25 s; the function has 60.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(27);
/// The longest that the first request takes that meets no fault any more.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(1);
/// The collections that a test's batch goes to, in the order in which the consumer writes them.
pub(crate) const COLLECTIONS: [&str; 3] = ["affiliate_clicks", "analytics_events", "api_key_usage"];
pub(crate) const PER_COLLECTION: usize = 100;

/// A function behind a proxy to MongoDB.
async fn behind_proxy(env: &TestEnv, name: &str) -> (Function, Proxy) {
    let proxy = Proxy::to(env.stack.mongodb_address()).await;
    let uri = proxy.uri();
    let mut variables = env.variables();
    variables.extend([("MONGODB_URI", uri.as_str()), ("REDIS_URL", "")]);
    (Function::start(name, &variables).await, proxy)
}

/// A batch from the queue: a message for each event, the collections in turn.
pub(crate) fn batch() -> Value {
    let at = shared::clock::now();
    let record = |n: usize| {
        let id = uuid::Uuid::now_v7().to_string();
        match n % COLLECTIONS.len() {
            0 => json!({"kind": "affiliate_click", "id": id, "linkId": "l", "occurredAt": at}),
            1 => json!({"kind": "analytics", "id": id, "promptId": "p", "event": "view", "occurredAt": at}),
            _ => {
                json!({"kind": "api_key_usage", "id": id, "userId": "u", "keyId": "k", "status": "success", "occurredAt": at})
            }
        }
    };
    let message = |n: usize| json!({"messageId": n.to_string(), "body": json!({"records": [record(n)]}).to_string()});
    json!({"Records": (0..COLLECTIONS.len() * PER_COLLECTION).map(message).collect::<Vec<_>>()})
}

/// How many events are stored, by collection.
pub(crate) async fn stored(database: &Database) -> Vec<usize> {
    let mut counts = Vec::new();
    for name in COLLECTIONS {
        let count = database.collection::<Document>(name).count_documents(doc! {}).await.unwrap();
        counts.push(usize::try_from(count).unwrap());
    }
    counts
}

/// Replaces somebody's preferences: two operations, to know the caller and to write.
async fn replace_preferences(route: &Function, who: &Person) -> (Answer, Duration) {
    let authorization = format!("Bearer {}", who.token);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let started = Instant::now();
    let body = json!({"emailEnabled": false}).to_string();
    let answer = route.send("PUT", "/api/user/notification-preferences", &headers, Some(&body)).await;
    (answer, started.elapsed())
}

/// Success, or 503 with the time after which to try again; and in time.
pub(crate) fn check_answer(fault: &str, answer: &Answer, took: Duration) {
    let refused = answer.status == 503 && answer.header("retry-after") == "5";
    assert!(matches!(answer.status, 200..=202) || refused, "{fault}: {} {}", answer.status, answer.text);
    assert!(took < ROUTE_TIMEOUT, "{fault}: {took:?}");
}

/// The next request after a fault: served, and as if nothing had been.
pub(crate) fn check_next(fault: &str, served: bool, took: Duration) {
    assert!(served, "{fault}: it does not recover by itself");
    assert!(took < RECOVERY_TIMEOUT, "{fault}: the next request took {took:?}");
}

/// Hands a batch to a consumer: whether it is done, or fails as a whole, so that SQS delivers it again.
pub(crate) async fn deliver(consumer: &Function, batch: &Value) -> (bool, Duration) {
    let started = Instant::now();
    let done = match consumer.invoke(batch.clone()).await {
        Outcome::Response(response) => {
            assert_eq!(response, json!({"batchItemFailures": []}));
            true
        }
        Outcome::Error(_) => false,
    };
    assert!(started.elapsed() < CONSUMER_TIMEOUT, "{:?}", started.elapsed());
    (done, started.elapsed())
}

pub(crate) fn seen_by_queue(done: bool) -> &'static str {
    if done { "stored" } else { "invocation error" }
}

pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.2}", took.as_secs_f64())
}
