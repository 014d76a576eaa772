//! The way to SQS and to S3: what is reported is accepted and safe, or refused in time; content is served from the
//! file, from the copy of it, or from the backup.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{
    content::{starter_prompt, starter_url},
    host::Function,
    http_event::Answer,
    own_queue::OwnQueue,
    proxy::{NetworkFault, Proxy},
    test_env::TestEnv,
};

use super::{
    check_answer, check_next,
    clock::Clock,
    deliver, seconds,
    ways::{Fault, faults},
};

/// Events in one request.
const EVENTS: usize = 10;
/// Longer than a test looks at a queue.
const HIDDEN: Duration = Duration::from_mins(1);
/// How long a copy of a file is served unasked, and a little more.
const A_MINUTE: Duration = Duration::from_secs(61);

/// A proxy to the emulator of AWS, and the address for functions.
async fn proxy(env: &TestEnv) -> (Proxy, String) {
    let address = env.stack.aws_endpoint_url.trim_start_matches("http://").trim_end_matches('/');
    let proxy = Proxy::to(address.to_owned()).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    (proxy, url)
}

/// A request's worth of events, each with the id that the client gave it.
fn events(prompt: &str) -> (Vec<String>, Value) {
    let ids: Vec<_> = (0..EVENTS).map(|_| uuid::Uuid::now_v7().to_string()).collect();
    let event = |id| json!({"id": id, "promptId": prompt, "event": "copy"});
    let request = json!({"events": ids.iter().map(event).collect::<Vec<_>>()});
    (ids, request)
}

async fn track(route: &Function, request: &Value) -> (Answer, Duration) {
    let started = Instant::now();
    let answer = route.post("/api/analytics/track", request).await;
    (answer, started.elapsed())
}

/// The ids of the events that messages carry.
fn ids_in(messages: &[Value]) -> BTreeSet<String> {
    let bodies = messages.iter().map(|message| message["body"].as_str().unwrap());
    let records = bodies.flat_map(|body| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["records"].as_array().unwrap().clone()
    });
    records.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

async fn track_through(env: &TestEnv, fault: &Fault) -> String {
    let (queue, (proxy, url)) = (OwnQueue::new(&env.stack).await, proxy(env).await);
    let (content, prompt) = (starter_url(), starter_prompt());
    let mut variables = env.variables();
    variables.extend([("AWS_ENDPOINT_URL", url.as_str()), ("EVENTS_QUEUE_URL", queue.url.as_str())]);
    variables.push(("CONTENT_URL", content.as_str()));
    let route = Function::start("analytics-track", &variables).await;
    let consumer = Function::start("write-events", &env.variables()).await;
    // Warm, so that its socket is what the fault meets.
    assert_eq!(track(&route, &events(&prompt).1).await.0.status, 202);
    queue.receive(HIDDEN).await;

    let (ids, request) = events(&prompt);
    let (answer, took) = fault.during(&proxy, track(&route, &request)).await;
    check_answer(fault.name, &answer, took);
    assert!(took >= fault.costs(), "{}: not met within {took:?}", fault.name);
    let mut messages = queue.receive(HIDDEN).await;
    if answer.status == 202 {
        let safe = ids_in(&messages);
        assert!(ids.iter().all(|id| safe.contains(id)), "{}: accepted and lost", fault.name);
    }
    // As the caller does after a 503, and may after a 202.
    let (again, next) = track(&route, &request).await;
    check_next(fault.name, again.status == 202, next);
    messages.extend(queue.receive(HIDDEN).await);
    let sent = messages.len();
    assert!(deliver(&consumer, &json!({"Records": messages})).await.0);
    let stored = env.database.collection::<Document>("analytics_events");
    let stored = stored.count_documents(doc! {"_id": {"$in": &ids}}).await.unwrap();
    assert_eq!(stored, EVENTS as u64, "{}: each once", fault.name);
    queue.delete().await;
    format!("{} | {} | {} | {sent}", answer.status, seconds(took), seconds(next))
}

