//! Platform keys, provider keys, and the seal of the audit log.

use std::collections::BTreeSet;

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{
    audit::verify,
    clock,
    mongo::{Lifetime, Mongo},
    roles::Role,
};
use tests::{
    host::{Function, keep_secret, seed, told_once},
    test_env::{PASSWORD, Person, TestEnv},
};

const NEW: &str = r#"{"name":"ci","scopes":["usage:read"],"expiresInDays":30}"#;
/// What a key with the scope of [`NEW`] may read.
const USAGE: &str = "/api/api-keys/usage";

async fn make(keys: &Function, token: &str) -> Value {
    let made = keys.post_as(token, "/api/api-keys", &serde_json::from_str(NEW).unwrap()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    told_once(made.body["key"].as_str().unwrap());
    made.body
}

async fn rotate(key: &Function, owner: &Person, made: &Value) -> Value {
    let path = format!("/api/api-keys/{}/rotate", made["id"].as_str().unwrap());
    let rotated = key.post_as(&owner.token, &path, &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    told_once(rotated.body["key"].as_str().unwrap());
    rotated.body
}

/// How a call with a key is answered.
async fn used(keys: &Function, made: &Value) -> u64 {
    keys.get_as(made["key"].as_str().unwrap(), USAGE).await.status
}

/// Moves an instant of the one key that there is into the past, as time would.
async fn past(env: &TestEnv, made: &Value, field: &str) {
    let past = clock::now() - SignedDuration::from_secs(1);
    let keys = env.database.collection::<Document>("api_keys");
    let moved = keys.update_one(doc! {field: {"$gt": past}}, doc! {"$set": {field: past}}).await.unwrap();
    assert_eq!(moved.modified_count, 1, "{field}");
    env.forget(made["prefix"].as_str().unwrap().trim_start_matches("pk_")).await;
}

#[tokio::test]
async fn no_key_is_made_with_a_token_of_before_a_new_password_whatever_copy_of_the_account_is_at_hand() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (keys, vault) = (env.function("api-keys").await, env.function("provider-keys").await);
    for (function, path) in [(&keys, "/api/api-keys"), (&vault, "/api/provider-keys")] {
        assert_eq!(function.get_as(&ada.token, path).await.status, 200, "a copy is at hand");
    }
    // As another environment does with a new password: these do not hear of it at once.
    env.users().update_one(doc! {"_id": &ada.id}, doc! {"$inc": {"sessionVersion": 1}}).await.unwrap();
    let provider = json!({"provider": "openai", "name": "k", "apiKey": "0123456789abcdef"});
    let refused = [
        keys.post_as(&ada.token, "/api/api-keys", &serde_json::from_str(NEW).unwrap()).await,
        vault.post_as(&ada.token, "/api/provider-keys", &provider).await,
    ];
    for answer in refused {
        assert_eq!(answer.status, 401, "{}", answer.text);
    }
    for made in ["api_keys", "provider_keys"] {
        assert_eq!(env.database.collection::<Document>(made).count_documents(doc! {}).await.unwrap(), 0, "{made}");
    }
}

#[tokio::test]
async fn a_key_counts_until_it_is_revoked_and_its_secret_is_shown_once() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (keys, key) = (env.function("api-keys").await, env.function("api-key").await);
    let first = make(&keys, &ada.token).await;
    assert_eq!(used(&keys, &first).await, 200);
    let listed = keys.get_as(&ada.token, "/api/api-keys").await;
    assert_eq!(listed.body["keys"][0]["last4"], first["last4"]);
    let stored = env.database.collection::<Document>("api_keys").find_one(doc! {}).await.unwrap().unwrap().to_string();
    let secret = first["key"].as_str().unwrap().split('_').nth(2).unwrap();
    assert!(!stored.contains(secret), "the store has no secret");

    let second = rotate(&key, &ada, &first).await;
    for (what, made) in [("the new one", &second), ("the one before, for a day", &first)] {
        assert_eq!(used(&env.function("api-keys").await, made).await, 200, "{what}");
    }
    let third = rotate(&key, &ada, &first).await;
    assert_eq!(used(&env.function("api-keys").await, &first).await, 401, "two rotations ago");

    let path = format!("/api/api-keys/{}/revoke", first["id"].as_str().unwrap());
    for _ in 0..2 {
        let revoked = key.post_as(&ada.token, &path, &json!({})).await;
        assert_eq!((revoked.status, &revoked.body["status"]), (200, &json!("revoked")));
    }
    for (what, made) in [("the one before", &second), ("the last", &third)] {
        assert_eq!(used(&env.function("api-keys").await, made).await, 401, "{what}");
    }
    assert_eq!(used(&keys, &third).await, 401, "nor where the key was known");
    assert_eq!(env.audited("security.api_key.revoked").await, 2);
}

