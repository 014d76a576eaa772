//! What may happen to a batch on its way into the store: its consumer killed, two consumers at once, the queue that
//! delivers it again, times of a clock that is wrong.

use std::time::{Duration, Instant};

use bson::{DateTime, Document, doc};
use futures_util::future::join;
use serde_json::json;
use tests::{
    content::{starter_prompt, starter_url},
    eventually,
    host::Function,
    own_queue::OwnQueue,
    proxy::NetworkFault,
    test_env::TestEnv,
};

use super::{COLLECTIONS, PER_COLLECTION, batch, behind_proxy, check_next, deliver, seconds, stored};

async fn consumer(env: &TestEnv) -> Function {
    Function::start("write-events", &env.variables()).await
}

#[tokio::test]
async fn a_consumer_killed_in_mid_batch_stores_each_record_once() {
    let (env, batch) = (TestEnv::new().await, batch());
    let (killed, proxy) = behind_proxy(&env, "write-events").await;
    proxy.set(NetworkFault::Late(Duration::from_millis(150)));
    let kill = async {
        eventually("the first collection is written", 10, async || (stored(&env.database).await[0] > 0).then_some(()))
            .await;
        killed.kill();
    };
    tokio::select! {
        answer = killed.invoke(batch.clone()) => panic!("it was to be killed before: {answer:?}"),
        () = kill => {}
    }
    let by_killed = stored(&env.database).await;
    assert!(by_killed.contains(&0), "killed too late: {by_killed:?}");
    eventually("the killed one's sockets are gone", 2, async || (proxy.open() == 0).then_some(())).await;

    let (again, took) = deliver(&consumer(&env).await, &batch).await;
    assert!(again);
    assert_eq!(stored(&env.database).await, [PER_COLLECTION; COLLECTIONS.len()]);
    println!(
        "| consumer killed in mid-batch, having stored {by_killed:?} | the batch again: stored | {} | 0 |",
        seconds(took)
    );
}

#[tokio::test]
async fn two_consumers_at_once_on_one_batch_store_each_record_once() {
    let (env, batch) = (TestEnv::new().await, batch());
    let (one, other) = join(consumer(&env), consumer(&env)).await;
    let started = Instant::now();
    let ((one, _), (other, _)) = join(deliver(&one, &batch), deliver(&other, &batch)).await;
    assert!(one && other, "what the other stored is no error");
    assert_eq!(stored(&env.database).await, [PER_COLLECTION; COLLECTIONS.len()]);
    println!("| two consumers at once on one batch | stored by either | {} | 0 |", seconds(started.elapsed()));
}

/// As SQS does when it does not hear in time that a batch is done.
#[tokio::test]
async fn a_batch_that_the_queue_delivers_again_is_stored_once() {
    let (env, hidden) = (TestEnv::new().await, Duration::from_secs(2));
    let queue = OwnQueue::new(&env.stack).await;
    for message in batch()["Records"].as_array().unwrap().iter().take(COLLECTIONS.len()) {
        let body = message["body"].as_str().unwrap();
        queue.sqs.send_message().queue_url(&queue.url).message_body(body).send().await.unwrap();
    }
    let consumer = consumer(&env).await;
    let mut seen = Vec::new();
    for delivery in ["first", "second"] {
        let messages = eventually("the batch is delivered", 10, async || {
            Some(queue.receive(hidden).await).filter(|messages| messages.len() == COLLECTIONS.len())
        })
        .await;
        let mut ids: Vec<_> = messages.iter().map(|message| message["messageId"].to_string()).collect();
        ids.sort();
        let (done, took) = deliver(&consumer, &json!({"Records": messages})).await;
        check_next(delivery, done, took);
        assert_eq!(stored(&env.database).await, [1; COLLECTIONS.len()], "{delivery}");
        seen.push((ids, took));
    }
    assert_eq!(seen[0].0, seen[1].0, "the same messages");
    queue.delete().await;
    println!("| the queue delivers a batch again | stored once | {} | 0 |", seconds(seen[1].1));
}

/// From the route that takes events, through a queue of the test's own, into the store.
#[tokio::test]
async fn a_clients_clock_may_be_five_minutes_ahead_and_a_week_behind() {
    let (env, prompt, content) = (TestEnv::new().await, starter_prompt(), starter_url());
    let queue = OwnQueue::new(&env.stack).await;
    let mut variables = env.variables();
    variables.extend([("EVENTS_QUEUE_URL", queue.url.as_str()), ("CONTENT_URL", content.as_str())]);
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
    let messages = queue.receive(Duration::from_secs(30)).await;
    queue.delete().await;
    assert!(deliver(&consumer(&env).await, &json!({"Records": messages})).await.0);
    let events = env.database.collection::<Document>("analytics_events");
    for minutes in accepted {
        let filter = doc! {"occurredAt": DateTime::from_millis(now + minutes * minute)};
        assert_eq!(events.count_documents(filter).await.unwrap(), 1, "{minutes} min, as the client said");
    }
    println!("| client's clock 5 min ahead to 7 days behind | 202, stored with its time; beyond: 422 | - | 0 |");
}
