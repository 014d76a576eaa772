//! Content never disappears: published JSON, then MongoDB, then the backup.

use std::path::Path;

use serde_json::{Value, json};
use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
};
use tempfile::TempDir;
use tests::{
    eventually,
    host::Function,
    proxy::Proxy,
    stack::{Stack, stack},
};

/// A `prompts` function whose content folder and way to MongoDB the test holds in its hands.
struct Scene {
    function: Function,
    folder: TempDir,
    proxy: Proxy,
}

impl Scene {
    /// `published` is the file's text; `None` for no file.
    async fn new(binary: &str, published: Option<&str>) -> Self {
        let stack = stack();
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = published {
            std::fs::write(folder.path().join("prompts.json"), text).unwrap();
        }
        let proxy = Proxy::to(stack.mongodb_address()).await;
        let database = seeded(&stack).await;
        let function = start(binary, folder.path(), proxy.port, &database).await;
        Self { function, folder, proxy }
    }
}

async fn start(binary: &str, folder: &Path, port: u16, database: &str) -> Function {
    let variables = [
        ("CONTENT_URL", format!("file://{}", folder.display())),
        ("MONGODB_URI", format!("mongodb://127.0.0.1:{port}/?directConnection=true")),
        ("DB_NAME", database.to_owned()),
    ];
    Function::start(binary, &variables.each_ref().map(|(name, value)| (*name, value.as_str()))).await
}

/// A database with the one prompt `from-mongodb`; returns its name.
async fn seeded(stack: &Stack) -> String {
    let database = stack.scratch().await;
    let mongo = Mongo::new(stack.settings(&database), Lifetime::FromFirstUse);
    let items = parse(Kind::Prompts, file(&json!([prompt("from-mongodb", &json!({}))])).as_bytes()).unwrap();
    Store::new(mongo).import(Kind::Prompts, &items).await.unwrap();
    database.name().to_owned()
}

fn prompt(id: &str, more: &Value) -> Value {
    let mut prompt = json!({"id": id, "slug": id, "title": id, "content": format!("content of {id}"), "createdAt": "2026-01-01T00:00:00.000Z"});
    prompt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    prompt
}

fn file(items: &Value) -> String {
    json!({"version": "1.0", "totalPrompts": items.as_array().unwrap().len(), "prompts": items}).to_string()
}

