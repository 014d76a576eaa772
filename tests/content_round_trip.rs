//! A file of the library's size and shape, odd values included, goes in and comes out whole.

use std::{
    path::Path,
    process::{Command, Output},
};

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
};
use tests::{
    content::{audit_sized_prompts, items},
    host::{Function, Outcome},
    stack::{Stack, stack},
    test_env::TestEnv,
};

#[tokio::test]
async fn it_loads_lists_and_filters() {
    let file = audit_sized_prompts();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prompts.json"), file.to_string()).unwrap();
    let variables = [
        ("CONTENT_URL", format!("file://{}", folder.path().display())),
        ("MONGODB_URI", "mongodb://127.0.0.1:1".into()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let function = Function::start("prompts", &variables).await;

    let mut seen = Vec::new();
    let mut path = "/api/prompts?limit=100".to_owned();
    loop {
        let page = function.get(&path).await;
        assert_eq!((page.status, page.header("x-content-source")), (200, "json"), "{}", page.text);
        assert_eq!(page.body["total"], 296);
        seen.extend(items(&page.body).iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        path = format!("/api/prompts?limit=100&cursor={next}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 296);

    for (query, total) in [
        ("category=a%20category%20nobody%20declared", 43),
        ("category=unknown", 0),
        ("pattern=Chain%20%26%20%22Tree%22%20of%20(Thought)%20%2F%20mixed", 74),
        ("role=engineer", 236),
        ("tag=b%20%26%20c", 296),
        ("featured=true", 50),
        ("search=NUMBER%20117:", 1),
        ("search=.*%5B", 0),
        ("search=vec%3Cstring%3E", 296),
    ] {
        let answer = function.get(&format!("/api/prompts?{query}")).await;
        assert_eq!(answer.body["total"], total, "{query}: {}", answer.text);
    }
    let popular = function.get("/api/prompts?sort=popular&limit=1").await;
    assert_eq!(items(&popular.body)[0]["views"], 86);

    let function = Function::start("prompt", &variables).await;
    for item in items(&file).iter().take(12) {
        for key in ["id", "slug"] {
            let answer = function.get(&format!("/api/prompts/{}", item[key].as_str().unwrap())).await;
            assert_eq!(&answer.body, item, "the detail is the item, whole");
        }
    }
}

#[tokio::test]
async fn import_and_export_lose_nothing() {
    let stack = stack();
    let database = stack.scratch().await;
    let file = audit_sized_prompts();
    let store = Store::new(Mongo::new(stack.settings(&database), Lifetime::FromFirstUse));
    for kind in Kind::ALL {
        let text = match kind {
            Kind::Prompts => file.to_string(),
            _ => std::fs::read_to_string(tests::root().join("public-data").join(kind.file_name())).unwrap(),
        };
        let imported = store.import(kind, &parse(kind, text.as_bytes()).unwrap()).await.unwrap();
        assert!(imported >= 18);
    }

    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("CONTENT_URL", format!("file://{}", folder.path().display())),
        ("MONGODB_URI", stack.mongodb_uri.clone()),
        ("DB_NAME", database.name().to_owned()),
    ];
    let job =
        Function::start("export-content", &variables.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let Outcome::Response(summary) = job.invoke(json!({})).await else { panic!("the export failed: {:?}", job.logs()) };
    assert_eq!(summary["prompts"], json!({"outcome": "published", "items": 296}));

    let exported: Value = serde_json::from_slice(&std::fs::read(folder.path().join("prompts.json")).unwrap()).unwrap();
    assert_eq!(exported["totalPrompts"], 296);
    let (exported, file) = (by_id(&exported), by_id(&file));
    assert!(exported.keys().eq(file.keys()));
    for (id, item) in &exported {
        assert_eq!(item, &file[id]);
    }

    let Outcome::Response(again) = job.invoke(json!({})).await else { panic!("the second export failed") };
    assert_eq!(again["prompts"]["outcome"], "unchanged");

    // At a terminal, too, a refusal is no success, and keeps no other kind from being published.
    database.collection::<Document>("learning_resources").delete_many(doc! {}).await.unwrap();
    let mut publish = Command::new(tests::root().join("target/debug/db"));
    let output = publish.arg("publish").envs(variables).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, error) = (said(&output.stdout), said(&output.stderr));
    assert!(!output.status.success() && error.starts_with("error: not published: learning: "), "{printed}{error}");
    assert!(printed.contains("prompts: {\"outcome\":\"unchanged\""), "{printed}");
}

/// As somebody at a terminal does.
fn seed(stack: &Stack, database: &str, folder: &Path) -> Output {
    let variables = [("MONGODB_URI", stack.mongodb_uri.as_str()), ("DB_NAME", database)];
    let mut command = Command::new(tests::root().join("target/debug/db"));
    command.args(["seed", "--from"]).arg(folder).envs(variables).output().unwrap()
}

#[tokio::test]
async fn a_file_is_judged_whole_before_anything_is_written() {
    let env = TestEnv::new().await;
    let count = async |collection: &str| {
        env.database.collection::<Document>(collection).count_documents(doc! {}).await.unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |kind: Kind, list: &str, items: &Value| {
        let total = format!("total{}{}", list[..1].to_uppercase(), &list[1..]);
        let file = json!({total: items.as_array().unwrap().len(), list: items});
        std::fs::write(folder.path().join(kind.file_name()), file.to_string()).unwrap();
    };
    write(
        Kind::Prompts,
        "prompts",
        &json!([{"id": "a"}, {"id": "b", "slug": null}, {"id": "c", "slug": ""}, {"id": "d", "slug": "d", "views": 12.0}]),
    );
    write(Kind::Patterns, "patterns", &json!([{"id": "p", "promptCount": 1}]));
    for (odd, named) in [
        (json!({"id": "odd", "views": "12"}), "the item odd: `views`"),
        (json!({"id": "odd", "views": u64::MAX}), "the item odd: `views`"),
        (json!({"id": "odd", "createdAt": "yesterday"}), "the item odd: `createdAt`"),
        (json!({"id": "odd", "$set": {}}), "the item odd: `$set`"),
    ] {
        write(Kind::Learning, "resources", &json!([{"id": "r"}, odd]));
        let refused = seed(&env.stack, env.database.name(), folder.path());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(named), "{said}");
        assert_eq!((count("prompts").await, count("patterns").await), (0, 0), "nothing of the others either");
    }
    write(Kind::Learning, "resources", &json!([{"id": "r"}]));
    for _ in 0..2 {
        let done = seed(&env.stack, env.database.name(), folder.path());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!((count("prompts").await, count("learning_resources").await), (4, 1), "without a slug, each is one");
    }
    write(Kind::Prompts, "prompts", &json!([{"id": "new", "slug": "new"}, {"id": "other", "slug": "d"}]));
    let refused = seed(&env.stack, env.database.name(), folder.path());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("the slug d is that of"), "{said}");
    assert_eq!(count("prompts").await, 4, "nothing of a file that cannot be imported whole");
}

fn by_id(file: &Value) -> std::collections::BTreeMap<&str, &Value> {
    items(file).iter().map(|item| (item["id"].as_str().unwrap(), item)).collect()
}
