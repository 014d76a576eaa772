//! The consumer's whole way (JSON event in, parse, bulk insert, answer) against a bare `insert_many` of the same
//! documents, in turns.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use shared::clock;
use tests::{figures::percentile, host::Outcome};

use super::Bench;

const RECORDS: usize = 10_000;
const ROUNDS: usize = 5;

pub(crate) async fn print(bench: &Bench) {
    let function = bench.start("write-events", &[]).await;
    let bare = bench.env.database.collection::<Document>("bare");
    let events = bench.env.database.collection::<Document>("analytics_events");
    let indexes: Vec<_> = events.list_indexes().await.unwrap().try_collect().await.unwrap();
    bare.create_indexes(indexes).await.unwrap();
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
                let record = json!({"kind": "analytics", "id": id, "promptId": "p", "event": "view", "occurredAt": clock::now()});
                json!({"messageId": id, "body": json!({"records": [record]}).to_string()})
            })
            .collect();
        assert!(matches!(function.invoke(json!({"Records": messages})).await, Outcome::Response(_)));
        ours.push(function.took());
    }
    let rate = |times: &mut Vec<Duration>| RECORDS as f64 / percentile(times, 50).as_secs_f64();
    let (ours, theirs) = (rate(&mut ours), rate(&mut theirs));
    println!(
        "\nconsumer: {ours:.0} documents/s in one environment; bare insert_many of the same: {theirs:.0}/s; ratio {:.2}",
        ours / theirs
    );
}
