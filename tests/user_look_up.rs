//! Whose token it is: looked up in the process, then the cache, then MongoDB, and never long out of date.

use std::time::{Duration, Instant};

use bson::doc;
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    host::{Function, keep_secret},
    proxy::Proxy,
    stack::stack,
    test_env::{PASSWORD, Person, TestEnv, token},
    wiretap::Wiretap,
};

const SESSION: &str = "/api/auth/session";

/// A env whose functions ask the cache server first, or have none.
async fn env(cached: bool) -> TestEnv {
    if cached { TestEnv::new().await } else { TestEnv::with("", &stack().mongodb_uri).await }
}

/// A env whose functions' commands to MongoDB are counted.
async fn tapped(cached: bool) -> (TestEnv, Wiretap) {
    let stack = stack();
    let wiretap = Wiretap::to(stack.mongodb_address()).await;
    let uri = wiretap.uri();
    let redis = stack.redis_url.clone().filter(|_| cached).unwrap_or_default();
    (TestEnv::with(&redis, &uri).await, wiretap)
}

/// Reads since the last call.
fn reads(wiretap: &Wiretap) -> u64 {
    wiretap.take().get("find").copied().unwrap_or_default()
}

#[tokio::test]
async fn without_mongodb_nobody_is_let_in_and_those_known_are_served() {
    let proxy = Proxy::to(stack().mongodb_address()).await;
    let uri = proxy.uri();
    let env = TestEnv::with("", &uri).await;
    let (known, stranger) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    let session = env.function("auth-session").await;
    assert_eq!(session.get_as(&known.token, "/api/auth/session").await.status, 200);
    proxy.cut();
    assert_eq!(session.get_as(&known.token, "/api/auth/session").await.status, 200, "looked up before");
    let refused = session.get_as(&stranger.token, "/api/auth/session").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{}", refused.text);
    let login = env.function("auth-login").await;
    let body = json!({"email": known.email, "password": PASSWORD});
    assert_eq!(login.post("/api/auth/login", &body).await.status, 503);
    proxy.restore();
    assert_eq!(session.get_as(&stranger.token, "/api/auth/session").await.status, 200);
}

/// Who is made an administrator has set a second factor up before.
async fn has_factor(env: &TestEnv, person: &Person) {
    let factor = doc! {"$set": {"mfa": {"method": "totp"}}};
    env.users().update_one(doc! {"_id": &person.id}, factor).await.unwrap();
}

#[tokio::test]
async fn a_changed_role_or_status_is_in_force_at_once_with_the_cache() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let member = env.person(Role::User, None).await;
    has_factor(&env, &member).await;
    let (admin, audit) = (env.function("users-admin").await, env.function("audit-logs").await);
    assert_eq!(audit.get_as(&member.token, "/api/admin/audit").await.status, 403);
    let path = format!("/api/admin/users/{}", member.id);
    let change = async |body: Value| admin.patch_as(&root.token, &path, "", &body).await;
    let promoted = change(json!({"role": "super_admin"})).await;
    assert_eq!((promoted.status, &promoted.body["role"]), (200, &json!("super_admin")), "{}", promoted.text);
    // Another environment, which asks the cache and the store.
    let elsewhere = env.function("audit-logs").await;
    let seen = elsewhere.get_as(&member.token, "/api/admin/audit?action=admin.user.role_changed").await;
    assert_eq!((seen.status, seen.body["data"].as_array().map(Vec::len)), (200, Some(1)), "{}", seen.text);
    assert_eq!(seen.body["data"][0]["details"]["roleAfter"], "super_admin");
    assert_eq!(change(json!({"status": "suspended"})).await.status, 200);
    assert_eq!(env.function("audit-logs").await.get_as(&member.token, "/api/admin/audit").await.status, 401);
    let again = token(&member.id, Role::SuperAdmin, 1);
    assert_eq!(env.function("audit-logs").await.get_as(&again, "/api/admin/audit").await.status, 403, "suspended");
}

/// When an environment that knew somebody begins to answer otherwise, and how. It is asked every half second: more
/// would use its limit up.
async fn otherwise(warm: &Function, person: &Person, path: &str, before: u64) -> (Duration, u64) {
    let since = Instant::now();
    loop {
        let status = warm.get_as(&person.token, path).await.status;
        if status != before {
            return (since.elapsed(), status);
        }
        assert!(since.elapsed() < Duration::from_secs(45), "{path} still answers {status}");
        tokio::time::sleep(Duration::from_millis(750)).await;
    }
}

