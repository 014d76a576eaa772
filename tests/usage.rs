//! AI usage: what is reported is checked, priced, counted against the plan, kept and summed up.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    eventually,
    host::{Function, told_once},
    own_queue::OwnQueue,
    test_env::{Person, TestEnv},
    usage_records::{Sum, add, all, consume, hand_over, record},
};

fn use_of(model: &str, tokens: u64) -> Value {
    json!({"provider": "openai", "model": model, "promptTokens": tokens, "completionTokens": 0, "latencyMs": 1, "success": true})
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[tokio::test]
async fn a_record_is_priced_checked_and_counted_against_the_plan() {
    let env = TestEnv::with_deployed_consumer().await;
    let ada = env.person(Role::User, None).await;
    let usage = env.function("ai-usage").await;
    let report = async |records: Value| usage.post_as(&ada.token, "/api/ai/usage", &json!({"records": records})).await;
    let id = new_id();
    let mut first = use_of("gpt-4o", 1000);
    first["id"] = json!(id.to_uppercase());
    for _ in 0..2 {
        let accepted = report(json!([first])).await;
        assert_eq!((accepted.status, &accepted.body["ids"]), (202, &json!([id])), "{}", accepted.text);
        let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
        let expected = json!({"limit": 500_000, "used": 2500, "left": 497_500});
        assert_eq!(left.body["costMicrosToday"], expected, "again is not more: {}", left.text);
        assert_eq!(left.body["requestsThisHour"]["used"], 1);
    }

    let day = |days: i64| (clock::now() - SignedDuration::from_hours(24 * days)).to_string();
    for (field, value, named) in [
        ("occurredAt", json!(day(8)), "records[0].occurredAt"),
        ("occurredAt", json!(day(-1)), "records[0].occurredAt"),
        ("promptTokens", json!(100_000_001), "records[0].promptTokens"),
        ("cachedTokens", json!(2), "records[0].cachedTokens"),
        ("reasoningTokens", json!(1), "records[0].reasoningTokens"),
        ("totalTokens", json!(3), "records[0].totalTokens"),
        ("latencyMs", json!(1.5), "records[0].latencyMs"),
        ("promptTokens", json!(-1), "records[0].promptTokens"),
        ("id", json!("x"), "records[0].id"),
        ("model", json!(""), "records[0].model"),
        ("costMicros", json!(0), "records[0].costMicros"),
    ] {
        let mut bad = use_of("gpt-4o", 1);
        bad[field] = value;
        let answer = report(json!([bad])).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.text);
        assert!(answer.fields()[0].starts_with(named.split(".cost").next().unwrap()), "{field}: {}", answer.text);
        assert!(!answer.text.contains("u64"), "{field}: {}", answer.text);
    }
    let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(left.body["requestsThisHour"]["used"], 1, "what was refused is not counted");

    let stored = eventually("the record", 90, async || {
        let records = env.stack.database().await.collection::<Document>("ai_usage");
        records.find_one(doc! {"_id": format!("{}/{id}", ada.id)}).await.unwrap()
    })
    .await;
    assert_eq!((stored.get_i64("costMicros").unwrap(), stored.get_bool("priced").unwrap()), (2500, true));
}

/// What happened is recorded, whatever the plan: the limits answer before the next call.
#[tokio::test]
async fn what_is_beyond_the_plan_is_recorded_and_flagged() {
    let env = TestEnv::new().await;
    let queue = OwnQueue::new(&env.stack).await;
    let usage = env.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
    let send = async |who: &Person, records: Value| {
        usage.post_as(&who.token, "/api/ai/usage", &json!({"records": records})).await
    };
    // One more than the free plan's ten an hour, in one batch, and none before.
    let ada = env.person(Role::User, None).await;
    let batch = send(&ada, json!(vec![use_of("gpt-4o-mini", 1); 11])).await;
    assert_eq!((batch.status, &batch.body["accepted"]), (202, &json!(11)), "{}", batch.text);
    let flagged = json!([{
        "index": 10, "id": batch.body["ids"][10], "beyondPlan": ["requestsThisHour"], "unpriced": false
    }]);
    assert_eq!(batch.body["flagged"], flagged, "{}", batch.text);
    let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(left.body["requestsThisHour"], json!({"limit": 10, "used": 11, "left": 0}), "{}", left.text);

    for (who, most) in [(env.person(Role::User, None).await, 2_000), (env.person_on("pro").await, 8_000)] {
        let sent = send(&who, json!([use_of("gpt-4o-mini", most), use_of("gpt-4o-mini", most + 1)])).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        let flagged =
            json!([{"index": 1, "id": sent.body["ids"][1], "beyondPlan": ["tokensPerRequest"], "unpriced": false}]);
        assert_eq!(sent.body["flagged"], flagged, "{}", sent.text);
    }
    hand_over(&env.function("write-events").await, &queue.take().await.into()).await;
    queue.delete().await;
    let stored = all(&env.database, "ai_usage").await;
    let beyond: Vec<_> = stored.iter().filter_map(|record| record.get_array("beyondPlan").ok()).collect();
    assert_eq!((stored.len(), beyond.len()), (15, 3), "{beyond:?}");
    let summary = env.function("ai-usage-summary").await.get_as(&ada.token, "/api/ai/usage").await;
    assert_eq!(summary.body["groups"][0]["beyondPlan"], 1, "{}", summary.text);
}

