//! AI usage: what is reported is checked, priced, counted against the plan, kept and summed up.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use serial_test::parallel;
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
#[parallel(stack)]
async fn a_record_is_priced_checked_and_counted_against_the_plan() {
    let env = TestEnv::new().await;
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
        ("promptTokens", json!(2001), "records[0].promptTokens"),
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
    }
    let over = report(json!(vec![use_of("gpt-4o-mini", 1); 10])).await;
    assert_eq!((over.status, &over.body["code"]), (429, &json!("limit_reached")), "{}", over.text);
    assert!(over.body["detail"].as_str().unwrap().contains("requests an hour"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let wait: u64 = over.header("retry-after").parse().unwrap();
    assert!((3600 - now % 3600).abs_diff(wait) <= 2, "until the hour is over: {wait} s at {now}");
    let again = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(again.body["requestsThisHour"]["used"], 1, "what was refused is not counted");

    let stored = eventually("the record", 90, async || {
        let records = env.stack.database().await.collection::<Document>("ai_usage");
        records.find_one(doc! {"_id": format!("{}/{id}", ada.id)}).await.unwrap()
    })
    .await;
    assert_eq!((stored.get_i64("costMicros").unwrap(), stored.get_bool("priced").unwrap()), (2500, true));
}

#[tokio::test]
#[parallel(stack)]
async fn each_plan_has_its_own_size_of_a_request_and_an_unknown_model_counts_as_the_dearest() {
    let env = TestEnv::new().await;
    let usage = env.function("ai-usage").await;
    let send = async |who: &Person, records: Value| {
        usage.post_as(&who.token, "/api/ai/usage", &json!({"records": records})).await
    };
    let (free, pro) = (env.person(Role::User, None).await, env.person_on("pro").await);
    for (who, most) in [(&free, 2_000), (&pro, 8_000)] {
        assert_eq!(send(who, json!([use_of("gpt-4o-mini", most)])).await.status, 202);
        let refused = send(who, json!([use_of("gpt-4o-mini", most + 1)])).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["records[0].promptTokens"]), "{}", refused.text);
    }
    // 2,000 tokens received of the dearest model cost 0.15 dollars, of the free plan's 0.50 a day.
    let eve = env.person(Role::User, None).await;
    let mut unheard_of = use_of("unheard-of", 0);
    unheard_of["completionTokens"] = json!(2_000);
    assert_eq!(send(&eve, json!(vec![unheard_of.clone(); 3])).await.status, 202);
    let refused = send(&eve, json!([unheard_of])).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")));
    assert!(refused.body["detail"].as_str().unwrap().contains("cost a day"), "{}", refused.text);
}

#[tokio::test]
#[parallel(stack)]
async fn a_batch_that_is_refused_stands_in_nobodys_way() {
    let env = TestEnv::new().await;
    if env.stack.redis_url.is_none() {
        return;
    }
    let ada = env.person(Role::User, None).await;
    let environments = join_all((0..4).map(|_| env.function("ai-usage"))).await;
    let send = async |environment: &Function, records: usize| {
        let records = json!({"records": vec![use_of("gpt-4o-mini", 1); records]});
        environment.post_as(&ada.token, "/api/ai/usage", &records).await.status
    };
    let (small, large) = environments.split_first().unwrap();
    let one_by_one = async {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(send(small, 1).await);
        }
        answers
    };
    let too_much = join_all(large.iter().map(async |environment| {
        for _ in 0..20 {
            assert_eq!(send(environment, 11).await, 429);
        }
    }));
    let (answers, _) = futures_util::future::join(one_by_one, too_much).await;
    assert_eq!(answers, [202; 10], "ten an hour are the free plan's");
    assert_eq!(send(small, 1).await, 429);
}

#[tokio::test]
#[parallel(stack)]
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
#[parallel(stack)]
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
    assert_eq!(Sum::of(&mine.body["totals"]), sums["all"]);
    let theirs = format!("/api/ai/usage?userId={}", ada.id);
    assert_eq!(summary.get_as(&boss.token, &theirs).await.body["totals"], mine.body["totals"]);
    assert_eq!(summary.get_as(&stranger.token, &theirs).await.status, 404);
    let peer = env.person(Role::OrgMember, Some("ours")).await;
    assert_eq!(summary.get_as(&peer.token, &theirs).await.status, 403);
    for bad in ["groupBy=week", "from=2020-01-01T00:00:00Z", "from=x", "to=-009999-01-02T02:00:00Z"] {
        assert_eq!(summary.get_as(&ada.token, &format!("/api/ai/usage?{bad}")).await.status, 422, "{bad}");
    }
}