/// One who gets another role and one who is suspended, at environments that served both before.
async fn changes_come_into_force(cached: bool) {
    let env = env(cached).await;
    let root = env.person(Role::SuperAdmin, None).await;
    let (promoted, suspended) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    has_factor(&env, &promoted).await;
    let (audit, session, admin) =
        (env.function("audit-logs").await, env.function("auth-session").await, env.function("users-admin").await);
    assert_eq!(audit.get_as(&promoted.token, "/api/admin/audit").await.status, 403);
    assert_eq!(session.get_as(&suspended.token, SESSION).await.status, 200);
    for (person, change) in [(&promoted, json!({"role": "super_admin"})), (&suspended, json!({"status": "suspended"}))]
    {
        let changed = admin.patch_as(&root.token, &format!("/api/admin/users/{}", person.id), "", &change).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    }
    let ((role, served), (status, refused)) = tokio::join!(
        otherwise(&audit, &promoted, "/api/admin/audit", 403),
        otherwise(&session, &suspended, SESSION, 200),
    );
    println!("in force where the account was known, cache server {cached}: role {role:?}, suspension {status:?}");
    assert_eq!(served, 200, "the new role is served");
    assert!([401, 403].contains(&refused), "{refused}");
    assert!(role.max(status) <= Duration::from_secs(31), "role {role:?}, suspension {status:?}");
}

#[tokio::test]
async fn a_changed_role_or_status_is_in_force_within_half_a_minute_where_the_account_was_known() {
    tokio::join!(changes_come_into_force(true), changes_come_into_force(false));
}

#[tokio::test]
async fn a_token_of_after_a_new_password_counts_at_once_where_the_account_was_known() {
    for cached in [true, false] {
        let env = env(cached).await;
        let mut ada = env.newcomer().await;
        let before = env.sign_in(&ada).await;
        let (before, warm) = (before["accessToken"].as_str().unwrap(), env.function("auth-session").await);
        assert_eq!(warm.get_as(before, SESSION).await.status, 200);
        keep_secret("Another123-green-kettle");
        let change = json!({"currentPassword": PASSWORD, "newPassword": "Another123-green-kettle"});
        let changed = env.function("auth-password").await.post_as(before, "/api/auth/change-password", &change).await;
        assert_eq!(changed.status, 204, "{}", changed.text);
        ada["password"] = "Another123-green-kettle".into();
        let after = env.sign_in(&ada).await;
        let after = warm.get_as(after["accessToken"].as_str().unwrap(), SESSION).await;
        assert_eq!(after.status, 200, "cache server {cached}: {}", after.text);
        assert_eq!(warm.get_as(before, SESSION).await.status, 401, "cache server {cached}: and no older one");
    }
}

#[tokio::test]
async fn the_look_up_spares_the_database_nearly_every_read_of_a_user() {
    let mut figures = Vec::new();
    for cached in [true, false] {
        let (env, wiretap) = tapped(cached).await;
        let mut people = Vec::new();
        for _ in 0..50 {
            people.push(env.person(Role::User, None).await);
        }
        let environments = join_all((0..5).map(|_| env.function("auth-session"))).await;
        for round in 0..20 {
            for (index, person) in people.iter().enumerate() {
                let session = &environments[(round + index) % environments.len()];
                assert_eq!(session.get_as(&person.token, SESSION).await.status, 200);
            }
        }
        figures.push(reads(&wiretap));
    }
    println!(
        "1,000 authenticated requests of 50 users in 5 environments: with the cache {} reads of MongoDB",
        figures[0]
    );
    println!("in the process alone: {}", figures[1]);
    // Each of them is read once, or once by each environment: fewer would be counted wrongly.
    assert!((50..=60).contains(&figures[0]), "{figures:?}");
    assert!((250..=300).contains(&figures[1]), "at least 70 % less in the process alone: {figures:?}");
}

#[tokio::test]
async fn twenty_at_once_of_one_account_that_no_cache_knows_cost_a_read_or_two() {
    if stack().redis_url.is_none() {
        return;
    }
    let (env, wiretap) = tapped(true).await;
    // An environment serves one request at a time: twenty at once are twenty environments.
    let environments = join_all((0..20).map(|_| env.function("auth-session"))).await;
    for session in &environments {
        // Each has read once, and is connected: connecting is not what is measured.
        let other = env.person(Role::User, None).await;
        assert_eq!(session.get_as(&other.token, SESSION).await.status, 200);
    }
    assert_eq!(reads(&wiretap), 20);
    let unknown = env.person(Role::User, None).await;
    let answers = join_all(environments.iter().map(|session| session.get_as(&unknown.token, SESSION))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let reads = reads(&wiretap);
    println!("20 requests at once of an account that no cache knows: {reads} reads of MongoDB");
    assert!((1..=3).contains(&reads), "{reads} reads");
}