#[tokio::test]
async fn on_the_way_to_sqs() {
    let (env, faults) = (TestEnv::new().await, faults());
    let lines =
        faults.iter().map(async |fault| format!("| {} | {} | 0 |", fault.name, track_through(&env, fault).await));
    let lines = join_all(lines).await;
    println!(
        "\n| on the way to SQS | route | s | the next, s | messages of the two | lost |\n|---|---|---|---|---|---|"
    );
    for line in lines {
        println!("{line}");
    }
}

/// A route for content in a bucket, and its clock.
struct Reader {
    route: Function,
    clock: Clock,
}

impl Reader {
    async fn start(env: &TestEnv, url: &str) -> Self {
        let clock = Clock::new();
        let mut variables = env.variables();
        variables.extend([("AWS_ENDPOINT_URL", url), ("CONTENT_URL", env.stack.content_url.as_str())]);
        variables.extend(clock.variables());
        Self { route: Function::start("patterns", &variables).await, clock }
    }

    /// Where a page came from, and how long it took.
    async fn read(&self, fault: &str) -> (String, Duration) {
        let started = Instant::now();
        let answer = self.route.get("/api/patterns").await;
        check_answer(fault, &answer, started.elapsed());
        let items = answer.body["total"].as_u64();
        assert!(answer.status == 200 && items > Some(0), "{fault}: content never disappears: {}", answer.text);
        (answer.header("x-content-source").to_owned(), started.elapsed())
    }

    /// A minute after a fault.
    async fn read_afterwards(&self, fault: &Fault) -> Duration {
        self.clock.set_ahead(2 * A_MINUTE);
        let (after, next) = self.read(fault.name).await;
        check_next(fault.name, after == "json", next);
        next
    }
}

/// An environment that starts under the fault, with its first request; and one that has the file from before, and asks
/// for it anew when a minute is over.
async fn read_through(env: &TestEnv, fault: &Fault) -> String {
    let (proxy, url) = proxy(env).await;
    let warm = Reader::start(env, &url).await;
    assert_eq!(warm.read(fault.name).await.0, "json");
    warm.clock.set_ahead(A_MINUTE);
    let started = Instant::now();
    let start = async {
        let new = Reader::start(env, &url).await;
        (new.read(fault.name).await.0, started.elapsed(), new)
    };
    let (source, took, new) = fault.during(&proxy, start).await;
    let next = new.read_afterwards(fault).await;
    let passes = matches!(fault.way, NetworkFault::Open | NetworkFault::Late(_) | NetworkFault::Lossy(_));
    assert!(source == "json" || (source == "backup" && !passes), "{}: {source}", fault.name);
    let (kept, took_warm) = fault.during(&proxy, warm.read(fault.name)).await;
    for took in [took, took_warm] {
        assert!(took >= fault.costs(), "{}: not met within {took:?}", fault.name);
    }
    let next_warm = warm.read_afterwards(fault).await;
    assert_eq!(kept, "json", "{}: the copy goes on being served", fault.name);
    let [took, next, took_warm, next_warm] = [took, next, took_warm, next_warm].map(seconds);
    format!("| {} | {source} | {took} | {next} | {kept} | {took_warm} | {next_warm} |", fault.name)
}

#[tokio::test]
async fn what_a_start_has_read_serves_the_first_request_though_s3_is_away_by_then() {
    let env = TestEnv::new().await;
    let (proxy, url) = proxy(&env).await;
    let new = Reader::start(&env, &url).await;
    proxy.cut();
    assert_eq!(new.read("S3 away after the start").await.0, "json");
}

#[tokio::test]
async fn on_the_way_to_s3() {
    let (env, faults) = (TestEnv::new().await, faults());
    let lines = join_all(faults.iter().map(|fault| read_through(&env, fault))).await;
    println!("\n| on the way to S3 | new environment | s | the next, s | warm | s | the next, s |");
    println!("|---|---|---|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
}