#[tokio::test]
async fn a_key_ends_when_it_expires_and_is_not_rotated_any_more() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (keys, key) = (env.function("api-keys").await, env.function("api-key").await);
    let made = make(&keys, &ada.token).await;
    assert_eq!(used(&keys, &made).await, 200);
    past(&env, &made, "expiresAt").await;
    assert_eq!(used(&env.function("api-keys").await, &made).await, 401);
    assert_eq!(used(&keys, &made).await, 401, "nor where the key was known");
    let listed = keys.get_as(&ada.token, "/api/api-keys").await;
    assert_eq!(listed.body["keys"][0]["status"], "expired", "{}", listed.text);
    let path = format!("/api/api-keys/{}/rotate", made["id"].as_str().unwrap());
    let refused = key.post_as(&ada.token, &path, &json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
}

#[tokio::test]
async fn the_secret_before_a_rotation_ends_with_its_day() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (keys, key) = (env.function("api-keys").await, env.function("api-key").await);
    let first = make(&keys, &ada.token).await;
    let second = rotate(&key, &ada, &first).await;
    let until: clock::Moment = second["previousValidUntil"].as_str().unwrap().parse().unwrap();
    let hours = until.duration_since(*clock::now()).as_hours();
    assert!((23..=24).contains(&hours), "{until}");
    assert_eq!((used(&keys, &first).await, used(&keys, &second).await), (200, 200));
    past(&env, &first, "previous.until").await;
    for keys in [&env.function("api-keys").await, &keys] {
        assert_eq!((used(keys, &first).await, used(keys, &second).await), (401, 200));
    }
}

#[tokio::test]
async fn thirty_unknown_keys_a_minute_are_what_an_address_may_try() {
    let env = TestEnv::new().await;
    let keys = env.function("api-keys").await;
    let mut unknown = Vec::new();
    for _ in 0..4 {
        let owner = env.person(Role::User, None).await;
        for _ in 0..8 {
            unknown.push(make(&keys, &owner.token).await);
        }
    }
    // Whole keys, right in every letter, of which nobody knows.
    env.database.collection::<Document>("api_keys").delete_many(doc! {}).await.unwrap();
    let guessed = env.function("api-keys").await;
    for (index, made) in unknown[..31].iter().enumerate() {
        let answer = guessed.get_as(made["key"].as_str().unwrap(), USAGE).await;
        assert_eq!(answer.status, if index < 30 { 401 } else { 429 }, "key {index}: {}", answer.text);
    }
    assert_eq!(used(&env.function("api-keys").await, &unknown[31]).await, 401, "another address goes on");
}

/// Follows a list of keys from page to page; returns how many each page held, and that none came twice.
async fn pages(function: &Function, owner: &Person, path: &str) -> Vec<usize> {
    let (mut sizes, mut seen, mut cursor) = (Vec::new(), BTreeSet::new(), String::new());
    loop {
        let page = function.get_as(&owner.token, &format!("{path}limit=2{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let keys = page.body["keys"].as_array().unwrap();
        sizes.push(keys.len());
        for key in keys {
            assert!(seen.insert(key["id"].as_str().unwrap().to_owned()), "twice: {key}");
        }
        let Some(next) = page.body["nextCursor"].as_str() else { return sizes };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (keys, vault) = (env.function("api-keys").await, env.function("provider-keys").await);
    for provider in ["groq", "openai", "groq", "groq"] {
        make(&keys, &ada.token).await;
        let kept = json!({"provider": provider, "name": "k", "apiKey": "0123456789abcdef"});
        assert_eq!(vault.post_as(&ada.token, "/api/provider-keys", &kept).await.status, 201);
    }
    assert_eq!(pages(&keys, &ada, "/api/api-keys?").await, [2, 2]);
    assert_eq!(pages(&vault, &ada, "/api/provider-keys?").await, [2, 2]);
    assert_eq!(pages(&vault, &ada, "/api/provider-keys?provider=groq&").await, [2, 1]);
    for (function, path) in [(&keys, "/api/api-keys"), (&vault, "/api/provider-keys")] {
        for bad in ["limit=0", "limit=101", "cursor=x"] {
            let answer = function.get_as(&ada.token, &format!("{path}?{bad}")).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![bad.split('=').next().unwrap()]), "{path} {bad}");
        }
    }
}

#[tokio::test]
async fn ten_keys_are_the_limit_even_when_made_at_once() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let functions = join_all((0..3).map(|_| env.function("api-keys"))).await;
    let body: Value = serde_json::from_str(NEW).unwrap();
    let mut made = 0;
    for _ in 0..5 {
        let answers = join_all(functions.iter().map(|keys| keys.post_as(&ada.token, "/api/api-keys", &body))).await;
        assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
        made += answers.iter().filter(|answer| answer.status == 201).count();
    }
    assert_eq!(made, 10);
    assert_eq!(env.database.collection::<Document>("api_keys").count_documents(doc! {}).await.unwrap(), 10);
}

