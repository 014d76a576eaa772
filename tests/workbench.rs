//! Runs of the workbench: started once, within their budget, ended once, and accounted for.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{clock, roles::Role, usage::cost_micros, workbench::CONTRACTS};
use tests::{
    eventually,
    host::{Function, Outcome},
    http_event::Answer,
    proxy::Proxy,
    test_env::{Person, TestEnv},
};

use crate::bad_input::odd_ids;

const URL: &str = "/api/workbench/runs";
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// A queue that nobody listens at.
const NO_QUEUE: (&str, &str) = ("EVENTS_QUEUE_URL", "http://127.0.0.1:1/000000000000/events");

fn run(id: &str) -> Value {
    json!({
        "runId": id, "toolId": "prompt-tester", "promptHash": HASH, "provider": "openai", "model": "gpt-4o",
        "promptTokens": 1000, "maxCompletionTokens": 500,
    })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

fn ending(output: &str) -> Value {
    json!({"status": "success", "promptTokens": 1000, "completionTokens": 400, "latencyMs": 900, "output": output})
}

async fn end(function: &Function, person: &Person, id: &str, body: &Value) -> Answer {
    function.post_as(&person.token, &format!("{URL}/{id}/complete"), body).await
}

async fn sweep(job: &Function, at: clock::Moment) -> Value {
    match job.invoke(json!({"at": at})).await {
        Outcome::Response(mut summary) => {
            // Of runs alone.
            summary.as_object_mut().unwrap().retain(|name, _| ["runsEnded", "usageSent"].contains(&name.as_str()));
            summary
        }
        Outcome::Error(error) => panic!("{error}: {:?}", job.logs()),
    }
}

#[tokio::test]
async fn twenty_starts_of_one_run_make_one_run() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let functions = join_all((0..5).map(async |_| env.function("workbench-runs").await)).await;
    let answers =
        join_all((0..20).map(async |n: usize| functions[n % 5].post_as(&ada.token, URL, &run("the-one-run")).await))
            .await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let told: Vec<_> = answers.iter().map(|answer| (answer.status, &answer.text)).collect();
    assert_eq!(made, 1, "{told:?}");
    for answer in &answers {
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        assert_eq!(answer.body, answers[0].body, "the same run");
    }
    let runs = env.database.collection::<Document>("workbench_runs");
    assert_eq!(runs.count_documents(doc! {}).await.unwrap(), 1);

    let other_prompt = with(run("the-one-run"), "promptHash", json!("f".repeat(64)));
    let taken = functions[0].post_as(&ada.token, URL, &other_prompt).await;
    assert_eq!((taken.status, &taken.body["code"]), (409, &json!("run_id_taken")));
    let other_tool = with(run("the-one-run"), "toolId", json!("multi-agent"));
    assert_eq!(functions[0].post_as(&ada.token, URL, &other_tool).await.status, 409);
    let upper = with(run("the-one-run"), "promptHash", json!(HASH.to_uppercase()));
    assert_eq!(functions[0].post_as(&ada.token, URL, &upper).await.status, 200, "a hash is a number");
}

