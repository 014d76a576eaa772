//! Each route that stores something, called again and again until only the budget of bytes refuses: what the database
//! then holds is what the budget says.

use std::time::Duration;

use bson::{Bson, Document, doc};
use futures_util::future::join_all;
use mongodb::Database;
use serde_json::{Value, json};
use shared::{
    clock,
    ledger::{ENVIRONMENT_HOUR, NETWORK_DAY, NEW_ACCOUNT_DAY},
    roles::Role,
};
use tests::{
    content::{starter_prompt, starter_url},
    host::Function,
    http_event::Answer,
    own_queue::OwnQueue,
    test_env::{Person, TestEnv},
    usage_records::{all, hand_over},
    wiretap::Wiretap,
};
use uuid::Uuid;

/// Kept by the ledger itself, and no part of what anybody stores.
const OF_THE_LEDGER: [&str; 2] = ["ledger", "refusals"];

/// Data and indexes, as the server counts them.
async fn stored(database: &Database) -> i64 {
    let whole = database.run_command(doc! {"dbStats": 1}).await.unwrap();
    let mut bytes = number(&whole, "dataSize") + number(&whole, "indexSize");
    for collection in OF_THE_LEDGER {
        let part = database.run_command(doc! {"collStats": collection}).await.unwrap();
        bytes -= number(&part, "size") + number(&part, "totalIndexSize");
    }
    bytes
}

fn number(document: &Document, field: &str) -> i64 {
    match document.get(field) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        #[expect(clippy::cast_possible_truncation, reason = "sizes are whole")]
        Some(Bson::Double(number)) => *number as i64,
        other => panic!("{field}: {other:?}"),
    }
}

/// That what was stored is within a tenth of what the table allows.
fn fills(what: &str, stored: i64, budget: u64) {
    let (percent, budget) = (100 * stored / budget.cast_signed(), budget.cast_signed());
    println!("{what}: {stored} bytes stored of {budget}: {percent} %");
    assert!((90..=110).contains(&percent), "{what}: {stored} bytes stored of {budget}");
}

/// What is about a UTC day begins when it can end on the same one.
async fn within_a_day() {
    let now = clock::now();
    let left = clock::start_of_day(now, -1).duration_since(*now).unsigned_abs();
    if left < Duration::from_mins(4) {
        tokio::time::sleep(left + Duration::from_secs(1)).await;
    }
}

/// An environment with a queue of its own, and somebody new in it.
struct Scene {
    env: TestEnv,
    queue: OwnQueue,
    ada: Person,
    before: i64,
    /// Of the account's day, what is left of it.
    budget: u64,
}

impl Scene {
    async fn new(role: Role, plan: &str) -> Self {
        within_a_day().await;
        let env = TestEnv::new().await;
        let queue = OwnQueue::new(&env.stack).await;
        let ada = env.person(role, Some("org")).await;
        env.users().update_one(doc! {"_id": &ada.id}, doc! {"$set": {"plan": plan}}).await.unwrap();
        let before = stored(&env.database).await;
        Self { env, queue, ada, before, budget: NEW_ACCOUNT_DAY }
    }

    /// As [`Scene::new`], with a fifth of the day's bytes left: for what is small.
    async fn nearly_full(role: Role, plan: &str) -> Self {
        let mut scene = Self::new(role, plan).await;
        let (day, taken) = (clock::day(clock::now()), NEW_ACCOUNT_DAY / 5 * 4);
        let id = &scene.ada.id;
        for budget in [format!("{day}/account/{id}"), format!("total/{id}"), format!("{day}/accounts")] {
            scene.env.set_budget(&budget, taken.cast_signed()).await;
        }
        scene.budget -= taken;
        scene
    }

    async fn function(&self, name: &str) -> Function {
        self.env.function_with(name, &[("EVENTS_QUEUE_URL", &self.queue.url)]).await
    }