#[tokio::test]
async fn a_model_is_known_by_each_of_its_names_and_the_report_and_the_limit_say_the_same() {
    let env = TestEnv::new().await;
    let (queue, ada) = (OwnQueue::new(&env.stack).await, env.person_on("enterprise").await);
    let usage = env.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
    let names = [
        "gpt-4o-2024-11-20",
        "openai/gpt-4o",
        "GPT-4o",
        "gpt-4o ",
        "gpt-4o-latest",
        "azure.gpt-4o",
        "openrouter/openai/gpt-4o",
        "gpt-4o@2024-11-20",
    ];
    let mut records: Vec<Value> = names.iter().map(|name| use_of(name, 1_000)).collect();
    for name in ["claude-3-5-sonnet-20241022", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"] {
        records.push(use_of(name, 1_000));
    }
    // Small calls: 0.45 of a micro-dollar each.
    records.extend(vec![use_of("azure.gpt-4o-mini", 3); 10]);
    // The provider did not bill the first, and did bill the second.
    for billed in [Value::Null, json!(true)] {
        let mut failed = use_of("gpt-4o", 1_000);
        (failed["success"], failed["billed"]) = (json!(false), billed);
        records.push(failed);
    }
    // Half of them read from the cache, at half the price.
    let mut cached = use_of("gpt-4o", 1_000);
    (cached["cachedTokens"], cached["totalTokens"]) = (json!(500), json!(1_000));
    (cached["provider"], records[0]["provider"]) = (json!("OpenAI"), json!("OPENAI"));
    records.push(cached);
    records.push(use_of("unheard-of", 2_000));
    let sent = usage.post_as(&ada.token, "/api/ai/usage", &json!({"records": records})).await;
    assert_eq!((sent.status, &sent.body["accepted"]), (202, &json!(records.len())), "{}", sent.text);
    let last = records.len() - 1;
    let flagged = json!([{"index": last, "id": sent.body["ids"][last], "beyondPlan": [], "unpriced": true}]);
    assert_eq!(sent.body["flagged"], flagged, "{}", sent.text);
    let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    let gpt_4o = 8 * 2_500 + 2_500 + 1_250 + 625;
    let cost = gpt_4o + 2 * 3_000 + 5;
    assert_eq!(left.body["costMicrosToday"]["used"], cost, "4.5 micro-dollars of small calls, half up: {}", left.text);
    hand_over(&env.function("write-events").await, &queue.take().await.into()).await;
    queue.delete().await;

    let summary = env.function("ai-usage-summary").await;
    let by_model = summary.get_as(&ada.token, "/api/ai/usage?groupBy=model").await;
    assert_eq!(
        (&by_model.body["totals"]["costMicros"], &by_model.body["totals"]["unpriced"]),
        (&json!(cost), &json!(1))
    );
    let groups = by_model.body["groups"].as_array().unwrap();
    let costs: Vec<_> = groups.iter().map(|group| (group["name"].as_str().unwrap(), &group["costMicros"])).collect();
    let (gpt_4o, sonnet) = (json!(gpt_4o), json!(6_000));
    let expected =
        [("claude-3-5-sonnet", &sonnet), ("gpt-4o", &gpt_4o), ("gpt-4o-mini", &json!(5)), ("unheard-of", &json!(0))];
    assert_eq!(costs, expected, "{}", by_model.text);
    assert_eq!(groups[1]["cachedTokens"], 500);
    let by_provider = summary.get_as(&ada.token, "/api/ai/usage?groupBy=provider").await;
    assert_eq!(by_provider.body["groups"].as_array().map(Vec::len), Some(1), "{}", by_provider.text);
}