#[tokio::test]
async fn a_run_is_its_owners_and_a_finished_one_never_changes() {
    let env = TestEnv::with_deployed_consumer().await;
    let (ada, eve) = (env.person(Role::User, None).await, env.person(Role::SuperAdmin, None).await);
    let start = env.function("workbench-runs").await;
    let functions = join_all((0..4).map(async |_| env.function("workbench-run").await)).await;
    let (one, id) = (&functions[0], uuid::Uuid::now_v7().to_string());
    let path = format!("{URL}/{id}");
    let started = start.post_as(&ada.token, URL, &run(&id)).await;
    assert_eq!((started.status, &started.body["status"]), (201, &json!("pending")), "{}", started.text);
    assert_eq!(one.get_as(&eve.token, &path).await.status, 404);
    assert_eq!(end(one, &eve, &id, &ending("x")).await.status, 404);
    let eves = start.post_as(&eve.token, URL, &run(&id)).await;
    assert_eq!(eves.status, 201, "an id is its account's own: {}", eves.text);

    // Twenty ways to end it, of which one wins.
    let metadata = json!({"$date": 1, "nested": {"$oid": "x", "$where": ["<b>", null, 1.5]}});
    let ending = |output: &str| with(ending(output), "metadata", metadata.clone());
    let answers = join_all((0..20).map(async |n: usize| {
        let answer = end(&functions[n % 4], &ada, &id, &ending(&format!("<b>Vec<u8></b> {n}"))).await;
        (n, answer)
    }))
    .await;
    let won: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{:?}", answers.iter().map(|(_, answer)| answer.status).collect::<Vec<_>>());
    assert!(answers.iter().all(|(_, answer)| matches!(answer.status, 200 | 409)));
    let (winner, finished) = (won[0].0, &won[0].1.body);
    let cost = cost_micros("gpt-4o", 1000, 400, "2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!((&finished["status"], &finished["costMicros"]), (&json!("success"), &json!(cost)));
    assert_eq!(finished["output"], json!(format!("<b>Vec<u8></b> {winner}")));

    assert_eq!(finished["metadata"], metadata);

    let again = end(one, &ada, &id, &ending(&format!("<b>Vec<u8></b> {winner}"))).await;
    assert_eq!((again.status, &again.body), (200, finished), "after a lost answer");
    let failed = json!({"status": "error", "promptTokens": 0, "completionTokens": 0, "latencyMs": 1, "error": "e"});
    let refused = end(one, &ada, &id, &failed).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("run_finished")));
    let replay = start.post_as(&ada.token, URL, &run(&id)).await;
    assert_eq!((replay.status, &replay.body), (200, finished), "a replay is given what came out");
    let swept = sweep(&env.function("sweep").await, clock::now() + SignedDuration::from_hours(48)).await;
    assert_eq!(swept["runsEnded"], 1, "eve's alone");
    assert_eq!(&one.get_as(&ada.token, &path).await.body, finished);

    let list = start.get_as(&ada.token, &format!("{URL}?status=success")).await;
    assert_eq!(list.body["runs"].as_array().unwrap().len(), 1, "{}", list.text);
    assert_eq!(list.body["runs"][0]["output"], Value::Null, "a list leaves the bulk out");
    assert_eq!(start.get_as(&ada.token, &format!("{URL}?status=pending")).await.body["runs"], json!([]));

    // The record of use goes the way of all others, once.
    let usage = env.stack.database().await.collection::<Document>("ai_usage");
    let record =
        eventually("the usage is stored", 60, async || usage.find_one(doc! {"userId": &ada.id}).await.unwrap()).await;
    assert_eq!(record.get_str("endpoint").ok(), Some("workbench/prompt-tester"));
    assert_eq!(
        record.get("costMicros").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))),
        i64::try_from(cost).ok()
    );
    assert_eq!(usage.count_documents(doc! {"userId": &ada.id}).await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_started_is_given_back_whatever_is_asked_besides() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let start = env.function("workbench-runs").await;
    let started = start.post_as(&ada.token, URL, &run("the-same-run")).await;
    assert_eq!(started.status, 201, "{}", started.text);
    let dearer = with(run("the-same-run"), "maxCompletionTokens", json!(1_000_000));
    let replayed = start.post_as(&ada.token, URL, &dearer).await;
    assert_eq!((replayed.status, &replayed.body), (200, &started.body), "it costs nothing: {}", replayed.text);
    for tool in ["token-counter", "none"] {
        let other = with(run("the-same-run"), "toolId", json!(tool));
        let taken = start.post_as(&ada.token, URL, &other).await;
        assert_eq!((taken.status, &taken.body["code"]), (409, &json!("run_id_taken")), "{tool}: {}", taken.text);
    }
}

#[tokio::test]
async fn an_odd_id_is_no_run() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let one = env.function("workbench-run").await;
    for id in odd_ids() {
        let shown = one.get_as(&ada.token, &format!("{URL}/{id}")).await;
        assert_eq!(shown.status, 404, "{id}: {}", shown.text);
        let ended = end(&one, &ada, &id, &ending("x")).await;
        assert_eq!(ended.status, 404, "{id}: {}", ended.text);
    }
    assert_eq!(one.get_as(&ada.token, &format!("{URL}/%ff")).await.status, 400, "that is not text");
}

#[tokio::test]
async fn a_budget_is_checked_before_it_is_spent() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Free, None).await;
    let start = env.function("workbench-runs").await;
    let refused = async |field: &str, value: Value| {
        let body = with(run("over-budget"), field, value);
        start.post_as(&ada.token, URL, &body).await
    };
    let tokens = refused("maxCompletionTokens", json!(3501)).await;
    assert_eq!((tokens.status, &tokens.body["code"]), (403, &json!("budget_exceeded")), "{}", tokens.text);
    assert_eq!((&tokens.body["tokens"], &tokens.body["maxTokens"]), (&json!(4501), &json!(4500)));
    let browser = refused("toolId", json!("token-counter")).await;
    assert_eq!((browser.status, browser.fields()), (422, vec!["toolId"]));
    for (field, value) in [
        ("toolId", json!("none")),
        ("runId", json!("short")),
        ("runId", json!("ünïcode-run")),
        ("runId", json!("a/b/c/d/e/f")),
        ("promptHash", json!("g".repeat(64))),
        ("promptHash", json!("")),
        ("promptTokens", json!(-1)),
        ("costMicros", json!(0)),
        ("userId", json!("eve")),
        ("status", json!("success")),
    ] {
        let answer = refused(field, value.clone()).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{value}: {}", answer.text);
    }
    let runs = env.database.collection::<Document>("workbench_runs");
    assert_eq!(runs.count_documents(doc! {}).await.unwrap(), 0, "a refused run is none");

    // A model without a price costs what the tool's contract says, never nothing.
    let unknown = refused("model", json!("unheard-of")).await;
    assert_eq!((unknown.status, &unknown.body["estimateMicros"]), (201, &json!(1500 * 200)), "{}", unknown.text);
    let complete = env.function("workbench-run").await;
    let dear = json!({"status": "success", "promptTokens": 4000, "completionTokens": 501, "latencyMs": 1, "output": "paid for"});
    let over = end(&complete, &ada, "over-budget", &dear).await;
    assert_eq!((over.status, &over.body["status"]), (200, &json!("budget_exceeded")), "{}", over.text);
    assert_eq!((&over.body["costMicros"], &over.body["output"]), (&json!(4501 * 200), &json!("paid for")));
    assert_eq!(CONTRACTS.iter().find(|c| c.tool == "prompt-tester").map(|c| c.budget_micros), Some(900_000));
}

