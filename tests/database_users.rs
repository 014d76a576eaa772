//! Functions that get a user of the database who only reads do no more; with three users, each function can do its work
//! with the roles that its user has. Which function gets which, the template says.

use std::fs;

use bson::{Document, doc};
use mongodb::{Database, error::ErrorKind};
use serde_json::json;
use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo, MongoSettings},
    schema,
};
use tests::{
    host::{Function, Outcome, keep_secret},
    root, template,
    test_env::TestEnv,
    wiretap::{READS, Wiretap},
    with_users::{PASSWORD_OF_USERS, WithUsers},
};

use crate::secrets::signing_in;

/// A link's id, and of everything else one that there is not.
const ID: &str = "a-thing";

/// The functions that get this connection string where there are three.
fn with_user(secret: &str) -> Vec<template::Function> {
    let names = signing_in(true);
    let functions = template::functions().into_iter();
    let found: Vec<_> =
        functions.filter(|function| names.get(&function.name).is_some_and(|name| name == secret)).collect();
    assert!(!found.is_empty(), "no function gets {secret}");
    found
}

#[test]
fn the_table_of_users_names_their_functions() {
    let text = fs::read_to_string(root().join("infra/README.md")).unwrap();
    for secret in ["mongodb-reader-uri", "mongodb-monitor-uri"] {
        let names: Vec<_> = with_user(secret).iter().map(|function| format!("`{}`", function.binary)).collect();
        let line = text.lines().find(|line| line.starts_with("| ") && line.contains(&format!(" | `{secret}` | `")));
        assert!(line.is_some_and(|line| line.ends_with(&format!(" | {} |", names.join(", ")))), "{secret}: {names:?}");
    }
}

/// What `cargo db` puts into a new database, and a link.
async fn fill(settings: MongoSettings, database: &Database) {
    let mongo = Mongo::new(settings, Lifetime::FromFirstUse);
    schema::apply(&mongo).await.unwrap();
    for kind in Kind::ALL {
        let file = fs::read(root().join("public-data").join(kind.file_name())).unwrap();
        Store::new(mongo.clone()).import(kind, &parse(kind, &file).unwrap()).await.unwrap();
    }
    let link = doc! {"_id": ID, "tool": "A tool", "baseUrl": "https://tool.example/", "status": "active"};
    database.collection::<Document>("affiliate_links").insert_one(link).await.unwrap();
}

/// A function with this way to the database, and with nothing that would spare it the database: no published content, no
/// cache that others fill.
async fn start(env: &TestEnv, function: &template::Function, uri: &str, name: &str) -> (Function, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = |part: &str| format!("file://{}/{part}", folder.path().display());
    let (content, digests) = (url("content"), url("digests"));
    let variables = [
        ("MONGODB_URI", uri),
        ("DB_NAME", name),
        ("CONTENT_URL", &content),
        ("AUDIT_DIGESTS_URL", &digests),
        ("REDIS_URL", ""),
    ];
    (env.function_with(&function.binary, &variables).await, folder)
}

/// Has it do all that it does: each of its routes, or its job. Panics when it cannot.
async fn work(running: &Function, function: &template::Function) {
    for route in &function.routes {
        let (method, path) = route.split_once(' ').unwrap();
        let parts: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { ID } else { part }).collect();
        let answer = running.send(method, &parts.join("/"), &[], None).await;
        assert!(answer.status < 500, "{route}: {} {}: {:?}", answer.status, answer.text, running.logs());
    }
    if function.schedule.is_none() {
        return;
    }
    if let Outcome::Error(error) = running.invoke(json!({})).await {
        panic!("{}: {error}: {:?}", function.binary, running.logs());
    }
}

#[tokio::test]
async fn who_gets_the_readers_user_sends_commands_that_read_alone() {
    let env = TestEnv::new().await;
    fill(env.stack.settings(&env.database), &env.database).await;
    let tap = Wiretap::to(env.stack.mongodb_address()).await;
    for function in with_user("mongodb-reader-uri") {
        let (running, _folder) = start(&env, &function, &tap.uri(), env.database.name()).await;
        work(&running, &function).await;
        let sent = tap.take();
        let others: Vec<_> = sent.keys().filter(|name| !READS.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "{} sends {sent:?}", function.binary);
        assert!(!sent.is_empty(), "{} was asked for nothing that it has from the database", function.binary);
    }
}

/// One that writes is told from one that reads, whichever way it writes.
#[tokio::test]
async fn who_writes_would_be_noticed() {
    let env = TestEnv::new().await;
    let tap = Wiretap::to(env.stack.mongodb_address()).await;
    let event = doc! {"_id": "1", "promptId": "a", "event": "view", "occurredAt": bson::DateTime::now()};
    env.database.collection::<Document>("analytics_events").insert_one(event).await.unwrap();
    let function = template::Function::named("roll-up-analytics");
    let (running, _folder) = start(&env, &function, &tap.uri(), env.database.name()).await;
    work(&running, &function).await;
    let sent = tap.take();
    assert!(sent.contains_key("aggregate and write"), "{sent:?}");
}

/// With a server that refuses what a role does not allow.
#[tokio::test]
async fn each_of_three_users_may_do_what_its_functions_do() {
    let on = |role: &str, database: &str| doc! {"role": role, "db": database};
    let users: [(&str, &[Document]); 3] = [
        ("writer", &[on("readWrite", "test")]),
        ("reader", &[on("read", "test")]),
        ("monitor", &[on("clusterMonitor", "admin"), on("read", "test")]),
    ];
    let Some(server) = WithUsers::start(&users).await else { return };
    keep_secret(PASSWORD_OF_USERS);
    let uri = |user: &str| server.uri(user, PASSWORD_OF_USERS);
    // The role readWrite is enough for the operator's commands, too.
    fill(MongoSettings::new(uri("writer"), "test"), &server.database("writer", "test").await).await;
    for user in ["reader", "monitor"] {
        let things = server.database(user, "test").await.collection::<Document>("affiliate_links");
        let refusal = things.insert_one(doc! {"_id": "another"}).await.unwrap_err();
        assert!(matches!(*refusal.kind, ErrorKind::Command(_)), "{user}: {refusal:?}");
    }

    let env = TestEnv::new().await;
    for (secret, user) in
        [("mongodb-reader-uri", "reader"), ("mongodb-monitor-uri", "monitor"), ("mongodb-uri", "writer")]
    {
        // Routes that write take accounts; the jobs stand for them.
        for function in with_user(secret).iter().filter(|function| user != "writer" || function.schedule.is_some()) {
            let (running, _folder) = start(&env, function, &uri(user), "test").await;
            work(&running, function).await;
        }
    }
    // What the monitor's user is for: the others may not ask it.
    let [monitor] = &with_user("mongodb-monitor-uri")[..] else { panic!("several monitors") };
    for user in ["reader", "writer"] {
        let (running, _folder) = start(&env, monitor, &uri(user), "test").await;
        assert!(matches!(running.invoke(json!({})).await, Outcome::Error(_)), "{user}");
    }
}
