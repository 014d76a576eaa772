//! Documents that somebody made by hand, or another tool: no list goes down for one, and the log names it.

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use shared::{
    clock,
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
    roles::Role,
};
use tests::{
    host::{Function, Outcome},
    test_env::{Person, TestEnv},
};

/// Put in as a shell does that is told to skip the validators.
async fn insert(env: &TestEnv, collection: &str, document: Document) {
    let all = env.database.collection::<Document>(collection);
    all.insert_one(document).bypass_document_validation(true).await.unwrap();
}

/// What the list shows beside the odd document; the log must name that.
async fn listed(function: &Function, person: &Person, path: &str, list: &str) -> Vec<Value> {
    let answer = function.get_as(&person.token, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let logs = function.logs();
    let is_named = |line: &String| line.contains("a document is odd") && line.contains("odd-one");
    assert!(logs.iter().any(is_named), "{path}: the log must name it: {logs:?}");
    answer.body[list].as_array().unwrap_or_else(|| panic!("{path}: {}", answer.text)).clone()
}

#[tokio::test]
async fn every_list_goes_on_without_the_odd_one() {
    let env = TestEnv::new().await;
    let (person, root) = (env.person(Role::User, None).await, env.person(Role::SuperAdmin, None).await);
    let mine = |id: &str| doc! {"_id": id, "userId": &person.id};
    let with = |mut document: Document, more: Document| {
        document.extend(more);
        document
    };
    let nan = f64::NAN;
    for (function, who, path, list, collection, odd) in [
        (
            "users-admin",
            &root,
            "/api/admin/users",
            "users",
            "users",
            doc! {"_id": "odd-one", "email": 7, "role": "king"},
        ),
        (
            "api-keys",
            &person,
            "/api/api-keys",
            "keys",
            "api_keys",
            with(mine("odd-one"), doc! {"publicId": "p", "name": 7}),
        ),
        (
            "provider-keys",
            &person,
            "/api/provider-keys",
            "keys",
            "provider_keys",
            with(mine("odd-one"), doc! {"name": 7}),
        ),
        (
            "bug-reports",
            &person,
            "/api/bug-reports",
            "reports",
            "bug_reports",
            with(mine("odd-one"), doc! {"status": 7}),
        ),
        (
            "workbench-runs",
            &person,
            "/api/workbench/runs",
            "runs",
            "workbench_runs",
            with(mine("odd-one"), doc! {"createdAt": "text"}),
        ),
        (
            "usage-alerts",
            &person,
            "/api/usage-alerts",
            "alerts",
            "usage_alerts",
            with(mine("odd-one"), doc! {"threshold": "much"}),
        ),
        (
            "prompt-collections",
            &person,
            "/api/prompts/collections",
            "collections",
            "prompt_collections",
            with(mine("odd-one"), doc! {"updatedAt": bson::DateTime::now(), "title": nan}),
        ),
        (
            "audit-logs",
            &root,
            "/api/admin/audit",
            "data",
            "audit_logs",
            doc! {"_id": "odd-one", "action": "x", "at": nan},
        ),
        (
            "affiliate-links",
            &root,
            "/api/admin/affiliate-links",
            "links",
            "affiliate_links",
            doc! {"_id": "odd-one", "tool": nan},
        ),
    ] {
        let function = env.function(function).await;
        insert(&env, collection, odd).await;
        listed(&function, who, path, list).await;
    }
    let users = listed(&env.function("users-admin").await, &root, "/api/admin/users", "users").await;
    assert_eq!(users.len(), 2, "those who are no odd ones: {users:?}");
}

#[tokio::test]
async fn a_page_is_as_long_as_before_and_the_next_follows() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    for _ in 0..4 {
        env.person(Role::User, None).await;
    }
    // In the middle: before all accounts that are made from now on.
    insert(&env, "users", doc! {"_id": "0-odd-one", "email": 7}).await;
    let users = env.function("users-admin").await;
    let (mut seen, mut path) = (0, "/api/admin/users?limit=2".to_owned());
    loop {
        let page = users.get_as(&root.token, &path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        seen += page.body["users"].as_array().unwrap().len();
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        path = format!("/api/admin/users?limit=2&cursor={next}");
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn everything_readable_is_published_and_the_log_names_the_rest() {
    let env = TestEnv::new().await;
    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    let sound: Vec<Value> = (0..5).map(|n| json!({"id": format!("p{n}"), "title": "t", "content": "c"})).collect();
    let file = json!({"totalPrompts": 5, "prompts": sound}).to_string();
    Store::new(mongo).import(Kind::Prompts, &parse(Kind::Prompts, file.as_bytes()).unwrap()).await.unwrap();
    let object_id = bson::oid::ObjectId::new();
    for odd in [
        doc! {"_id": object_id, "title": "made in a shell", "slug": "shell"},
        doc! {"_id": "odd-decimal", "slug": "d", "rating": "4.5".parse::<bson::Decimal128>().unwrap()},
        doc! {"_id": "odd-nan", "slug": "n", "rating": f64::NAN},
        doc! {"_id": "odd-date", "slug": "y", "seenAt": bson::DateTime::from_millis(253_402_300_800_000)},
        doc! {"_id": "odd-views", "slug": "v", "views": -5},
    ] {
        insert(&env, "prompts", odd).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let export = env.function_with("export-content", &[("CONTENT_URL", &url)]).await;
    // There are no patterns, which fails the job; each kind is published by itself.
    export.invoke(json!({"allowShrink": true})).await;
    let bytes = std::fs::read(folder.path().join("prompts.json")).unwrap();
    let published = parse(Kind::Prompts, &bytes).unwrap();
    let of = |id: &str| published.iter().find(|item| item["id"] == id);
    assert_eq!(published.len(), 9, "all but the one whose views are none");
    assert_eq!(of(&object_id.to_hex()).unwrap()["title"], "made in a shell");
    assert_eq!(of("odd-decimal").unwrap()["rating"], 4.5);
    assert!(of("odd-nan").unwrap()["rating"].is_null() && of("odd-date").unwrap()["seenAt"].is_null());
    assert!(of("odd-views").is_none());
    let named = |id: &str| export.logs().iter().any(|line| line.contains("a document is odd") && line.contains(id));
    assert!(["odd-decimal", "odd-nan", "odd-date", "odd-views"].into_iter().all(named), "{:?}", export.logs());
    assert!(!named(&object_id.to_hex()), "an id of MongoDB's own loses nothing");
    assert!(export.incidents("OddDocument") > 0);
}

#[tokio::test]
async fn an_owner_that_is_none_stops_no_sweep_and_no_alert() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    for owner in [Bson::ObjectId(bson::oid::ObjectId::new()), 42.into(), doc! {"id": 1}.into()] {
        insert(&env, "prompts", doc! {"_id": format!("of {owner}"), "authorId": &owner, "title": "made in a shell"})
            .await;
        insert(&env, "bug_reports", doc! {"_id": format!("of {owner}"), "userId": owner}).await;
    }
    insert(&env, "prompts", doc! {"_id": "hers", "authorId": &ada.id, "title": "made in a shell"}).await;
    let sweep = env.function("sweep").await;
    let Outcome::Response(swept) = sweep.invoke(json!({})).await else { panic!("{:?}", sweep.logs()) };
    assert_eq!(swept["recounted"]["accounts"], 1, "{swept}");

    // Two alerts that are due; the address of one owner was typed as proved by hand.
    let eve = env.person(Role::User, None).await;
    let alerts = env.function("usage-alerts").await;
    for person in [&ada, &eve] {
        let alert = json!({"metric": "requests", "period": "daily", "threshold": 1});
        assert_eq!(alerts.post_as(&person.token, "/api/usage-alerts", &alert).await.status, 201);
        let of_use = format!("{}/1", person.id);
        let used = doc! {"_id": of_use, "userId": &person.id, "provider": "openai", "model": "gpt-4o", "promptTokens": 1,
        "completionTokens": 1, "costMicros": 1, "success": true, "occurredAt": clock::now()};
        insert(&env, "ai_usage", used).await;
    }
    let by_hand = doc! {"$set": {"emailVerifiedAt": "yesterday"}};
    env.users().update_one(doc! {"_id": &eve.id}, by_hand).await.unwrap();
    let check = env.function("check-usage-alerts").await;
    let Outcome::Response(told) = check.invoke(json!({})).await else { panic!("{:?}", check.logs()) };
    let firings = env.database.collection::<Document>("usage_alert_firings");
    assert!(firings.count_documents(doc! {"userId": &ada.id}).await.unwrap() > 0, "{told}");
    assert!(check.incidents("OddDocument") > 0, "{:?}", check.logs());
}

#[tokio::test]
async fn no_count_is_lowered_and_a_negative_one_is_no_error() {
    let env = TestEnv::new().await;
    let id = tests::content::starter_prompt();
    insert(&env, "prompts", doc! {"_id": &id, "views": 12.0}).await;
    let day = doc! {"_id": format!("imported/{id}"), "promptId": &id, "day": "imported", "counts": {"view": -5}};
    insert(&env, "prompt_daily", day).await;
    let roll_up = env.function("roll-up-analytics").await;
    let Outcome::Response(_) = roll_up.invoke(json!({})).await else { panic!("{:?}", roll_up.logs()) };
    let prompts = env.database.collection::<Document>("prompts").find(doc! {}).await.unwrap();
    let prompts: Vec<Document> = prompts.try_collect().await.unwrap();
    assert_eq!(prompts[0].get_f64("views").unwrap().to_bits(), 12.0_f64.to_bits());
    let counts = env.function("analytics-counts").await;
    let answer = counts.get(&format!("/api/analytics/track?promptId={id}")).await;
    assert_eq!((answer.status, &answer.body["stats"]["views"]), (200, &json!(0)), "{}", answer.text);
}