#[tokio::test]
async fn a_days_quota_holds_however_many_start_at_once() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::Free, None).await, env.person(Role::Free, None).await);
    let functions = join_all((0..5).map(async |_| env.function("workbench-runs").await)).await;
    let small = |id: &str| with(run(id), "maxCompletionTokens", json!(1));
    let answers = join_all(
        (0..30)
            .map(async |n: usize| functions[n % 5].post_as(&ada.token, URL, &small(&format!("run-number-{n}"))).await),
    )
    .await;
    let count = |status: u64| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(429)), (20, 10), "the free plan has 20 runs a day");
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.body["code"], "limit_reached");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 24 * 3600);
    let started = answers.iter().find(|answer| answer.status == 201).unwrap();
    let replay = functions[0].post_as(&ada.token, URL, &small(started.body["runId"].as_str().unwrap())).await;
    assert_eq!(replay.status, 200, "what was started is there");

    // Half a dollar a day: 1,500 tokens at 200 micro-dollars, and then no more than 200,000 are left.
    let spend = async |id: &str, tokens: u64| {
        let body = with(with(run(id), "model", json!("unheard-of")), "promptTokens", json!(tokens));
        functions[0].post_as(&eve.token, URL, &body).await.status
    };
    assert_eq!((spend("first-run", 1000).await, spend("second-run", 501).await), (201, 429));
    assert_eq!((spend("third-run", 500).await, spend("fourth-run", 0).await), (201, 429));
}

#[tokio::test]
async fn a_days_runs_fill_no_more_than_their_share() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let start = env.function("workbench-runs").await;
    env.use_up(&format!("account/{}", ada.id), 1).await;
    assert_eq!(start.post_as(&ada.token, URL, &run("first-run")).await.status, 201, "yesterday is over");
    env.use_up(&format!("account/{}", ada.id), 0).await;
    env.forget(&ada.id).await;
    let refused = start.post_as(&ada.token, URL, &run("second-run")).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")), "{}", refused.text);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 24 * 3600);
    assert_eq!(start.post_as(&ada.token, URL, &run("first-run")).await.status, 200, "what was started is there");
}

#[tokio::test]
async fn a_pending_run_ends_after_fifteen_minutes() {
    let env = TestEnv::with_deployed_consumer().await;
    let ada = env.person(Role::User, None).await;
    let (start, one, job) =
        (env.function("workbench-runs").await, env.function("workbench-run").await, env.function("sweep").await);
    let run = start.post_as(&ada.token, URL, &run("left-alone")).await;
    let created: clock::Moment = run.body["createdAt"].as_str().unwrap().parse().unwrap();
    let at = |ms: i64| created + SignedDuration::from_mins(15) + SignedDuration::from_millis(ms);
    assert_eq!(sweep(&job, at(-1)).await, json!({"runsEnded": 0, "usageSent": 0}));
    assert_eq!(sweep(&job, at(0)).await, json!({"runsEnded": 1, "usageSent": 0}));
    assert_eq!(sweep(&job, at(60_000)).await, json!({"runsEnded": 0, "usageSent": 0}), "twice is once");
    let ended = one.get_as(&ada.token, &format!("{URL}/left-alone")).await;
    assert_eq!((&ended.body["status"], &ended.body["costMicros"]), (&json!("error"), &Value::Null), "{}", ended.text);
    assert_eq!(ended.body["completedAt"], json!(at(0)));

    // Whoever comes late has paid the provider all the same: that is kept, or it is said that it is not.
    let away = env.function_with("workbench-run", &[NO_QUEUE]).await;
    assert_eq!(end(&away, &ada, "left-alone", &ending("late")).await.status, 503);
    for _ in 0..2 {
        let late = end(&one, &ada, "left-alone", &ending("late")).await;
        assert_eq!((late.status, &late.body["code"]), (409, &json!("run_finished")), "{}", late.text);
    }
    assert_eq!(one.get_as(&ada.token, &format!("{URL}/left-alone")).await.body, ended.body, "the run stays as it is");
    let budget = format!("{}/account/{}", clock::day(clock::now()), ada.id);
    let paid = env.budget(&budget).await;
    for _ in 0..45 {
        assert_eq!(end(&one, &ada, "left-alone", &ending("late")).await.status, 409);
    }
    assert_eq!(env.budget(&budget).await, paid, "what is stored once is paid for once");
    let usage = env.stack.database().await.collection::<Document>("ai_usage");
    let record =
        eventually("the usage is stored", 60, async || usage.find_one(doc! {"userId": &ada.id}).await.unwrap()).await;
    assert_eq!(record.get_bool("success").ok(), Some(true));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(usage.count_documents(doc! {"userId": &ada.id}).await.unwrap(), 1, "twice is once");
}

