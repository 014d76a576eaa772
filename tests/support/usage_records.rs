//! Records of AI usage as tests send them, and what they add up to by the tests' own count.

use std::collections::BTreeMap;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use serde_json::{Value, json};

use crate::host::{Function, Outcome};

/// Micro-dollars for a million tokens sent, and received; `None` for a model that has no price.
pub const MODELS: [(&str, Option<(u64, u64)>); 4] = [
    ("gpt-4o", Some((2_500_000, 10_000_000))),
    ("claude-3-haiku", Some((250_000, 1_250_000))),
    ("a-model-without-a-price", None),
    ("gpt-4o-mini", Some((150_000, 600_000))),
];

/// What a test sent, added up by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub requests: u64,
    pub failed: u64,
    pub unpriced: u64,
    pub sent: u64,
    pub received: u64,
    /// Pico-dollars.
    pub cost: u64,
}

impl Sum {
    pub fn of(totals: &Value) -> Self {
        let number = |field: &str| totals[field].as_u64().unwrap_or_else(|| panic!("{field} in {totals}"));
        Self {
            requests: number("requests"),
            failed: number("failed"),
            unpriced: number("unpriced"),
            sent: number("promptTokens"),
            received: number("completionTokens"),
            cost: number("costMicros") * PICOS,
        }
    }

    /// As reports show it: the cost to the nearest micro-dollar.
    #[must_use]
    pub fn shown(self) -> Self {
        Self { cost: (self.cost + PICOS / 2) / PICOS * PICOS, ..self }
    }
}

/// Pico-dollars in a micro-dollar.
const PICOS: u64 = 1_000_000;

/// What a use costs, in pico-dollars.
pub fn cost(price: (u64, u64), sent: u64, received: u64) -> u64 {
    sent * price.0 + received * price.1
}

/// A record as the queue carries it.
pub fn record(user: &str, number: usize, at: &str) -> Value {
    let (model, price) = MODELS[number % MODELS.len()];
    let (sent, received) = (1000 + number as u64 * 7, 13 + number as u64);
    let at: Timestamp = at.parse().unwrap();
    let cost = price.map(|price| cost(price, sent, received));
    json!({
        "kind": "ai_usage", "id": format!("{user}/{number}/{at}"), "userId": user, "provider": "p", "model": model,
        "promptTokens": sent, "completionTokens": received,
        "costMicros": cost.unwrap_or_default() / PICOS, "costPicos": cost.unwrap_or_default() % PICOS,
        "priced": cost.is_some(), "latencyMs": 5, "success": !number.is_multiple_of(5), "occurredAt": at, "receivedAt": at,
    })
}

/// Adds a record up: one of the queue, or one that a client sends, whose cost in pico-dollars is this.
pub fn add_priced(sums: &mut BTreeMap<String, Sum>, key: &str, record: &Value, cost: Option<u64>) {
    let sum = sums.entry(key.to_owned()).or_default();
    sum.requests += 1;
    sum.failed += u64::from(record["success"] == false);
    sum.unpriced += u64::from(cost.is_none());
    sum.sent += record["promptTokens"].as_u64().unwrap();
    sum.received += record["completionTokens"].as_u64().unwrap();
    sum.cost += cost.unwrap_or_default();
}

pub fn add(sums: &mut BTreeMap<String, Sum>, key: &str, record: &Value) {
    let cost = record["costMicros"].as_u64().filter(|_| record["priced"] == true);
    let cost = cost.map(|micros| micros * PICOS + record["costPicos"].as_u64().unwrap_or_default());
    add_priced(sums, key, record, cost);
}

pub async fn consume(consumer: &Function, records: &[Value]) {
    let body = json!({"records": records}).to_string();
    hand_over(consumer, &json!([{"messageId": "m", "body": body}])).await;
}

pub async fn hand_over(consumer: &Function, messages: &Value) {
    let outcome = consumer.invoke(json!({"Records": messages})).await;
    let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    assert_eq!(response["batchItemFailures"], json!([]));
}

pub async fn run(job: &Function, at: &str) -> Value {
    match job.invoke(json!({"at": at})).await {
        Outcome::Response(summary) => summary,
        Outcome::Error(error) => panic!("{error}"),
    }
}

pub async fn all(database: &Database, collection: &str) -> Vec<Document> {
    let found = database.collection::<Document>(collection).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
    found.try_collect().await.unwrap()
}
