//! What may happen to a batch on its way into the store: its consumer killed, two consumers at once, times of
//! a clock that is wrong.

use std::time::{Duration, Instant};

use bson::{DateTime, Document, doc};
use futures_util::future::join;
use serde_json::{Value, json};
use serial_test::parallel;
use tests::{
    content::{starter_prompt, starter_url},
    eventually,
    host::Function,
    people::Town,
    proxy::Way,
};

use super::{COLLECTIONS, PER_COLLECTION, batch, behind_proxy, deliver, seconds, stored};

async fn consumer(town: &Town) -> Function {
    Function::start("write-events", &town.variables()).await
}

#[tokio::test]
#[parallel(stack)]
async fn a_consumer_killed_in_mid_batch_stores_each_record_once() {
    let (town, batch) = (Town::new().await, batch());
    let (killed, proxy) = behind_proxy(&town, "write-events").await;
    proxy.set(Way::Late(Duration::from_millis(150)));
    let kill = async {
        eventually("the first collection is written", 10, async || (stored(&town.database).await[0] > 0).then_some(()))
            .await;
        killed.kill().await;
    };
    tokio::select! {
        answer = killed.invoke(batch.clone()) => panic!("it was to be killed before: {answer:?}"),
        () = kill => {}
    }
    let by_killed = stored(&town.database).await;
    assert!(by_killed.contains(&0), "killed too late: {by_killed:?}");
    eventually("the killed one's sockets are gone", 2, async || (proxy.open() == 0).then_some(())).await;

    let (again, took) = deliver(&consumer(&town).await, &batch).await;
    assert!(again);
    assert_eq!(stored(&town.database).await, [PER_COLLECTION; COLLECTIONS.len()]);
    println!(
        "| consumer killed in mid-batch, having stored {by_killed:?} | the batch again: stored | {} | 0 |",
        seconds(took)
    );
}

#[tokio::test]
#[parallel(stack)]
async fn two_consumers_at_once_on_one_batch_store_each_record_once() {
    let (town, batch) = (Town::new().await, batch());
    let (one, other) = join(consumer(&town), consumer(&town)).await;
    let started = Instant::now();
    let ((one, _), (other, _)) = join(deliver(&one, &batch), deliver(&other, &batch)).await;
    assert!(one && other, "what the other stored is no error");
    assert_eq!(stored(&town.database).await, [PER_COLLECTION; COLLECTIONS.len()]);
    println!("| two consumers at once on one batch | stored by either | {} | 0 |", seconds(started.elapsed()));
}

/// From the route that takes events, through a queue of the test's own, into the store.
#[tokio::test]
#[parallel(stack)]
async fn a_clients_clock_may_be_five_minutes_ahead_and_a_week_behind() {
    let (town, prompt, content) = (Town::new().await, starter_prompt(), starter_url());
    let name = uuid::Uuid::now_v7().to_string();
    let sqs = town.stack.sqs();
    let queue = sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
    let mut variables = town.variables();
    variables.extend([("EVENTS_QUEUE_URL", queue.as_str()), ("CONTENT_URL", content.as_str())]);
    let route = Function::start("analytics-track", &variables).await;
    let (minute, now) = (60_000_i64, DateTime::now().timestamp_millis());
    let at = |minutes: i64| DateTime::from_millis(now + minutes * minute).try_to_rfc3339_string().unwrap();
    let track = async |minutes: i64| {
        let event = json!({"promptId": prompt, "event": "copy", "occurredAt": at(minutes)});
        route.post("/api/analytics/track", &json!({"events": [event]})).await
    };
    let (week, accepted) = (7 * 24 * 60, [0, 4, -(7 * 24 * 60 - 1)]);
    for minutes in [6, 60 * 24 * 365, -(week + 1)] {
        let answer = track(minutes).await;
        assert_eq!((answer.status, answer.fields()), (422, vec!["events[0].occurredAt"]), "{minutes} min");
    }
    for minutes in accepted {
        assert_eq!(track(minutes).await.status, 202, "{minutes} min");
    }
    let received = sqs.receive_message().queue_url(&queue).max_number_of_messages(10).send().await.unwrap();
    let messages: Vec<Value> = received
        .messages()
        .iter()
        .map(|message| json!({"messageId": message.message_id(), "body": message.body()}))
        .collect();
    sqs.delete_queue().queue_url(&queue).send().await.unwrap();
    assert!(deliver(&consumer(&town).await, &json!({"Records": messages})).await.0);
    let events = town.database.collection::<Document>("analytics_events");
    for minutes in accepted {
        let filter = doc! {"occurredAt": DateTime::from_millis(now + minutes * minute)};
        assert_eq!(events.count_documents(filter).await.unwrap(), 1, "{minutes} min, as the client said");
    }
    println!("| client's clock 5 min ahead to 7 days behind | 202, stored with its time; beyond: 422 | - | 0 |");
}