    /// Calls until it is refused for the bytes; every so often the windows of the rate limits end.
    async fn until_refused(&self, mut call: impl AsyncFnMut(usize) -> Answer) -> usize {
        for n in 0..5_000 {
            if n % 15 == 0 {
                self.env.forget_rates_of(&self.ada.id).await;
            }
            let answer = call(n).await;
            if answer.status < 300 {
                continue;
            }
            assert_eq!((answer.status, &answer.body["code"]), (429, &json!("limit_reached")), "{n}: {}", answer.text);
            assert!(answer.text.contains("MB a UTC day"), "the budget refuses: {}", answer.text);
            assert!((1..=24 * 3600).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
            return n;
        }
        panic!("never refused");
    }

    /// Stores what is in the queue, and checks the whole against the account's day.
    async fn check(self, what: &str) {
        let consumer = self.env.function("write-events").await;
        for chunk in self.queue.take().await.chunks(1_000) {
            hand_over(&consumer, &json!(chunk)).await;
        }
        let day = clock::day(clock::now());
        fills(what, stored(&self.env.database).await - self.before, self.budget);
        let taken = self.env.budget(&format!("{day}/account/{}", self.ada.id)).await;
        // The entry about the last one that fitted is stored whatever is left.
        assert!(taken <= NEW_ACCOUNT_DAY.cast_signed() + 2_000, "{what}: {taken} taken");
        let total = self.env.budget(&format!("total/{}", self.ada.id)).await;
        let accounts = self.env.budget(&format!("{day}/accounts")).await;
        assert_eq!((total, accounts), (taken, taken), "{what}: each budget has the same");
        self.queue.delete().await;
        self.env.database.drop().await.unwrap();
    }
}

fn words(characters: usize) -> String {
    let word = Uuid::now_v7().simple().to_string();
    format!("{word} {}", "x".repeat(characters.saturating_sub(33)))
}

#[tokio::test]
async fn prompts_and_their_revisions() {
    let scene = Scene::new(Role::User, "free").await;
    let create = scene.function("prompt-create").await;
    let made = scene.until_refused(async |_| {
        let title = format!("{} {}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let prompt = json!({"title": title, "content": words(6_000)});
        create.post_as(&scene.ada.token, "/api/prompts", &prompt).await
    });
    assert!(made.await > 20);
    scene.check("POST /api/prompts").await;
}

#[tokio::test]
async fn changes_of_a_prompt() {
    let scene = Scene::new(Role::User, "free").await;
    let (create, edit) = (scene.function("prompt-create").await, scene.function("prompt-edit").await);
    let prompt = json!({"title": words(40), "content": words(8_000)});
    let prompt = create.post_as(&scene.ada.token, "/api/prompts", &prompt).await.body;
    let path = format!("/api/prompts/{}", prompt["id"].as_str().unwrap());
    let changes = scene.until_refused(async |n| {
        let change = json!({"description": words(40)});
        edit.patch_as(&scene.ada.token, &path, &format!("\"{}\"", n + 1), &change).await
    });
    let changes = changes.await;
    assert!(changes > 20, "{changes}");
    let etag = format!("\"{}\"", changes + 1);
    let same = edit.patch_as(&scene.ada.token, &path, &etag, &json!({"title": prompt["title"]})).await;
    assert_eq!(same.status, 200, "what changes nothing fills nothing: {}", same.text);
    assert_eq!(edit.delete_as(&scene.ada.token, &path).await.status, 204, "removing is always possible");
    let other = scene.env.person(Role::User, None).await;
    let others = create.post_as(&other.token, "/api/prompts", &json!({"title": words(40), "content": "c"})).await;
    assert_eq!(others.status, 201, "each has their own: {}", others.text);
}

#[tokio::test]
async fn revisions_of_a_prompt_fill_what_they_may() {
    let scene = Scene::new(Role::User, "free").await;
    let (create, edit) = (scene.function("prompt-create").await, scene.function("prompt-edit").await);
    let prompt = json!({"title": words(40), "content": words(8_000)});
    let prompt = create.post_as(&scene.ada.token, "/api/prompts", &prompt).await.body;
    let path = format!("/api/prompts/{}", prompt["id"].as_str().unwrap());
    scene
        .until_refused(async |n| {
            let change = json!({"description": words(40)});
            edit.patch_as(&scene.ada.token, &path, &format!("\"{}\"", n + 1), &change).await
        })
        .await;
    scene.check("PATCH /api/prompts/{id}").await;
}

#[tokio::test]
async fn audits_of_a_prompt() {
    let scene = Scene::new(Role::OrgAdmin, "free").await;
    let (create, audits) = (scene.function("prompt-create").await, scene.function("prompt-audit").await);
    let prompt = create.post_as(&scene.ada.token, "/api/prompts", &json!({"title": words(40), "content": "c"})).await;
    let path = format!("/api/prompts/{}/audit", prompt.body["id"].as_str().unwrap());
    let audit = json!({"auditType": "full", "overallScore": 1, "issues": vec!["x".repeat(1_000); 8]});
    scene.until_refused(async |_| audits.post_as(&scene.ada.token, &path, &audit).await).await;
    scene.check("POST /api/prompts/{id}/audit").await;
}

#[tokio::test]
async fn collected_prompts() {
    let scene = Scene::new(Role::User, "free").await;
    let (create, collections) = (scene.function("prompt-create").await, scene.function("prompt-collections").await);
    let prompt = create.post_as(&scene.ada.token, "/api/prompts", &json!({"title": words(40), "content": "c"})).await;
    let original = &prompt.body["id"];
    let keep = async |n: usize| {
        let copy = json!({
            "promptId": "mine", "originalPromptId": original, "title": format!("Copy {n}"),
            "content": "x".repeat(4_000), "originalContent": "y".repeat(4_000),
        });
        collections.post_as(&scene.ada.token, "/api/prompts/collections", &copy).await
    };
    scene.until_refused(keep).await;
    scene.check("POST /api/prompts/collections").await;
}

#[tokio::test]
async fn bug_reports() {
    let scene = Scene::new(Role::User, "free").await;
    let reports = scene.function("bug-reports").await;
    let report = async |n: usize| {
        let report = json!({
            "intent": "Copy", "description": format!("{n} {}", "ü".repeat(4_000)), "pageUrl": "https://app.example.com/",
        });
        reports.post_as(&scene.ada.token, "/api/bug-reports", &report).await
    };
    scene.until_refused(report).await;
    scene.check("POST /api/bug-reports").await;
}

fn run(id: &str) -> Value {
    json!({
        "runId": id, "toolId": "prompt-tester", "promptHash": "0".repeat(64), "provider": "openai",
        "model": "gpt-4o-mini", "promptTokens": 1, "maxCompletionTokens": 1,
    })
}

#[tokio::test]
async fn runs_that_are_started() {
    let scene = Scene::nearly_full(Role::User, "enterprise").await;
    let start = scene.function("workbench-runs").await;
    let call =
        async |n: usize| start.post_as(&scene.ada.token, "/api/workbench/runs", &run(&format!("the-run-{n}"))).await;
    scene.until_refused(call).await;
    scene.check("POST /api/workbench/runs").await;
}

/// Hundreds may be started before the first is completed.
#[tokio::test]
async fn runs_that_are_completed_after_all_were_started() {
    let scene = Scene::new(Role::User, "enterprise").await;
    let (start, one) = (scene.function("workbench-runs").await, scene.function("workbench-run").await);
    for n in 0..50 {
        let started = start.post_as(&scene.ada.token, "/api/workbench/runs", &run(&format!("the-run-{n}"))).await;
        assert_eq!(started.status, 201, "{}", started.text);
    }
    let complete = async |n: usize, output: Option<String>| {
        let mut ending = json!({"status": "success", "promptTokens": 1, "completionTokens": 1, "latencyMs": 1});
        if let Some(output) = output {
            ending["output"] = output.into();
        }
        let path = format!("/api/workbench/runs/the-run-{n}/complete");
        one.post_as(&scene.ada.token, &path, &ending).await
    };
    let refused = scene.until_refused(async |n| complete(n, Some("x".repeat(20_000))).await).await;
    assert!(refused < 30, "{refused}");
    let without = complete(refused, None).await;
    assert_eq!((without.status, &without.body["status"]), (200, &json!("success")), "{}", without.text);
    scene.check("POST /api/workbench/runs/{runId}/complete").await;
}

fn usage(model: &str) -> Value {
    json!({"id": Uuid::now_v7(), "provider": "openai", "model": model, "promptTokens": 1000, "completionTokens": 100, "latencyMs": 1, "success": true})
}

/// What was used is never refused: what there is no room for is added up.
#[tokio::test]
async fn usage_beyond_the_bytes_becomes_sums() {
    let scene = Scene::new(Role::User, "free").await;
    let (intake, summary) = (scene.function("ai-usage").await, scene.function("ai-usage-summary").await);
    let batch = |models: &[String]| json!({"records": models.iter().map(|model| usage(model)).collect::<Vec<_>>()});
    let models = vec!["gpt-4o-mini".to_owned(); 50];
    let mut sent = 0;
    let (first_beyond, answer) = loop {
        let records = batch(&models);
        let answer = intake.post_as(&scene.ada.token, "/api/ai/usage", &records).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        sent += models.len();
        assert!(sent < 3_000, "never beyond");
        let flagged = answer.body["flagged"].as_array().unwrap();
        if flagged.iter().any(|one| one["beyondPlan"].as_array().unwrap().contains(&json!("storedBytesToday"))) {
            break (records, answer);
        }
    };
    assert_eq!(answer.body["accepted"], models.len());
    // Sent again they count once: the same records, and records of a name each that nobody knows.
    let again = intake.post_as(&scene.ada.token, "/api/ai/usage", &first_beyond).await;
    assert_eq!(again.status, 202, "{}", again.text);
    let unheard: Vec<String> = (0..60).map(|n| format!("a-model-of-ones-own-{n}")).collect();
    for _ in 0..2 {
        let many = batch(&unheard);
        assert_eq!(intake.post_as(&scene.ada.token, "/api/ai/usage", &many).await.status, 202);
        sent += unheard.len();
    }
    let consumer = scene.env.function("write-events").await;
    hand_over(&consumer, &json!(scene.queue.take().await)).await;
    let totals = summary.get_as(&scene.ada.token, "/api/ai/usage").await.body["totals"].clone();
    assert_eq!((&totals["requests"], &totals["promptTokens"]), (&json!(sent), &json!(1000 * sent)), "{totals}");
    let known = sent - 2 * unheard.len();
    assert_eq!(totals["costMicros"], json!(210 * known), "each of the known model costs 210 micro-dollars");
    let records = all(&scene.env.database, "ai_usage").await;
    let sums = records.iter().filter(|record| record.get_bool("sum").unwrap_or(false)).count();
    assert!((2..=21).contains(&sums), "{sums} sums of 61 models");
    scene.check("POST /api/ai/usage").await;
}

#[tokio::test]
async fn uses_of_a_key() {
    let scene = Scene::nearly_full(Role::User, "free").await;
    let keys = scene.function("api-keys").await;
    let new = json!({"name": "ci", "scopes": ["usage:read"], "expiresInDays": 30});
    let key = keys.post_as(&scene.ada.token, "/api/api-keys", &new).await.body["key"].as_str().unwrap().to_owned();
    tests::host::told_once(&key);
    let mut uses = 0;
    while all(&scene.env.database, "refusals").await.is_empty() {
        scene.env.forget_rates_of(&scene.ada.id).await;
        for _ in 0..100 {
            assert_eq!(keys.get_as(&key, "/api/api-keys/usage").await.status, 200, "reading goes on");
        }
        uses += 100;
        assert!(uses < 3_000, "never refused");
    }
    scene.check("GET /api/api-keys/usage").await;
}

/// What an account may have a small number of is full before its bytes are: here they are used up beforehand.
#[tokio::test]
async fn what_there_are_few_of_takes_from_the_same_budget() {
    let scene = Scene::new(Role::User, "free").await;
    let key = json!({"name": "ci", "scopes": ["usage:read"], "expiresInDays": 30});
    let secret = "0123456789abcdef".repeat(8);
    let provider =
        json!({"provider": "openai", "name": "Main", "apiKey": secret, "allowedModels": vec!["x".repeat(100); 50]});
    let alert = json!({"metric": "tokens", "period": "daily", "threshold": 1});
    let routes = [
        ("api-keys", "/api/api-keys", key),
        ("provider-keys", "/api/provider-keys", provider),
        ("usage-alerts", "/api/usage-alerts", alert),
    ];
    let mut made = Vec::new();
    for (function, path, body) in &routes {
        let function = scene.function(function).await;
        let answer = function.post_as(&scene.ada.token, path, body).await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.text);
        if let Some(key) = answer.body["key"].as_str() {
            tests::host::told_once(key);
        }
        made.push((function, path, body));
    }
    let day = clock::day(clock::now());
    let account = format!("{day}/account/{}", scene.ada.id);
    for (budget, full) in [
        (account.clone(), NEW_ACCOUNT_DAY),
        (format!("total/{}", scene.ada.id), shared::ledger::ACCOUNT_TOTAL),
        (format!("{day}/accounts"), shared::ledger::ACCOUNTS_DAY),
    ] {
        let before = scene.env.budget(&budget).await;
        scene.env.set_budget(&budget, full.cast_signed()).await;
        scene.env.forget(&scene.ada.id).await;
        for (function, path, body) in &made {
            let refused = function.post_as(&scene.ada.token, path, body).await;
            assert_eq!(
                (refused.status, &refused.body["code"]),
                (429, &json!("limit_reached")),
                "{path}: {}",
                refused.text
            );
        }
        scene.env.set_budget(&budget, before).await;
    }
    let (function, path, body) = &made[2];
    assert_eq!(function.post_as(&scene.ada.token, path, body).await.status, 201, "a refusal has taken nothing");
}

fn events(prompt: &str) -> Value {
    let metadata: serde_json::Map<_, _> = (0..3).map(|n| (n.to_string(), json!("x".repeat(40)))).collect();
    let event = |_| json!({"id": Uuid::now_v7(), "promptId": prompt, "event": "copy", "metadata": metadata, "sessionId": Uuid::now_v7()});
    json!({"events": (0..10).map(event).collect::<Vec<_>>()})
}

#[tokio::test]
async fn anonymous_events_of_one_network() {
    within_a_day().await;
    let Some(redis) = tests::stack::stack().own_redis().await else { return };
    let env = TestEnv::with(&redis, &tests::stack::stack().mongodb_uri).await;
    let queue = OwnQueue::new(&env.stack).await;
    let variables = [("EVENTS_QUEUE_URL", queue.url.as_str())];
    let (track, view) =
        (env.function_with("analytics-track", &variables).await, env.function_with("prompt-view", &variables).await);
    let (prompt, before) = (starter_prompt(), stored(&env.database).await);
    let send = async |function: &Function, network: &str, path: &str, body: Option<&Value>| {
        let text = body.map(Value::to_string);
        let event =
            tests::http_event::event("POST", path, &[("content-type", "application/json")], text.as_deref(), network);
        let tests::host::Outcome::Response(answer) = function.invoke(event).await else { panic!("no answer") };
        answer["statusCode"].as_u64().unwrap()
    };
    let track_from = async |network: &str| send(&track, network, "/api/analytics/track", Some(&events(&prompt))).await;
    let mut calls = 0;
    while track_from("2001:db8:7:1::1").await == 202 {
        calls += 1;
        if calls % 100 == 0 {
            env.forget_rates_of("2001:db8:7:1::/64").await;
        }
        assert!(calls < 1_000, "never refused");
    }
    env.forget_rates_of("2001:db8:7:1::/64").await;
    assert_eq!(track_from("2001:db8:7:1:ffff::2").await, 429, "the same /64");
    assert_eq!(track_from("2001:db8:7:2::1").await, 202, "another /64 of its /48");
    let path = format!("/api/prompts/{prompt}/view");
    let mut views = 0;
    while send(&view, "2001:db8:7:1::3", &path, None).await == 202 {
        views += 1;
        assert!(views < 20, "what is left of the network is less than one call of events");
    }
    let consumer = env.function("write-events").await;
    for chunk in queue.take().await.chunks(1_000) {
        hand_over(&consumer, &json!(chunk)).await;
    }
    let grown = stored(&env.database).await - before;
    fills("POST /api/analytics/track", grown, NETWORK_DAY);
    let counted = env.budget(&format!("{}/anonymous", clock::day(clock::now()))).await;
    assert!((counted - grown).abs() * 20 < grown, "the consumer counted {counted} of {grown}");
    env.database.drop().await.unwrap();
}

/// Views and clicks take from the same budget: what is left of a network's is filled, and no more.
#[tokio::test]
async fn views_and_clicks_of_one_network() {
    const LEFT: u64 = 100_000;
    within_a_day().await;
    let Some(redis) = tests::stack::stack().own_redis().await else { return };
    let env = TestEnv::with(&redis, &tests::stack::stack().mongodb_uri).await;
    let mut cache = redis::Client::open(redis.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let root = env.person(Role::SuperAdmin, None).await;
    let links = env.function("affiliate-links").await;
    let link =
        links.post_as(&root.token, "/api/admin/affiliate-links", &crate::affiliates::link("tool", "active")).await;
    assert_eq!(link.status, 200, "{}", link.text);
    let click = format!("/api/affiliate/{}", link.body["_id"].as_str().unwrap());
    let view = format!("/api/prompts/{}/view", starter_prompt());
    let consumer = env.function("write-events").await;
    // A link leads where it does, whether the click is counted or not.
    for (name, method, path, taken, refused) in
        [("prompt-view", "POST", &view, 202, 429), ("affiliate-click", "GET", &click, 302, 302)]
    {
        let queue = OwnQueue::new(&env.stack).await;
        let function = env.function_with(name, &[("EVENTS_QUEUE_URL", &queue.url)]).await;
        let network = format!("2001:db8:8:{}::/64", if method == "GET" { 1 } else { 2 });
        let key = format!("promptlib:{{bytes}}:{}:network:{network}", clock::day(clock::now()));
        let used = NETWORK_DAY - LEFT;
        redis::cmd("SET").arg(key).arg(used).arg("EX").arg(86_400).query_async::<()>(&mut cache).await.unwrap();
        let before = stored(&env.database).await;
        let mut last = taken;
        for call in 0..800 {
            if call % 50 == 0 {
                env.forget_rates_of(&network).await;
            }
            let event = tests::http_event::event(method, path, &[], None, &network.replace("/64", "7"));
            let tests::host::Outcome::Response(answer) = function.invoke(event).await else { panic!("no answer") };
            last = answer["statusCode"].as_u64().unwrap();
            assert!(last == taken || last == refused, "{path}: {answer}");
        }
        assert_eq!(last, refused, "{path}");
        for chunk in queue.take().await.chunks(1_000) {
            hand_over(&consumer, &json!(chunk)).await;
        }
        fills(path, stored(&env.database).await - before, LEFT);
    }
    env.database.drop().await.unwrap();
}

/// The calls that once filled the database.
#[tokio::test]
async fn large_calls_of_nobody_store_next_to_nothing() {
    let env = TestEnv::with("", &tests::stack::stack().mongodb_uri).await;
    let queue = OwnQueue::new(&env.stack).await;
    let track = env.function_with("analytics-track", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
    let (prompt, before) = (starter_prompt(), stored(&env.database).await);
    let consumer = env.function("write-events").await;
    let grown = async || {
        hand_over(&consumer, &json!(queue.take().await)).await;
        stored(&env.database).await - before
    };
    let event = |elements: usize| json!({"promptId": prompt, "event": "copy", "metadata": {"a": vec![1; elements]}});
    for _ in 0..3 {
        // 110 KB.
        let body = json!({"events": vec![event(1_000); 50]});
        let answer = track.post("/api/analytics/track", &body).await;
        assert_eq!(answer.status, 413, "{}", answer.text);
    }
    assert!(grown().await < 30_000);
    for _ in 0..9 {
        let body = json!({"events": vec![event(1_000); 50]});
        assert_eq!(track.post("/api/analytics/track", &body).await.status, 413);
        let small = track.post("/api/analytics/track", &json!({"events": [event(1_000)]})).await;
        assert_eq!((small.status, small.fields()), (422, vec!["events[0].metadata"]), "{}", small.text);
        assert_eq!(track.post("/api/analytics/track", &events(&prompt)).await.status, 202, "what fits is taken");
    }
    assert!(grown().await < 100_000);
}

/// Without a cache server the budget still holds, in however many environments, and costs few operations.
/// Makes the accounts that there are older than a week: those of before take smaller slices.
async fn settle(env: &TestEnv) {
    let before = doc! {"$set": {"createdAt": clock::start_of_day(clock::now(), 30)}};
    env.users().update_many(doc! {}, before).await.unwrap();
}

#[tokio::test]
async fn with_a_cache_server_environments_share_what_one_of_them_took() {
    within_a_day().await;
    let Some(redis) = tests::stack::stack().own_redis().await else { return };
    let wiretap = Wiretap::to(tests::stack::stack().mongodb_address()).await;
    let uri = wiretap.uri();
    let env = TestEnv::with(&redis, &uri).await;
    let queue = OwnQueue::new(&env.stack).await;
    let ada = env.person(Role::User, None).await;
    settle(&env).await;
    let intakes =
        join_all((0..3).map(async |_| env.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await)).await;
    wiretap.take();
    for _ in 0..20 {
        for intake in &intakes {
            let record = json!({"records": [usage("gpt-4o-mini")]});
            let answer = intake.post_as(&ada.token, "/api/ai/usage", &record).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
        }
    }
    let operations = wiretap.take();
    println!("60 requests in three environments with a cache server: {operations:?}");
    let updates = operations.get("update").copied().unwrap_or_default();
    assert!((1..=18).contains(&updates), "three budgets for each slice of 16 kB: {operations:?}");
}

#[tokio::test]
async fn without_a_cache_server_the_ledger_holds_and_is_seldom_asked() {
    within_a_day().await;
    let wiretap = Wiretap::to(tests::stack::stack().mongodb_address()).await;
    let uri = wiretap.uri();
    let env = TestEnv::with("", &uri).await;
    let queue = OwnQueue::new(&env.stack).await;
    let people = join_all((0..4).map(|_| env.person(Role::User, None))).await;
    settle(&env).await;
    let intakes =
        join_all((0..4).map(async |_| env.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await)).await;
    wiretap.take();
    let record = json!({"records": [usage("gpt-4o-mini")]});
    join_all(intakes.iter().zip(&people).map(async |(intake, person)| {
        for _ in 0..250 {
            let record = json!({"records": [usage("gpt-4o-mini")]});
            let answer = intake.post_as(&person.token, "/api/ai/usage", &record).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
        }
    }))
    .await;
    let operations = wiretap.take();
    println!("1,000 requests that store {record} without a cache server: {operations:?}");
    let updates = operations.get("update").copied().unwrap_or_default();
    assert!((1..=120).contains(&updates), "{operations:?}");

    // One account in four environments at once.
    let reports = join_all((0..4).map(|_| env.function("bug-reports"))).await;
    let eve = env.person(Role::User, None).await;
    let before = stored(&env.database).await;
    let status = join_all(reports.iter().enumerate().map(async |(environment, reports)| {
        let mut statuses = Vec::new();
        for n in 0..20 {
            let description = format!("{environment} {n} {}", "ü".repeat(4_900));
            let report = json!({"intent": "Copy", "description": description, "pageUrl": "https://app.example.com/"});
            statuses.push(reports.post_as(&eve.token, "/api/bug-reports", &report).await.status);
        }
        statuses
    }));
    let statuses = status.await.concat();
    let grown = stored(&env.database).await - before;
    assert!(statuses.contains(&201) && statuses.contains(&429), "{statuses:?}");
    println!("four environments stored {grown} bytes of {NEW_ACCOUNT_DAY} of one account");
    assert!(grown <= NEW_ACCOUNT_DAY.cast_signed() * 11 / 10, "{grown}");
    assert!(grown >= NEW_ACCOUNT_DAY.cast_signed() / 2, "{grown}: slices leave little unused");

    // Anonymous events: an environment takes so much an hour, from however many networks.
    let content = starter_url();
    let mut variables = env.stack.aws_variables();
    variables.extend([("CONTENT_URL", content.as_str()), ("EVENTS_QUEUE_URL", &queue.url)]);
    let track = Function::start("analytics-track", &variables).await;
    let (prompt, mut calls) = (starter_prompt(), 0_u64);
    loop {
        let network = format!("203.0.113.{}", calls % 250);
        let body = events(&prompt).to_string();
        let event = tests::http_event::event(
            "POST",
            "/api/analytics/track",
            &[("content-type", "application/json")],
            Some(&body),
            &network,
        );
        let tests::host::Outcome::Response(answer) = track.invoke(event).await else { panic!("no answer") };
        if answer["statusCode"] != 202 {
            assert_eq!(answer["statusCode"], 429, "{answer}");
            break;
        }
        calls += 1;
    }
    // A call of ten such events fills some 5 kB.
    assert!((ENVIRONMENT_HOUR / 7_000..ENVIRONMENT_HOUR / 3_500).contains(&calls), "{calls} calls");
}
