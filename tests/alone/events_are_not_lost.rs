//! What was accepted is stored, once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use axum::Router;
use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde_json::{Value, json};
use shared::{audit::AuditEntry, clock, mongo::to_json, queue::Queued};
use tests::{
    content::{starter_prompt, starter_url},
    eventually,
    host::{Function, Outcome, seed},
    stack::{Stack, stack},
    wiretap::Wiretap,
};
use tokio::net::TcpListener;

/// Seconds for the queue, the emulator's poller and the consumer.
const PATIENCE: u64 = 90;

/// A thousand events of one run, ten in a request.
fn thousand_events(stack_prompt: &str, run: &str) -> Vec<Value> {
    let event = |_| json!({"id": uuid::Uuid::now_v7().to_string(), "promptId": stack_prompt, "event": "copy", "sessionId": run});
    (0..100).map(|_| json!({"events": (0..10).map(event).collect::<Vec<_>>()})).collect()
}

async fn prompt_id(stack: &Stack) -> String {
    let page: Value =
        reqwest::get(format!("{}/api/prompts?limit=1", stack.api_url)).await.unwrap().json().await.unwrap();
    page["prompts"][0]["id"].as_str().unwrap().to_owned()
}

async fn post(stack: &Stack, requests: &[Value]) {
    let client = reqwest::Client::new();
    for request in requests {
        let answer = client.post(format!("{}/api/analytics/track", stack.api_url)).json(request).send().await.unwrap();
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert_eq!((status.as_u16(), &body["accepted"]), (202, &json!(10)), "{body}");
    }
}

async fn stored(database: &Database, run: &str) -> u64 {
    database
        .collection::<Document>("analytics_events")
        .count_documents(doc! {"sessionId": run, "occurredAt": {"$gte": bson::DateTime::MIN}})
        .await
        .unwrap()
}

async fn all_stored(database: &Database, run: &str) {
    let complete = async || (stored(database, run).await == 1000).then_some(());
    eventually("1,000 events in MongoDB", PATIENCE, complete).await;
}

async fn queue_is_empty(stack: &Stack) {
    eventually("the queue is empty", PATIENCE, async || {
        (stack.depth(&stack.events_queue_url).await == 0).then_some(())
    })
    .await;
}

/// Bulk inserts that the deployed consumer has made so far.
fn bulk_writes(stack: &Stack) -> u64 {
    let lines = stack.log_lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let summaries = lines.filter(|line| line["message"] == "batch written");
    let written = summaries.filter_map(|line| serde_json::from_str::<Value>(line["summary"].as_str()?).ok());
    written.filter_map(|written| written["writes"].as_u64()).sum()
}

#[tokio::test]
async fn a_thousand_events_are_stored_once_however_often_they_are_sent() {
    let (stack, run) = (stack(), uuid::Uuid::now_v7().to_string());
    let database = stack.database().await;
    let requests = thousand_events(&prompt_id(&stack).await, &run);
    queue_is_empty(&stack).await;
    // A hundred calls are nearly what a network has in a minute, and other tests call from this one.
    stack.forget_rates().await;
    let before = bulk_writes(&stack);
    post(&stack, &requests).await;
    all_stored(&database, &run).await;
    let writes = bulk_writes(&stack) - before;
    println!("1,000 events took {writes} bulk inserts");
    assert!((1..=100).contains(&writes), "{writes} bulk inserts for 1,000 events");
    stack.forget_rates().await;
    post(&stack, &requests).await;
    queue_is_empty(&stack).await;
    assert_eq!(stored(&database, &run).await, 1000);
    assert_eq!(stack.depth(&stack.events_dlq_url).await, 0);
}

#[tokio::test]
async fn odd_metadata_is_stored_as_it_was_sent() {
    let (stack, run) = (stack(), uuid::Uuid::now_v7().to_string());
    stack.forget_rates().await;
    let mut odd = [
        json!({"$": 1, "$date": "x", "a.b": false, "$numberLong": "1"}),
        json!({"$date": 1}),
        json!({"most": u64::MAX, "least": i64::MIN, "text": "\0"}),
        json!({"$oid": null}),
    ];
    let prompt = prompt_id(&stack).await;
    let event = |metadata| json!({"promptId": prompt, "event": "copy", "sessionId": run, "metadata": metadata});
    let request = json!({"events": odd.iter().map(event).collect::<Vec<_>>()});
    let url = format!("{}/api/analytics/track", stack.api_url);
    let answer = reqwest::Client::new().post(url).json(&request).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let database = stack.database().await;
    eventually("all of them in MongoDB", PATIENCE, async || (stored(&database, &run).await == 4).then_some(())).await;
    let events = database.collection::<RawDocumentBuf>("analytics_events");
    let events = events.find(doc! {"sessionId": &run}).sort(doc! {"_id": 1}).await.unwrap();
    let events: Vec<_> = events.try_collect().await.unwrap();
    let read: Vec<_> = events.iter().map(|event| to_json(event).unwrap().remove("metadata").unwrap()).collect();
    // What BSON has no whole number for.
    odd[2]["most"] = json!(18_446_744_073_709_551_615_f64);
    assert_eq!(read, odd);
    assert_eq!(stack.depth(&stack.events_dlq_url).await, 0);
}