#[tokio::test]
async fn a_record_of_use_outlasts_an_outage_of_the_queue() {
    let env = TestEnv::with_deployed_consumer().await;
    let ada = env.person(Role::User, None).await;
    let start = env.function("workbench-runs").await;
    let one = env.function_with("workbench-run", &[NO_QUEUE]).await;
    assert_eq!(start.post_as(&ada.token, URL, &run("queue-is-away")).await.status, 201);
    let ended = end(&one, &ada, "queue-is-away", &ending("safe")).await;
    assert_eq!((ended.status, &ended.body["status"]), (200, &json!("success")), "{}", ended.text);
    let away = env.function_with("sweep", &[NO_QUEUE]).await;
    assert!(matches!(away.invoke(json!({})).await, Outcome::Error(_)), "a sweep that cannot send fails");
    let job = env.function("sweep").await;
    assert_eq!(sweep(&job, clock::now()).await["usageSent"], 1);
    assert_eq!(sweep(&job, clock::now()).await["usageSent"], 0);
    let usage = env.stack.database().await.collection::<Document>("ai_usage");
    eventually("the usage is stored", 60, async || usage.find_one(doc! {"userId": &ada.id}).await.unwrap()).await;
}

/// A route keeps its client; a job, and a route that has no use for the database for an hour or unless it is asked how
/// the database is, hold a socket only while they work.
#[tokio::test]
async fn warm_and_idle_a_route_holds_one_client_and_those_that_seldom_need_one_hold_none() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, Some("org")).await;
    let authorization = format!("Bearer {}", root.token);
    let unknown_link = format!("/api/affiliate/{}", uuid::Uuid::now_v7());
    println!("{:<20}{:>9}{:>6}", "function", "opened", "idle");
    for (name, path) in [
        ("prompt-create", "/api/prompts"),
        ("prompt-edit", "/api/prompts/none"),
        ("prompt-revisions", "/api/prompts/none/revisions"),
        ("prompt-audit", "/api/prompts/none/audit"),
        ("prompt-collections", "/api/prompts/collections"),
        ("workbench-runs", URL),
        ("workbench-run", "/api/workbench/runs/none"),
        ("bug-reports", "/api/bug-reports"),
        ("affiliate-links", "/api/admin/affiliate-links"),
        ("affiliate-click", unknown_link.as_str()),
        ("health-ready", "/api/health/ready"),
        ("sweep", ""),
    ] {
        let proxy = Proxy::to(env.stack.mongodb_address()).await;
        let uri = proxy.uri();
        let function = env.function_with(name, &[("MONGODB_URI", &uri)]).await;
        let kept = if ["health-ready", "sweep"].contains(&name) { 0 } else { 2 };
        assert_eq!(proxy.total(), kept, "{name}: before the first call");
        for _ in 0..3 {
            if name == "sweep" {
                sweep(&function, clock::now()).await;
            } else {
                let method = match name {
                    "prompt-create" => "POST",
                    "prompt-edit" => "DELETE",
                    _ => "GET",
                };
                let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
                function.send(method, path, &headers, Some(r#"{"title":"t","content":"c"}"#)).await;
            }
        }
        eventually("the others are closed", 1, async || (proxy.open() == kept).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        println!("{name:<20}{:>9}{:>6}", proxy.total(), proxy.open());
        assert!(proxy.total() > 0 && proxy.open() == kept, "{name}");
        assert!(kept == 0 || proxy.total() == kept, "{name}: one client for all calls");
        assert!(function.retire().await, "{name} ends by itself on SIGTERM");
        eventually("no socket is left", 1, async || (proxy.open() == 0).then_some(())).await;
    }
}
