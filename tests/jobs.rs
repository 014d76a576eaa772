//! The scheduled jobs, run by hand: what they compute, and that running them twice changes nothing.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{Database, IndexModel, options::IndexOptions};
use serde_json::{Value, json};
use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo, MongoSettings},
    schema,
};
use tests::{
    host::{Function, Outcome},
    stack::{Stack, stack},
    wiretap::Wiretap,
};

async fn start(job: &str, stack: &Stack, database: &Database, more: &[(&str, &str)]) -> Function {
    let mut variables = vec![("MONGODB_URI", stack.mongodb_uri.as_str()), ("DB_NAME", database.name())];
    variables.extend(more);
    Function::start(job, &variables).await
}

async fn run(function: &Function, event: Value) -> Value {
    match function.invoke(event).await {
        Outcome::Response(summary) => summary,
        Outcome::Error(error) => panic!("{error}: {:?}", function.logs()),
    }
}

#[tokio::test]
async fn views_are_the_sum_of_days_however_often_they_are_rolled_up() {
    let stack = stack();
    let database = stack.scratch().await;
    let mongo = Mongo::new(stack.settings(&database), Lifetime::FromFirstUse);
    schema::apply(&mongo).await.unwrap();
    let file = json!({"totalPrompts": 2, "prompts": [{"id": "a", "slug": "a", "views": 40}, {"id": "b", "slug": "b"}]});
    let items = parse(Kind::Prompts, file.to_string().as_bytes()).unwrap();
    Store::new(mongo.clone()).import(Kind::Prompts, &items).await.unwrap();
    let at = |text: &str| bson::DateTime::parse_rfc3339_str(text).unwrap();
    let event = |id: &str, prompt: &str, event: &str, when: &str| doc! {"_id": id, "promptId": prompt, "event": event, "occurredAt": at(when)};
    let events = [
        event("1", "a", "view", "2028-02-28T23:59:59.999Z"),
        event("2", "a", "view", "2028-02-29T00:00:00Z"),
        event("3", "a", "copy", "2028-02-29T12:00:00Z"),
        event("4", "a", "view", "2028-02-29T23:59:59.999Z"),
        event("5", "a", "view", "2028-03-01T00:00:00Z"),
        event("6", "b", "share", "2028-03-01T00:00:00Z"),
        event("7", "unknown", "view", "2028-03-01T00:00:00Z"),
    ];
    database.collection("analytics_events").insert_many(events).await.unwrap();
    let job = start("roll-up-analytics", &stack, &database, &[]).await;
    for _ in 0..2 {
        run(&job, json!({"at": "2028-03-01T12:00:00Z"})).await;
        let days: Vec<Document> = database
            .collection("prompt_daily")
            .find(doc! {"promptId": "a"})
            .sort(doc! {"day": 1})
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        let days: Vec<_> = days
            .iter()
            .map(|day| (day.get_str("day").unwrap(), number(day.get_document("counts").unwrap(), "view")))
            .collect();
        assert_eq!(days, [("2028-02-28", 1), ("2028-02-29", 2), ("2028-03-01", 1), ("imported", 40)]);
        let prompt: Document = database.collection("prompts").find_one(doc! {"_id": "a"}).await.unwrap().unwrap();
        assert_eq!(number(&prompt, "views"), 44);
        assert_eq!(
            database.collection::<Document>("prompts").count_documents(doc! {}).await.unwrap(),
            2,
            "no prompt is invented"
        );
    }
    // Importing again keeps the count.
    Store::new(mongo).import(Kind::Prompts, &items).await.unwrap();
    run(&job, json!({"at": "2028-03-01T12:00:00Z"})).await;
    let prompt: Document = database.collection("prompts").find_one(doc! {"_id": "a"}).await.unwrap().unwrap();
    assert_eq!(number(&prompt, "views"), 44);
}

/// A prompt that was made here is exported with its views, and comes back with them.
#[tokio::test]
async fn views_that_were_counted_here_do_not_double_when_the_export_is_imported() {
    let stack = stack();
    let database = stack.scratch().await;
    let store = Store::new(Mongo::new(stack.settings(&database), Lifetime::FromFirstUse));
    let day = |prompt: &str| doc! {"_id": format!("2028-02-29/{prompt}"), "promptId": prompt, "day": "2028-02-29", "counts": {"view": 10}};
    database.collection("prompt_daily").insert_one(day("made-here")).await.unwrap();
    let file = json!({"totalPrompts": 2, "prompts": [
        {"id": "made-here", "slug": "made-here", "views": 10}, {"id": "new", "slug": "new", "views": 3},
    ]});
    let items = parse(Kind::Prompts, file.to_string().as_bytes()).unwrap();
    let job = start("roll-up-analytics", &stack, &database, &[]).await;
    for _ in 0..2 {
        store.import(Kind::Prompts, &items).await.unwrap();
        run(&job, json!({"at": "2028-03-01T12:00:00Z"})).await;
        let prompts: Vec<Document> = database
            .collection("prompts")
            .find(doc! {})
            .sort(doc! {"_id": 1})
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(prompts.iter().map(|prompt| number(prompt, "views")).collect::<Vec<_>>(), [10, 3]);
    }
}

fn number(document: &Document, field: &str) -> i64 {
    let value = document.get(field).unwrap();
    value.as_i64().or(value.as_i32().map(i64::from)).unwrap()
}