fn ids(body: &Value) -> Vec<&str> {
    body["prompts"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn published_json_is_served_without_a_single_socket_to_mongodb() {
    let scene = Scene::new("prompts", Some(&file(&json!([prompt("from-json", &json!({}))])))).await;
    for _ in 0..20 {
        let answer = scene.function.get("/api/prompts").await;
        assert_eq!((answer.status, answer.header("x-content-source")), (200, "json"), "{}", answer.text);
        assert_eq!(ids(&answer.body), ["from-json"]);
    }
    assert_eq!(scene.proxy.total(), 0);
}

#[tokio::test]
async fn without_json_mongodb_serves_and_its_client_is_closed_afterwards() {
    let scene = Scene::new("prompts", None).await;
    let answer = scene.function.get("/api/prompts").await;
    assert_eq!((answer.status, answer.header("x-content-source")), (200, "mongodb"), "{}", answer.text);
    assert_eq!(ids(&answer.body), ["from-mongodb"]);
    eventually("the client is closed", 2, async || (scene.proxy.open() == 0).then_some(())).await;
    let sockets = scene.proxy.total();
    assert!(sockets > 0);
    // The result is kept: more requests open nothing.
    for _ in 0..5 {
        assert_eq!(scene.function.get("/api/prompts").await.header("x-content-source"), "mongodb");
    }
    assert_eq!(scene.proxy.total(), sockets);
    assert_eq!(scene.function.incidents("ContentFallback"), 1);
    assert!(
        scene.function.figure("mongo_sockets_open").iter().any(|line| line["mongo_sockets_open"] == 0),
        "{:?}",
        scene.function.logs()
    );
    drop(scene.folder);
}

#[tokio::test]
async fn without_json_and_mongodb_the_backup_serves() {
    for (binary, path) in [("prompts", "/api/prompts"), ("patterns", "/api/patterns"), ("learning", "/api/learning")] {
        let folder = tempfile::tempdir().unwrap();
        let function = start(binary, folder.path(), 1, "none").await;
        let answer = function.get(path).await;
        assert_eq!((answer.status, answer.header("x-content-source")), (200, "backup"), "{}", answer.text);
        assert!(answer.body["total"].as_u64().unwrap() >= 18, "{path} is never empty");
    }
}

#[tokio::test]
async fn a_broken_file_counts_as_gone() {
    let good = file(&json!([prompt("a", &json!({})), prompt("b", &json!({}))]));
    let wrong_total = good.replace("\"totalPrompts\":2", "\"totalPrompts\":3");
    let twice = file(&json!([prompt("a", &json!({})), prompt("a", &json!({}))]));
    for broken in
        ["", "{", "null", "[]", &file(&json!([])), &good[..good.len() - 30], &wrong_total, &twice, "\u{0}\u{0}\u{0}"]
    {
        let scene = Scene::new("prompts", Some(broken)).await;
        let answer = scene.function.get("/api/prompts").await;
        assert_eq!(answer.header("x-content-source"), "mongodb", "{broken}");
        assert_eq!(ids(&answer.body), ["from-mongodb"]);
    }
}

#[tokio::test]
async fn an_etag_spares_the_second_transfer() {
    let scene = Scene::new("prompt", Some(&file(&json!([prompt("a", &json!({}))])))).await;
    let first = scene.function.get("/api/prompts/a").await;
    assert_eq!(first.header("cache-control"), "public, max-age=60, stale-while-revalidate=86400");
    let tag = first.header("etag");
    let again = scene.function.send("GET", "/api/prompts/a", &[("if-none-match", tag)], None).await;
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag));
    let other = scene.function.send("GET", "/api/prompts/a", &[("if-none-match", "\"other\"")], None).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn protected_items_never_leak() {
    let items = json!([
        prompt("public", &json!({})),
        prompt("premium", &json!({"isPremium": true})),
        prompt("members", &json!({"requiresAuth": true})),
        prompt("private", &json!({"isPublic": false})),
        prompt("deleted", &json!({"active": false})),
        prompt("odd", &json!({"isPremium": "true"})),
    ]);
    let scene = Scene::new("prompts", Some(&file(&items))).await;
    let list = scene.function.get("/api/prompts").await;
    assert_eq!(ids(&list.body), ["public"]);
    assert!(!list.text.contains("content of"), "a list carries no content");
    let search = scene.function.get("/api/prompts?search=content%20of%20premium").await;
    assert_eq!(search.body["total"], 0, "search must not tell what a protected item holds");

    let detail = Scene::new("prompt", Some(&file(&items))).await;
    for (id, status) in [
        ("public", 200),
        ("premium", 403),
        ("odd", 403),
        ("members", 401),
        ("private", 404),
        ("deleted", 404),
        ("none", 404),
    ] {
        let answer = detail.function.get(&format!("/api/prompts/{id}")).await;
        assert_eq!(answer.status, status, "{id}");
        if status != 200 {
            assert!(!answer.text.contains("content of"), "{id}");
            assert_eq!(answer.header("cache-control"), "no-store", "{id}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.body["requestId"], "req-1");
        }
    }
}

#[tokio::test]
async fn where_nobody_is_asked_who_they_are_only_public_items_exist() {
    let items = json!([
        prompt("public", &json!({})),
        prompt("premium", &json!({"isPremium": true})),
        prompt("members", &json!({"requiresAuth": true})),
        prompt("private", &json!({"isPublic": false})),
    ]);
    for (binary, total, list) in
        [("patterns", "totalPatterns", "patterns"), ("learning", "totalResources", "resources")]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = json!({"version": "1.0", total: 4, list: items}).to_string();
        std::fs::write(folder.path().join(format!("{binary}.json")), file).unwrap();
        let function = start(binary, folder.path(), 1, "none").await;
        for (id, status) in [("public", 200), ("premium", 404), ("members", 404), ("private", 404), ("none", 404)] {
            let answer = function.get(&format!("/api/{binary}/{id}")).await;
            assert_eq!(answer.status, status, "{binary} {id}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_warm_environment_goes_on_serving_while_its_source_is_broken() {
    let scene = Scene::new("prompts", Some(&file(&json!([prompt("a", &json!({}))])))).await;
    assert_eq!(scene.function.get("/api/prompts").await.status, 200);
    std::fs::write(scene.folder.path().join("prompts.json"), "broken").unwrap();
    let answer = scene.function.get("/api/prompts").await;
    assert_eq!((ids(&answer.body), answer.header("x-content-source")), (vec!["a"], "json"));
}