#[tokio::test]
async fn one_malformed_message_among_a_thousand_goes_to_the_dead_letter_queue_alone() {
    let (stack, run) = (stack(), uuid::Uuid::now_v7().to_string());
    let database = stack.database().await;
    stack.set_visibility_timeout(2).await;
    let prompt = prompt_id(&stack).await;
    let mut bodies: Vec<String> = (0..1000)
        .map(|_| {
            let id = uuid::Uuid::now_v7().to_string();
            let event = json!({"kind": "analytics", "id": id, "promptId": prompt, "event": "copy", "sessionId": run, "occurredAt": clock::now()});
            json!({"records": [event]}).to_string()
        })
        .collect();
    bodies.insert(500, format!("{{\"records\":[{{\"kind\":\"analytics\",\"id\":\"{run}\""));
    send(&stack, &bodies).await;
    all_stored(&database, &run).await;
    eventually("it is in the DLQ", PATIENCE, async || (stack.depth(&stack.events_dlq_url).await == 1).then_some(()))
        .await;
    queue_is_empty(&stack).await;
    let dead = stack.sqs().receive_message().queue_url(&stack.events_dlq_url).send().await.unwrap();
    let dead = &dead.messages()[0];
    assert!(dead.body().unwrap().contains(&run), "the malformed one, as it was sent");
    let receipt = dead.receipt_handle().unwrap();
    stack.sqs().delete_message().queue_url(&stack.events_dlq_url).receipt_handle(receipt).send().await.unwrap();
    stack.set_visibility_timeout(390).await;
}