#[tokio::test]
async fn a_providers_secret_goes_in_and_never_comes_out() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Free, None).await;
    let vault = env.function("provider-keys").await;
    let secret = "sk-provider-0123456789-last";
    keep_secret(secret);
    keep_secret("another-secret-text");
    let body = json!({"provider": "anthropic", "name": "mine", "apiKey": secret, "allowedModels": ["m"], "monthlyLimitMicros": 5});
    let kept = vault.post_as(&ada.token, "/api/provider-keys", &body).await;
    assert_eq!((kept.status, &kept.body["last4"]), (201, &json!("last")), "{}", kept.text);
    let listed = vault.get_as(&ada.token, "/api/provider-keys?provider=anthropic").await;
    assert_eq!(listed.body["keys"].as_array().map(Vec::len), Some(1));
    let unknown = vault.get_as(&ada.token, "/api/provider-keys?provider=acme").await;
    assert_eq!((unknown.status, unknown.fields()), (422, vec!["provider"]));
    let keys = env.database.collection::<Document>("provider_keys");
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
    let left = keys.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(left.get_str("cipher").unwrap(), "", "and it is forgotten");
    assert!(left.get_array("allowedModels").unwrap().is_empty(), "nor are its models kept for ever");
    let listed = vault.get_as(&ada.token, "/api/provider-keys").await;
    assert_eq!(
        (&listed.body["keys"][0]["active"], &listed.body["keys"][0]["allowedModels"]),
        (&json!(false), &json!([]))
    );
    let short =
        vault.post_as(&ada.token, "/api/provider-keys", &json!({"provider": "groq", "name": "k", "apiKey": "x"})).await;
    assert_eq!((short.status, short.fields()), (422, vec!["apiKey"]));
}

#[tokio::test]
async fn who_loses_a_rotation_to_another_is_told_that_the_key_changed() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (keys, vault) = (env.function("api-keys").await, env.function("provider-keys").await);
    let made = make(&keys, &ada.token).await;
    let kept = json!({"provider": "groq", "name": "k", "apiKey": "0123456789abcdef"});
    let kept = vault.post_as(&ada.token, "/api/provider-keys", &kept).await;
    let (made, kept) = (made["id"].as_str().unwrap(), kept.body["id"].as_str().unwrap());
    let mut lost = 0;
    for (name, path, body) in [
        ("api-key", format!("/api/api-keys/{made}/rotate"), json!({})),
        ("provider-keys", format!("/api/provider-keys/{kept}/rotate"), json!({"apiKey": "fedcba9876543210"})),
    ] {
        let functions = join_all((0..2).map(|_| env.function(name))).await;
        for _ in 0..5 {
            let rotations = functions.iter().map(|function| function.post_as(&ada.token, &path, &body));
            let answers = join_all(rotations).await;
            answers.iter().filter_map(|answer| answer.body["key"].as_str()).for_each(told_once);
            assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
            // One after the other, both may win.
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!((answer.status, &answer.body["code"]), (409, &json!("key_changed")), "{}", answer.text);
                lost += 1;
            }
        }
    }
    println!("of ten times two rotations at once, {lost} were refused");
}

#[tokio::test]
async fn a_changed_entry_of_the_audit_log_is_found() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let ada = env.newcomer().await;
    let login = env.function("auth-login").await;
    for password in [PASSWORD, "Wrong1234", "Wrong1234"] {
        login.post("/api/auth/login", &json!({"email": ada["email"], "password": password})).await;
    }
    let audit_log = env.function("audit-logs").await;
    let failed = audit_log.get_as(&root.token, "/api/admin/audit?eventCategory=auth&severity=warning&limit=1").await;
    assert_eq!(failed.body["data"][0]["action"], "auth.login.failed", "{}", failed.text);
    let cursor = failed.body["nextCursor"].as_str().unwrap();
    let next = audit_log
        .get_as(&root.token, &format!("/api/admin/audit?eventCategory=auth&severity=warning&limit=1&cursor={cursor}"))
        .await;
    assert_eq!((next.body["data"].as_array().map(Vec::len), &next.body["nextCursor"]), (Some(1), &Value::Null));
    for bad in
        ["startDate=yesterday", "endDate=2026-13-01", "success=maybe", "page=0", "page=101", "limit=0", "cursor=x"]
    {
        let answer = audit_log.get_as(&root.token, &format!("/api/admin/audit?{bad}")).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![bad.split('=').next().unwrap()]), "{}", answer.text);
    }
    let none = audit_log.get_as(&root.token, "/api/admin/audit?endDate=2020-01-01T00:00:00Z").await;
    assert_eq!(none.body["data"], json!([]));

    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    let seed = seed("AUDIT_SEED");
    let checked = verify(&mongo, &seed).await.unwrap();
    assert_eq!((checked.intact, checked.changed.len()), (4, 0));
    let entries = env.database.collection::<Document>("audit_logs");
    let hidden = entries
        .find_one_and_update(doc! {"outcome": "failure"}, doc! {"$set": {"outcome": "success"}})
        .await
        .unwrap()
        .unwrap();
    let checked = verify(&mongo, &seed).await.unwrap();
    assert_eq!((checked.intact, checked.changed), (3, vec![hidden.get_str("_id").unwrap().to_owned()]));
}