#[tokio::test]
async fn an_operator_sets_prices_and_a_model_of_ones_own_has_ones_own() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    let from = bson::DateTime::from_millis(0);
    let prices = env.database.collection::<Document>("model_prices");
    let documents = [
        doc! {"model": "Our-Llama", "from": from, "input": 0, "output": 0},
        doc! {"model": "adas-model", "userId": &ada.id, "from": from, "input": 1.0, "output": 2.5},
        doc! {"model": "odd", "from": from, "input": -1, "output": 0},
    ];
    prices.insert_many(documents).await.unwrap();
    // With its own memory alone: the cache knows one list of prices, and other tests have other databases.
    let usage = env.function_with("ai-usage", &[("REDIS_URL", "")]).await;
    let mut own = use_of("eves-model", 1_000);
    own["unitPrices"] = json!({"input": 3, "output": 0});
    let records = json!({"records": [use_of("our-llama", 2_000), use_of("adas-model", 2_000), use_of("odd", 1), own]});
    for (who, cost, unpriced) in [(&ada, 2_000 + 3_000, vec![2]), (&eve, 3_000, vec![1, 2])] {
        let sent = usage.post_as(&who.token, "/api/ai/usage", &records).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        let flagged: Vec<_> = sent.body["flagged"].as_array().unwrap().iter().map(|one| &one["index"]).collect();
        assert_eq!(flagged, unpriced, "{}", sent.text);
        let left = usage.get_as(&who.token, "/api/ai/usage/limits").await;
        assert_eq!(left.body["costMicrosToday"]["used"], cost, "{}", left.text);
    }
}