async fn send(stack: &Stack, bodies: &[String]) {
    for chunk in bodies.chunks(10) {
        let entries = chunk.iter().enumerate().map(|(index, body)| {
            SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build().unwrap()
        });
        let sent = stack
            .sqs()
            .send_message_batch()
            .queue_url(&stack.events_queue_url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .unwrap();
        assert!(sent.failed().is_empty());
    }
}

#[tokio::test]
async fn with_mongodb_stopped_events_wait_and_the_rest_works() {
    let (stack, run) = (stack(), uuid::Uuid::now_v7().to_string());
    // Deployed it is minutes, so that an outage of half an hour does not use up a message's five receives.
    stack.set_visibility_timeout(10).await;
    let requests = thousand_events(&prompt_id(&stack).await, &run);
    stack.forget_rates().await;
    post(&stack, &requests[..10]).await;
    local::stack::stop_server("mongodb").unwrap();
    post(&stack, &requests[10..]).await;
    for path in ["/api/prompts", "/api/patterns", "/api/learning", "/api/health", "/api/openapi.json"] {
        let answer = reqwest::get(format!("{}{path}", stack.api_url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    local::stack::start_server("mongodb").unwrap();
    let database = stack.database().await;
    eventually("MongoDB is back", 30, async || database.run_command(doc! {"ping": 1}).await.ok()).await;
    all_stored(&database, &run).await;
    queue_is_empty(&stack).await;
    assert_eq!(stack.depth(&stack.events_dlq_url).await, 0);
    stack.set_visibility_timeout(390).await;
}

#[tokio::test]
async fn ten_thousand_records_take_one_bulk_write_per_collection() {
    let stack = stack();
    let database = stack.scratch().await;
    let wiretap = Wiretap::to(stack.mongodb_address()).await;
    let uri = wiretap.uri();
    let function = Function::start("write-events", &[("MONGODB_URI", &uri), ("DB_NAME", database.name())]).await;
    let record = |n: usize| {
        let (id, at) = (uuid::Uuid::now_v7().to_string(), "2026-11-01T00:00:00.000Z");
        match n % 5 {
            0 => json!({"kind": "analytics", "id": id, "promptId": "p", "event": "view", "occurredAt": at}),
            1 => {
                json!({"kind": "ai_usage", "id": id, "userId": "u", "provider": "openai", "model": "m", "promptTokens": 1, "completionTokens": 2,
                "costMicros": 3, "priced": true, "latencyMs": 4, "success": true, "occurredAt": at, "receivedAt": at})
            }
            2 => {
                json!({"kind": "api_key_usage", "id": id, "userId": "u", "keyId": "k", "status": "success", "occurredAt": at})
            }
            3 => {
                json!(Queued(audit_entry(&id).signed(&seed("AUDIT_SEED"))))
            }
            _ => json!({"kind": "affiliate_click", "id": id, "linkId": "l", "occurredAt": at}),
        }
    };
    let messages: Vec<Value> = (0..10_000)
        .map(|n| json!({"messageId": n.to_string(), "body": json!({"records": [record(n)]}).to_string()}))
        .collect();
    let event = json!({"Records": messages});
    let started = Instant::now();
    let Outcome::Response(answer) = function.invoke(event.clone()).await else {
        panic!("it failed: {:?}", function.logs())
    };
    println!("10,000 records into 5 collections: {:?}", started.elapsed());
    let operations = BTreeMap::from([("insert".to_owned(), 5), ("update".to_owned(), 1)]);
    assert_eq!(wiretap.take(), operations, "on the wire; the update counts what anonymous events fill");
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(
        summary(&function).await,
        json!({"messages": 10_000, "inserted": 10_000, "duplicates": 0, "failed_messages": 0, "writes": 5})
    );
    let Outcome::Response(_) = function.invoke(event).await else { panic!("the second time failed") };
    assert_eq!(summary(&function).await["duplicates"], 10_000);
    for name in ["analytics_events", "ai_usage", "api_key_usage", "audit_logs", "affiliate_clicks"] {
        let collection = database.collection::<Document>(name);
        assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 2000, "{name}");
    }
}

/// An entry of the audit log, without its code.
fn audit_entry(id: &str) -> AuditEntry {
    let at = "2026-11-01T00:00:00.000Z";
    serde_json::from_value(json!({
        "id": id, "action": "prompt.created", "category": "data", "severity": "info", "outcome": "success", "at": at,
        "expiresAt": at, "hash": "",
    }))
    .unwrap()
}

/// The summary of the last batch, from the function's own log.
async fn summary(function: &Function) -> Value {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let lines: Vec<Value> = function.logs().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = lines.iter().rfind(|line| line["message"] == "batch written").unwrap();
    serde_json::from_str(line["summary"].as_str().unwrap()).unwrap()
}

/// An SQS that turns down the first message of a call for `times` calls; and what it has accepted.
async fn fussy_sqs(times: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let (kept, mut left) = (Arc::clone(&accepted), times);
    let answer = Arc::new(Mutex::new(move |call: &Value| {
        let turned_down = usize::from(left > 0);
        left -= turned_down;
        let entries = call["Entries"].as_array().unwrap();
        let (down, in_) = entries.split_at(turned_down);
        kept.lock().unwrap().extend(in_.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned()));
        let failed = down.iter().map(|entry| json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false}));
        let successful =
            in_.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": md5()}));
        json!({"Successful": successful.collect::<Vec<_>>(), "Failed": failed.collect::<Vec<_>>()}).to_string()
    }));
    let router = Router::new().fallback(async move |body: String| {
        let answer = answer.lock().unwrap()(&serde_json::from_str(&body).unwrap());
        ([("content-type", "application/x-amz-json-1.0")], answer)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, accepted)
}

/// Of a text that nobody compares with it.
fn md5() -> String {
    "0".repeat(32)
}

#[tokio::test]
async fn what_sqs_turns_down_is_sent_again_and_never_claimed_accepted() {
    for (times, status) in [(0, 202), (2, 202), (9, 503)] {
        let (sqs, accepted) = fussy_sqs(times).await;
        let queue = format!("{sqs}/000000000000/events");
        let variables =
            [("AWS_ENDPOINT_URL", sqs.as_str()), ("EVENTS_QUEUE_URL", &queue), ("CONTENT_URL", &starter_url())];
        let function = Function::start("analytics-track", &variables).await;
        let event = json!({"promptId": starter_prompt(), "event": "copy", "metadata": {"odd": "\u{fffe}\u{ffff}"}});
        let body = json!({"events": [event]}).to_string();
        let answer =
            function.send("POST", "/api/analytics/track", &[("content-type", "application/json")], Some(&body));
        assert_eq!(answer.await.status, status, "turned down {times} times: {:?}", function.logs());
        let accepted = accepted.lock().unwrap();
        assert_eq!(accepted.len(), usize::from(status == 202));
        // SQS takes no message with these two characters.
        assert!(
            accepted.iter().all(|message| !message.contains(['\u{fffe}', '\u{ffff}']) && message.contains("\\uffff"))
        );
    }
}
