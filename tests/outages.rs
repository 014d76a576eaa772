//! What a client sees while a server is away.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    content::{starter_prompt, starter_url},
    host::Function,
    proxy::Proxy,
    stack::{Stack, stack},
    test_env::TestEnv,
};

#[tokio::test]
async fn without_sqs_nothing_is_claimed_accepted() {
    let content = starter_url();
    let variables = [
        ("CONTENT_URL", content.as_str()),
        ("EVENTS_QUEUE_URL", "http://127.0.0.1:1/000000000000/events"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let id = starter_prompt();
    let function = Function::start("analytics-track", &variables).await;
    let started = Instant::now();
    let answer = function.post("/api/analytics/track", &json!({"events": [{"promptId": id, "event": "copy"}]})).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.text);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(!answer.text.contains("127.0.0.1"), "no internal text: {}", answer.text);
    let function = Function::start("prompt-view", &variables).await;
    assert_eq!(function.send("POST", &format!("/api/prompts/{id}/view"), &[], None).await.status, 503);
}

#[tokio::test]
async fn without_valkey_everything_works() {
    let stack = stack();
    let (content, id) = (starter_url(), starter_prompt());
    let mut variables = stack.aws_variables();
    variables.extend([("CONTENT_URL", content.as_str()), ("REDIS_URL", "redis://127.0.0.1:1")]);
    let function = Function::start("prompt-view", &variables).await;
    assert_eq!(function.send("POST", &format!("/api/prompts/{id}/view"), &[], None).await.status, 202);
    let (function, _) = stats(&stack, "redis://127.0.0.1:1").await;
    for cached in [false, true] {
        let answer = function.get("/api/stats").await;
        assert_eq!((answer.status, &answer.body["cached"]), (200, &json!(cached)), "{}", answer.text);
    }
}

/// A `stats` function with its own database, behind a proxy, and a cache of the test's choosing.
async fn stats(stack: &Stack, redis: &str) -> (Function, Proxy) {
    let proxy = Proxy::to(stack.mongodb_address()).await;
    let uri = proxy.uri();
    let database = stack.scratch().await;
    database
        .collection("prompts")
        .insert_one(bson::doc! {"_id": "a", "slug": "a", "category": "general"})
        .await
        .unwrap();
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", database.name()), ("REDIS_URL", redis)];
    (Function::start("stats", &variables).await, proxy)
}

#[tokio::test]
async fn without_mongodb_stats_are_served_from_the_cache_or_refused_quickly() {
    let (function, proxy) = stats(&stack(), "redis://127.0.0.1:1").await;
    proxy.cut();
    let started = Instant::now();
    let answer = function.get("/api/stats").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "never zeros: {}", answer.text);
    assert!(started.elapsed() < Duration::from_millis(3500), "{:?}", started.elapsed());

    proxy.restore();
    let answer = function.get("/api/stats").await;
    assert_eq!(
        (answer.status, &answer.body["prompts"]["total"]),
        (200, &json!(1)),
        "it recovers by itself: {}",
        answer.text
    );
    proxy.cut();
    let answer = function.get("/api/stats").await;
    assert_eq!((answer.status, &answer.body["cached"], &answer.body["stale"]), (200, &json!(true), &json!(false)));
}

#[tokio::test]
async fn stale_stats_say_so() {
    let stack = stack();
    let Some(redis) = stack.own_redis().await else { return };
    let (function, proxy) = stats(&stack, &redis).await;
    assert_eq!(function.get("/api/stats").await.status, 200);
    let counted = &function.figure("cache_misses")[0];
    assert_eq!(
        (&counted["cache_keys"], &counted["cache_hits"]),
        (&json!("site"), &json!(0)),
        "as the dashboard reads it"
    );
    age_stats(&redis).await;
    proxy.cut();
    let answer = function.get("/api/stats").await;
    assert_eq!(
        (answer.status, &answer.body["stale"], &answer.body["prompts"]["total"]),
        (200, &json!(true), &json!(1)),
        "{}",
        answer.text
    );
}

/// Makes the cached statistics two hours old.
async fn age_stats(redis: &str) {
    let client = redis::Client::open(redis).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let text: String = redis::cmd("GET").arg("promptlib:site:stats:v1").query_async(&mut connection).await.unwrap();
    let mut stats: Value = serde_json::from_str(&text).unwrap();
    stats["lastUpdated"] = json!("2026-01-01T00:00:00Z");
    let _: () = redis::cmd("SET")
        .arg("promptlib:site:stats:v1")
        .arg(stats.to_string())
        .query_async(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn health_needs_nothing() {
    let function = Function::start("health", &[]).await;
    let answer = function.get("/api/health").await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")));
}

#[tokio::test]
async fn readiness_tells_which_part_is_away() {
    let env = TestEnv::new().await;
    let proxy = Proxy::to(env.stack.mongodb_address()).await;
    let uri = proxy.uri();
    let root = env.person(Role::SuperAdmin, None).await;
    let ready = env.function_with("health-ready", &[("MONGODB_URI", &uri)]).await;
    let answer = ready.get_as(&root.token, "/api/health/ready").await;
    let up = json!({"ready": true, "mongodb": "up", "cache": "up", "queue": "up", "content": "up"});
    assert_eq!((answer.status, &answer.body), (200, &up));
    proxy.cut();
    let answer = ready.get_as(&root.token, "/api/health/ready").await;
    assert_eq!((answer.status, &answer.body["mongodb"], &answer.body["queue"]), (503, &json!("away"), &json!("up")));
    let lost = [("EVENTS_QUEUE_URL", "http://127.0.0.1:1/0/events"), ("CONTENT_URL", "file:///nowhere")];
    let answer = env.function_with("health-ready", &lost).await.get_as(&root.token, "/api/health/ready").await;
    let states = ["mongodb", "queue", "content"].map(|part| answer.body[part].as_str().unwrap().to_owned());
    assert_eq!((answer.status, states), (503, ["up", "away", "away"].map(str::to_owned)));
}