#[tokio::test]
async fn an_export_that_looks_like_a_loss_is_refused_and_the_old_content_stays() {
    let stack = stack();
    let database = stack.scratch().await;
    let folder = tempfile::tempdir().unwrap();
    let public = tests::root().join("public-data");
    for kind in Kind::ALL {
        std::fs::copy(public.join(kind.file_name()), folder.path().join(kind.file_name())).unwrap();
    }
    let before = std::fs::read(folder.path().join("prompts.json")).unwrap();
    let url = format!("file://{}", folder.path().display());
    let job = start("export-content", &stack, &database, &[("CONTENT_URL", &url)]).await;
    for event in [json!({}), json!({"allowShrink": true})] {
        let Outcome::Error(error) = job.invoke(event).await else { panic!("an empty database must not be published") };
        assert!(error["errorMessage"].as_str().unwrap().contains("no items"), "{error}");
    }
    assert_eq!(std::fs::read(folder.path().join("prompts.json")).unwrap(), before);

    let mongo = Mongo::new(stack.settings(&database), Lifetime::FromFirstUse);
    let items = parse(Kind::Prompts, &before).unwrap();
    Store::new(mongo).import(Kind::Prompts, &items[..items.len() / 2]).await.unwrap();
    let Outcome::Error(error) = job.invoke(json!({})).await else { panic!("half must not be published unasked") };
    assert!(error["errorMessage"].as_str().unwrap().contains("more than a fifth fewer"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("prompts.json")).unwrap(), before);
}

#[tokio::test]
async fn the_monitor_reports_connections_storage_and_sizes() {
    let stack = stack();
    let database = stack.scratch().await;
    database.collection("ai_usage").insert_one(doc! {"_id": "1"}).await.unwrap();
    let published = tempfile::tempdir().unwrap();
    let url = format!("file://{}", published.path().display());
    let variables = [("MONGO_CONNECTION_LIMIT", "500"), ("CONTENT_URL", url.as_str())];
    let job = start("monitor-connections", &stack, &database, &variables).await;
    let seen = run(&job, json!({})).await;
    assert!(seen["connections"].as_u64().unwrap() >= 1, "{seen}");
    let usage = &seen["growing"][0];
    assert_eq!((&usage["collection"], &usage["documents"]), (&json!("ai_usage"), &json!(1)), "{seen}");
    assert!(usage["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{seen}");
    let metric = &job.metric("MongoConnections")[0];
    assert_eq!(metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Stack"]]), "as the alarm reads it");
    assert!(!job.metric("MongoStoragePercent").is_empty());
    assert_eq!(job.metric("UsageDocuments")[0]["UsageDocuments"], 1.0);
    let lines = job.figure("collection_documents");
    let collections: Vec<&str> = lines.iter().map(|line| line["collection"].as_str().unwrap()).collect();
    let growing = [
        "ai_usage",
        "api_key_usage",
        "analytics_events",
        "audit_logs",
        "notifications",
        "workbench_runs",
        "usage_daily",
        "prompt_daily",
    ];
    assert_eq!(collections, growing, "a line for each");
    assert!(lines.iter().all(|line| line.get("collection_bytes").is_some()), "{lines:?}");
}

#[tokio::test]
async fn the_real_indexes_are_the_declared_ones() {
    let stack = stack();
    let database = stack.scratch().await;
    let mongo = Mongo::new(stack.settings(&database), Lifetime::FromFirstUse);
    assert!(!schema::differences(&mongo).await.unwrap().is_empty(), "an empty database differs");
    for _ in 0..2 {
        schema::apply(&mongo).await.unwrap();
        assert_eq!(schema::differences(&mongo).await.unwrap(), Vec::<String>::new());
    }
    let undeclared = IndexModel::builder().keys(doc! {"odd": 1}).build();
    database.collection::<Document>("prompts").create_index(undeclared).await.unwrap();
    assert_eq!(schema::differences(&mongo).await.unwrap().len(), 1);
}

/// As an operator finds it who keeps records for another time, or asks more of them, than when it was applied.
#[tokio::test]
async fn another_expiry_and_another_validator_are_made_good_and_a_second_run_changes_nothing() {
    let stack = stack();
    let database = stack.scratch().await;
    let wiretap = Wiretap::to(stack.mongodb_address()).await;
    let uri = wiretap.uri();
    let mongo = Mongo::new(MongoSettings::new(uri, database.name()), Lifetime::FromFirstUse);
    let changes = async || {
        wiretap.take();
        schema::apply(&mongo).await.unwrap();
        let commands = wiretap.take();
        ["create", "collMod", "dropIndexes"].map(|command| commands.get(command).copied().unwrap_or_default())
    };
    let all = u64::try_from(schema::COLLECTIONS.len()).unwrap();
    assert_eq!(changes().await, [all, 0, 0], "the role readWrite has no collMod");

    let usage = database.collection::<Document>("ai_usage");
    usage.drop_index("occurredAt_1").await.unwrap();
    let day = Duration::from_hours(24);
    let options = IndexOptions::builder().name("occurredAt_1".to_owned()).expire_after(day).build();
    let index = IndexModel::builder().keys(doc! {"occurredAt": 1}).options(options).build();
    usage.create_index(index).await.unwrap();
    let rule = doc! {"$jsonSchema": {"bsonType": "object", "required": ["email"]}};
    database.run_command(doc! {"collMod": "users", "validator": rule}).await.unwrap();
    assert_eq!(schema::differences(&mongo).await.unwrap().len(), 3, "one index is missing, another too many");

    assert_eq!(changes().await, [0, 1, 1]);
    assert_eq!(schema::differences(&mongo).await.unwrap(), Vec::<String>::new());
    assert_eq!(changes().await, [0, 0, 0]);
}