#[tokio::test]
async fn the_limits_say_before_a_call_whether_it_fits_and_why_not() {
    let env = TestEnv::new().await;
    let usage = env.function("ai-usage").await;
    let ada = env.person(Role::User, None).await;
    let ask = async |call: &str| usage.get_as(&ada.token, &format!("/api/ai/usage/limits?{call}")).await;
    let fits = ask("model=openai/gpt-4o&promptTokens=1000&completionTokens=100").await;
    let expected = json!({"fits": true, "model": "gpt-4o", "priced": true, "costMicros": 3_500, "whyNot": []});
    assert_eq!((fits.status, &fits.body["call"]), (200, &expected), "{}", fits.text);
    assert_eq!(ask("").await.body.get("call"), None);
    for (call, limits) in [
        ("promptTokens=2001", json!(["tokensPerRequest"])),
        ("model=o1-pro&completionTokens=2000", json!(["costMicrosToday"])),
        ("model=unheard-of&completionTokens=2000", json!([])),
    ] {
        let answer = ask(call).await;
        let why_not = answer.body["call"]["whyNot"].as_array().unwrap();
        let why: Vec<&Value> = why_not.iter().map(|why| &why["limit"]).collect();
        assert_eq!((json!(why), &answer.body["call"]["fits"]), (limits, &json!(why.is_empty())), "{}", answer.text);
    }
    let records = json!({"records": vec![use_of("gpt-4o-mini", 1); 10]});
    assert_eq!(usage.post_as(&ada.token, "/api/ai/usage", &records).await.status, 202);
    let full = ask("model=gpt-4o").await;
    let why = &full.body["call"]["whyNot"][0];
    assert_eq!(
        (&full.body["call"]["fits"], &why["limit"]),
        (&json!(false), &json!("requestsThisHour")),
        "{}",
        full.text
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let wait = why["retryAfterS"].as_u64().unwrap();
    assert!((3600 - now % 3600).abs_diff(wait) <= 2, "until the hour is over: {wait} s at {now}");
    for (bad, field) in [("promptTokens=-1", "promptTokens"), ("promptTokens=1&cachedTokens=2", "cachedTokens")] {
        let answer = ask(bad).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
    }
}

#[tokio::test]
async fn batches_that_come_at_once_are_all_counted() {
    let env = TestEnv::new().await;
    if env.stack.redis_url.is_none() {
        return;
    }
    let ada = env.person(Role::User, None).await;
    let environments = join_all((0..4).map(|_| env.function("ai-usage"))).await;
    let batch = json!({"records": vec![use_of("gpt-4o-mini", 1); 5]});
    let sent = join_all(environments.iter().map(async |environment: &Function| {
        let mut beyond = 0;
        for _ in 0..5 {
            let answer = environment.post_as(&ada.token, "/api/ai/usage", &batch).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
            beyond += answer.body["flagged"].as_array().unwrap().len();
        }
        beyond
    }));
    assert_eq!(sent.await.iter().sum::<usize>(), 90, "ten of a hundred are the free plan's of an hour");
    let left = environments[0].get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(left.body["requestsThisHour"]["used"], 100, "{}", left.text);
}

#[tokio::test]
async fn what_a_key_reports_is_told_by_its_key() {
    let env = TestEnv::new().await;
    let (queue, ada) = (OwnQueue::new(&env.stack).await, env.person(Role::User, None).await);
    let new = json!({"name": "k", "scopes": ["usage:write"], "expiresInDays": 1});
    let made = env.function("api-keys").await.post_as(&ada.token, "/api/api-keys", &new).await;
    let (key, key_id) = (made.body["key"].as_str().unwrap(), made.body["id"].as_str().unwrap());
    told_once(key);
    let usage = env.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
    let mut failed = use_of("gpt-4o", 10);
    failed["success"] = json!(false);
    let records = json!({"records": [use_of("gpt-4o", 10), failed]});
    assert_eq!(usage.post_as(key, "/api/ai/usage", &records).await.status, 202);
    assert_eq!(usage.post_as(&ada.token, "/api/ai/usage", &records).await.status, 202, "and in person");
    hand_over(&env.function("write-events").await, &queue.take().await.into()).await;
    queue.delete().await;

    let by_key: Vec<Document> =
        all(&env.database, "ai_usage").await.into_iter().filter(|record| record.contains_key("keyId")).collect();
    assert!(by_key.iter().all(|record| record.get_str("keyId").ok() == Some(key_id)), "{by_key:?}");
    let of_key = all(&env.database, "api_key_usage").await;
    let ids =
        |documents: &[Document]| documents.iter().map(|one| one.get_str("_id").unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((by_key.len(), ids(&by_key)), (2, ids(&of_key)));
    let status: Vec<&str> = of_key.iter().map(|one| one.get_str("status").unwrap()).collect();
    assert_eq!(status, ["success", "error"]);
    let theirs =
        |one: &Document| (one.get_str("keyId").ok(), one.get_str("userId").ok()) == (Some(key_id), Some(&ada.id));
    assert!(of_key.iter().all(theirs), "{of_key:?}");
}

#[tokio::test]
async fn usage_is_summed_by_day_provider_and_model_for_oneself_and_by_those_who_may() {
    let env = TestEnv::new().await;
    let (ada, boss) = (env.person(Role::User, Some("ours")).await, env.person(Role::OrgAdmin, Some("ours")).await);
    let stranger = env.person(Role::OrgAdmin, Some("theirs")).await;
    let consumer = env.function("write-events").await;
    let yesterday = (clock::now() - SignedDuration::from_hours(24)).to_string();
    let records: Vec<Value> = (0..8).map(|n| record(&ada.id, n, &yesterday)).collect();
    consume(&consumer, &records).await;
    let summary = env.function("ai-usage-summary").await;
    let mine = summary.get_as(&ada.token, "/api/ai/usage?groupBy=model").await;
    assert_eq!(mine.body["groups"].as_array().map(Vec::len), Some(4), "{}", mine.text);
    let mut sums = BTreeMap::new();
    for record in &records {
        add(&mut sums, "all", record);
    }
    assert_eq!(Sum::of(&mine.body["totals"]), sums["all"].shown());
    let theirs = format!("/api/ai/usage?userId={}", ada.id);
    assert_eq!(summary.get_as(&boss.token, &theirs).await.body["totals"], mine.body["totals"]);
    assert_eq!(summary.get_as(&stranger.token, &theirs).await.status, 404);
    let peer = env.person(Role::OrgMember, Some("ours")).await;
    assert_eq!(summary.get_as(&peer.token, &theirs).await.status, 403);
    for bad in ["groupBy=week", "from=2020-01-01T00:00:00Z", "from=x", "to=-009999-01-02T02:00:00Z"] {
        assert_eq!(summary.get_as(&ada.token, &format!("/api/ai/usage?{bad}")).await.status, 422, "{bad}");
    }
}
