//! Platform keys, provider keys, the audit trail, and what the user look-up spares the database.

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use serial_test::{parallel, serial};
use shared::{
    accounts::Role,
    audit::verify,
    keys::Seed,
    mongo::{Lifetime, Mongo},
};
use tests::{
    eventually,
    host::{Function, SECRETS, holds_no_secret},
    people::{PASSWORD, Town, newcomer},
    stack::stack,
};

const NEW: &str = r#"{"name":"ci","scopes":["usage:read"],"expiresInDays":30}"#;

async fn make(keys: &Function, token: &str) -> Value {
    let made = keys.post_as(token, "/api/api-keys", &serde_json::from_str(NEW).unwrap()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body
}

#[tokio::test]
#[parallel(stack)]
async fn a_key_counts_until_it_is_revoked_and_its_secret_is_shown_once() {
    let town = Town::new().await;
    let ada = town.person(Role::User, None).await;
    let (keys, key) = (town.function("api-keys").await, town.function("api-key").await);
    let made = make(&keys, &ada.token).await;
    let (text, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!(keys.get_as(text, "/api/api-keys/usage").await.status, 200);
    let listed = keys.get_as(&ada.token, "/api/api-keys").await;
    assert_eq!(listed.body["keys"][0]["last4"], made["last4"]);
    assert!(!listed.text.contains(text));
    let stored = town.database.collection::<Document>("api_keys").find_one(doc! {}).await.unwrap().unwrap().to_string();
    assert!(!stored.contains(text.split('_').nth(2).unwrap()), "the store has no secret");

    let rotated = key.post_as(&ada.token, &format!("/api/api-keys/{id}/rotate"), &json!({})).await;
    let second = rotated.body["key"].as_str().unwrap();
    for (what, key) in [("the new one", second), ("the one before, for a day", text)] {
        assert_eq!(town.function("api-keys").await.get_as(key, "/api/api-keys/usage").await.status, 200, "{what}");
    }
    let third = key.post_as(&ada.token, &format!("/api/api-keys/{id}/rotate"), &json!({})).await;
    assert_eq!(third.status, 200);
    let elsewhere = town.function("api-keys").await;
    assert_eq!(elsewhere.get_as(text, "/api/api-keys/usage").await.status, 401, "two rotations ago");

    for _ in 0..2 {
        let revoked = key.post_as(&ada.token, &format!("/api/api-keys/{id}/revoke"), &json!({})).await;
        assert_eq!((revoked.status, &revoked.body["status"]), (200, &json!("revoked")));
    }
    for gone in [second, third.body["key"].as_str().unwrap()] {
        assert_eq!(town.function("api-keys").await.get_as(gone, "/api/api-keys/usage").await.status, 401);
    }
    assert_eq!(town.audited("security.api_key.revoked").await, 2);
}

#[tokio::test]
#[parallel(stack)]
async fn ten_keys_are_the_limit_even_when_made_at_once() {
    let town = Town::new().await;
    let ada = town.person(Role::User, None).await;
    let functions = join_all((0..3).map(|_| town.function("api-keys"))).await;
    let body: Value = serde_json::from_str(NEW).unwrap();
    let mut made = 0;
    for _ in 0..5 {
        let answers = join_all(functions.iter().map(|keys| keys.post_as(&ada.token, "/api/api-keys", &body))).await;
        assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
        made += answers.iter().filter(|answer| answer.status == 201).count();
    }
    assert_eq!(made, 10);
    assert_eq!(town.database.collection::<Document>("api_keys").count_documents(doc! {}).await.unwrap(), 10);
}

#[tokio::test]
#[parallel(stack)]
async fn a_keys_use_is_counted_through_the_queue() {
    // In the deployed stack's own database, where its consumer writes.
    let stack = stack();
    let client = reqwest::Client::new();
    let ada = newcomer();
    let post = async |path: &str, token: &str, body: &Value| -> Value {
        let request = client.post(format!("{}{path}", stack.api_url)).bearer_auth(token).json(body);
        request.send().await.unwrap().json().await.unwrap()
    };
    post("/api/auth/signup", "", &ada).await;
    let login = json!({"email": ada["email"], "password": PASSWORD});
    let token = post("/api/auth/login", "", &login).await["accessToken"].as_str().unwrap().to_owned();
    let made = post("/api/api-keys", &token, &serde_json::from_str(NEW).unwrap()).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let usage = async |bearer: &str| -> Value {
        let request = client.get(format!("{}/api/api-keys/usage", stack.api_url)).bearer_auth(bearer);
        request.send().await.unwrap().json().await.unwrap()
    };
    for _ in 0..3 {
        assert!(usage(&key).await["usage"].is_array());
    }
    let counted = eventually("three calls are counted", 90, async || {
        let usage = usage(&token).await;
        (usage["usage"][0]["calls"] == 3).then_some(usage)
    })
    .await;
    assert_eq!((&counted["usage"][0]["keyId"], &counted["usage"][0]["failed"]), (&made["id"], &json!(0)));
}

#[tokio::test]
#[parallel(stack)]
async fn a_providers_secret_goes_in_and_never_comes_out() {
    let town = Town::new().await;
    let ada = town.person(Role::Free, None).await;
    let vault = town.function("provider-keys").await;
    let secret = "sk-provider-0123456789-last";
    let body = json!({"provider": "anthropic", "name": "mine", "apiKey": secret, "allowedModels": ["m"], "monthlyLimitMicros": 5});
    let kept = vault.post_as(&ada.token, "/api/provider-keys", &body).await;
    assert_eq!((kept.status, &kept.body["last4"]), (201, &json!("last")), "{}", kept.text);
    let listed = vault.get_as(&ada.token, "/api/provider-keys?provider=anthropic").await;
    assert_eq!(listed.body["keys"].as_array().map(Vec::len), Some(1));
    let unknown = vault.get_as(&ada.token, "/api/provider-keys?provider=acme").await;
    assert_eq!((unknown.status, unknown.fields()), (422, vec!["provider"]));
    let keys = town.database.collection::<Document>("provider_keys");
    let stored = keys.find_one(doc! {}).await.unwrap().unwrap();
    assert!(!stored.to_string().contains("sk-provider"));
    let id = kept.body["id"].as_str().unwrap();
    let rotated = vault
        .post_as(&ada.token, &format!("/api/provider-keys/{id}/rotate"), &json!({"apiKey": "another-secret-text"}))
        .await;
    assert_eq!((rotated.status, &rotated.body["last4"]), (200, &json!("text")));
    let after = keys.find_one(doc! {}).await.unwrap().unwrap();
    assert_ne!(after.get_str("cipher").unwrap(), stored.get_str("cipher").unwrap());
    let revoked = vault.post_as(&ada.token, &format!("/api/provider-keys/{id}/revoke"), &json!({})).await;
    assert_eq!((revoked.status, &revoked.body["active"]), (200, &json!(false)));
    assert_eq!(keys.find_one(doc! {}).await.unwrap().unwrap().get_str("cipher").unwrap(), "", "and it is forgotten");
    let short =
        vault.post_as(&ada.token, "/api/provider-keys", &json!({"provider": "groq", "name": "k", "apiKey": "x"})).await;
    assert_eq!((short.status, short.fields()), (422, vec!["apiKey"]));
}

#[tokio::test]
#[parallel(stack)]
async fn a_changed_entry_of_the_trail_is_found() {
    let town = Town::new().await;
    let root = town.person(Role::SuperAdmin, None).await;
    let ada = newcomer();
    town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
    let login = town.function("auth-login").await;
    for password in [PASSWORD, "Wrong1234", "Wrong1234"] {
        login.post("/api/auth/login", &json!({"email": ada["email"], "password": password})).await;
    }
    let trail = town.function("audit-logs").await;
    let failed = trail.get_as(&root.token, "/api/admin/audit?category=auth&severity=warning&limit=1").await;
    assert_eq!(failed.body["entries"][0]["action"], "auth.login.failed", "{}", failed.text);
    let cursor = failed.body["nextCursor"].as_str().unwrap();
    let next = trail
        .get_as(&root.token, &format!("/api/admin/audit?category=auth&severity=warning&limit=1&cursor={cursor}"))
        .await;
    assert_eq!((next.body["entries"].as_array().map(Vec::len), &next.body["nextCursor"]), (Some(1), &Value::Null));
    for bad in ["from=yesterday", "limit=0", "cursor=x"] {
        let answer = trail.get_as(&root.token, &format!("/api/admin/audit?{bad}")).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![bad.split('=').next().unwrap()]), "{}", answer.text);
    }
    let none = trail.get_as(&root.token, "/api/admin/audit?to=2020-01-01T00:00:00Z").await;
    assert_eq!(none.body["entries"], json!([]));

    let mongo = Mongo::new(town.stack.settings(&town.database), Lifetime::Environment);
    let seed = Seed::from(SECRETS[1].1);
    let checked = verify(&mongo, &seed).await.unwrap();
    assert_eq!((checked.intact, checked.changed.len()), (4, 0));
    let entries = town.database.collection::<Document>("audit_logs");
    let hidden = entries
        .find_one_and_update(doc! {"outcome": "failure"}, doc! {"$set": {"outcome": "success"}})
        .await
        .unwrap()
        .unwrap();
    let checked = verify(&mongo, &seed).await.unwrap();
    assert_eq!((checked.intact, checked.changed), (3, vec![hidden.get_str("_id").unwrap().to_owned()]));
}

/// Reads of `users` at the server, by its own counters.
async fn reads(town: &Town) -> i64 {
    let status = town.database.run_command(doc! {"serverStatus": 1}).await.unwrap();
    let counters = status.get_document("opcounters").unwrap();
    let number = counters.get("query").unwrap();
    number.as_i64().or(number.as_i32().map(i64::from)).unwrap()
}

#[tokio::test]
#[serial(stack)]
async fn the_look_up_spares_the_database_nearly_every_read_of_a_user() {
    let mut figures = Vec::new();
    for (what, redis) in [("with the cache", None), ("in the process alone", Some(""))] {
        let town = match redis {
            Some(redis) => Town::with(redis, &stack().mongodb_uri).await,
            None => Town::new().await,
        };
        let mut people = Vec::new();
        for _ in 0..50 {
            people.push(town.person(Role::User, None).await);
        }
        let environments = join_all((0..5).map(|_| town.function("auth-session"))).await;
        let before = reads(&town).await;
        for round in 0..20 {
            for (index, person) in people.iter().enumerate() {
                let session = &environments[(round + index) % environments.len()];
                assert_eq!(session.get_as(&person.token, "/api/auth/session").await.status, 200);
            }
        }
        figures.push((what, reads(&town).await - before));
    }
    for (what, reads) in &figures {
        println!("1,000 authenticated requests of 50 users in 5 environments, {what}: {reads} reads of MongoDB");
    }
    assert!(figures[0].1 <= 60, "{figures:?}");
    assert!(figures[1].1 <= 300, "the audit asks for 70 % less: {figures:?}");
}

#[tokio::test]
#[serial(stack)]
async fn the_deployed_stacks_logs_hold_no_secret() {
    let stack = stack();
    let client = reqwest::Client::new();
    let ada = newcomer();
    for path in ["/api/auth/signup", "/api/auth/login", "/api/auth/forgot-password"] {
        let mut body = ada.clone();
        if path != "/api/auth/signup" {
            body.as_object_mut().unwrap().remove("name");
        }
        if path == "/api/auth/forgot-password" {
            body.as_object_mut().unwrap().remove("password");
        }
        let answer = client.post(format!("{}{path}", stack.api_url)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }
    let lines = stack.log_lines();
    assert!(lines.iter().any(|line| line.contains("/api/auth/login")), "{} lines", lines.len());
    for line in lines {
        holds_no_secret(&line);
    }
}
