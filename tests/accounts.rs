//! From sign-up to sign-out.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use serial_test::parallel;
use shared::accounts::Role;
use tests::{
    eventually,
    host::Function,
    people::{PASSWORD, Town, newcomer, token},
    proxy::Proxy,
    stack::stack,
};

async fn sign_in(town: &Town, person: &Value) -> Value {
    let login = town.function("auth-login").await;
    let answer =
        login.post("/api/auth/login", &json!({"email": person["email"], "password": person["password"]})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

async fn refresh(session: &Function, token: &Value) -> (u64, Value) {
    let answer = session.post("/api/auth/refresh", &json!({"refreshToken": token})).await;
    (answer.status, answer.body)
}

#[tokio::test]
#[parallel(stack)]
async fn two_who_sign_up_at_once_with_one_address_make_one_account() {
    let town = Town::new().await;
    let (one, two) = (town.function("auth-signup").await, town.function("auth-signup").await);
    let ada = newcomer();
    let mut loud = ada.clone();
    loud["email"] = ada["email"].as_str().unwrap().to_uppercase().into();
    let (first, second) = futures_util::join!(one.post("/api/auth/signup", &ada), two.post("/api/auth/signup", &loud));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", first.text, second.text);
    let taken = if first.status == 409 { first } else { second };
    assert_eq!(taken.body["code"], "email_taken");
    assert_eq!(town.users().count_documents(doc! {}).await.unwrap(), 1);
    let stored = town.users().find_one(doc! {}).await.unwrap().unwrap();
    assert!(stored.get_str("passwordHash").unwrap().starts_with("$argon2id$"));
    assert_eq!(town.audited("auth.signup").await, 1);
}

#[tokio::test]
#[parallel(stack)]
async fn a_bad_sign_up_names_its_fields() {
    let signup = Town::new().await.function("auth-signup").await;
    for (field, value) in [
        ("email", json!("nobody")),
        ("password", json!("short")),
        ("password", json!("no upper case 1")),
        ("password", json!("x".repeat(200))),
        ("name", json!("")),
        ("name", json!(7)),
    ] {
        let mut body = newcomer();
        body[field] = value;
        let answer = signup.post("/api/auth/signup", &body).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
        assert!(!answer.text.contains("no upper case 1"), "a password is not repeated");
    }
    let mut body = newcomer();
    body["role"] = "super_admin".into();
    assert_eq!(signup.post("/api/auth/signup", &body).await.status, 422, "nobody chooses their role");
}

#[tokio::test]
#[parallel(stack)]
async fn a_session_lives_by_its_refresh_tokens_and_ends_when_one_comes_twice() {
    let town = Town::new().await;
    let ada = newcomer();
    assert_eq!(town.function("auth-signup").await.post("/api/auth/signup", &ada).await.status, 201);
    let tokens = sign_in(&town, &ada).await;
    let session = town.function("auth-session").await;
    let access = tokens["accessToken"].as_str().unwrap();
    let shown = session.get_as(access, "/api/auth/session").await;
    assert_eq!((shown.status, &shown.body["email"]), (200, &ada["email"]), "{}", shown.text);

    let (status, second) = refresh(&session, &tokens["refreshToken"]).await;
    assert_eq!(status, 200, "{second}");
    let (status, third) = refresh(&session, &second["refreshToken"]).await;
    assert_eq!(status, 200);
    // The first one again: stolen, or its successor was.
    assert_eq!(refresh(&session, &tokens["refreshToken"]).await.0, 401);
    assert_eq!(refresh(&session, &third["refreshToken"]).await.0, 401, "the whole family is over");
    let ended = session.get_as(third["accessToken"].as_str().unwrap(), "/api/auth/session").await;
    assert_eq!(ended.status, 401, "and so are its access tokens");
    assert_eq!(town.audited("security.refresh.reused").await, 1);
    assert_eq!(refresh(&session, &json!("rt_made-up")).await.0, 401);
}

#[tokio::test]
#[parallel(stack)]
async fn a_refresh_token_is_good_for_one_use_even_at_once() {
    let town = Town::new().await;
    let ada = newcomer();
    town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
    let tokens = sign_in(&town, &ada).await;
    let sessions = join_all((0..3).map(|_| town.function("auth-session"))).await;
    let answers = join_all(sessions.iter().map(|session| refresh(session, &tokens["refreshToken"]))).await;
    // None, when a second use ended the session before the first was answered.
    let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert!(won.len() <= 1 && answers.iter().all(|(status, _)| [200, 401].contains(status)), "{answers:?}");
    for (_, tokens) in won {
        assert_eq!(refresh(&sessions[0], &tokens["refreshToken"]).await.0, 401, "the session is over");
    }
    assert!(town.audited("security.refresh.reused").await >= 1);
}

#[tokio::test]
#[parallel(stack)]
async fn signing_out_is_in_force_elsewhere_within_seconds() {
    let town = Town::new().await;
    let ada = newcomer();
    town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
    let (phone, laptop) = (sign_in(&town, &ada).await, sign_in(&town, &ada).await);
    let (here, there) = (town.function("auth-session").await, town.function("user-stats").await);
    let access = phone["accessToken"].as_str().unwrap();
    assert_eq!(here.post_as(access, "/api/auth/logout", &json!({})).await.status, 204);
    assert_eq!(there.get_as(access, "/api/user/stats").await.status, 401, "not even once elsewhere");
    assert_eq!(here.get_as(access, "/api/auth/session").await.status, 401);
    assert_eq!(refresh(&here, &phone["refreshToken"]).await.0, 401);
    let other = laptop["accessToken"].as_str().unwrap();
    assert_eq!(there.get_as(other, "/api/user/stats").await.status, 200, "the other session goes on");
}

#[tokio::test]
#[parallel(stack)]
async fn five_failures_lock_and_the_right_password_does_not_open() {
    for redis in [None, Some("redis://127.0.0.1:1")] {
        let town = match redis {
            Some(redis) => Town::with(redis, &stack().mongodb_uri).await,
            None => Town::new().await,
        };
        let ada = newcomer();
        town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
        let login = town.function("auth-login").await;
        let attempt = async |password: &str| {
            login.post("/api/auth/login", &json!({"email": ada["email"], "password": password})).await
        };
        for _ in 0..5 {
            assert_eq!(attempt("Wrong1234").await.status, 401);
        }
        let locked = attempt(PASSWORD).await;
        assert_eq!(locked.status, 429, "{}", locked.text);
        assert!(locked.header("retry-after").parse::<u32>().unwrap() > 800);
        assert_eq!(town.audited("auth.login.failed").await, 5);
        assert_eq!(town.audited("security.login.locked").await, 1);
        assert_eq!(town.audited("auth.login.success").await, 0);
    }
}

#[tokio::test]
#[parallel(stack)]
async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
    let town = Town::new().await;
    let ada = newcomer();
    town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
    let (mut unknown, mut wrong) = (Duration::MAX, Duration::MAX);
    // The fastest of a few: what is in the way of one of them is not in the way of all.
    for _ in 0..4 {
        let login = town.function("auth-login").await;
        for (email, fastest) in [(json!("nobody@example.com"), &mut unknown), (ada["email"].clone(), &mut wrong)] {
            let started = Instant::now();
            let answer = login.post("/api/auth/login", &json!({"email": email, "password": "Wrong1234"})).await;
            *fastest = started.elapsed().min(*fastest);
            assert_eq!(answer.status, 401);
            assert_eq!(answer.body["detail"], "The address or the password is wrong.");
        }
    }
    println!("sign-in refused: unknown address {unknown:?}, wrong password {wrong:?}");
    assert!(unknown * 2 > wrong && wrong * 2 > unknown, "unknown {unknown:?}, wrong {wrong:?}");
}

#[tokio::test]
#[parallel(stack)]
async fn an_imported_bcrypt_hash_is_replaced_at_its_first_sign_in() {
    let town = Town::new().await;
    let person = town.person(Role::User, None).await;
    // "Secret123" at cost 4, as another application wrote it.
    let imported = bcrypt::hash(PASSWORD, 4).unwrap();
    town.users().update_one(doc! {"_id": &person.id}, doc! {"$set": {"passwordHash": imported}}).await.unwrap();
    let body = json!({"email": person.email, "password": PASSWORD});
    for _ in 0..2 {
        sign_in(&town, &body).await;
        let stored = town.users().find_one(doc! {"_id": &person.id}).await.unwrap().unwrap();
        assert!(stored.get_str("passwordHash").unwrap().starts_with("$argon2id$"));
    }
}

#[tokio::test]
#[parallel(stack)]
async fn a_changed_password_ends_every_session() {
    let town = Town::new().await;
    let ada = newcomer();
    town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
    let tokens = sign_in(&town, &ada).await;
    let access = tokens["accessToken"].as_str().unwrap();
    let (password, session) = (town.function("auth-password").await, town.function("auth-session").await);
    let change = async |current: &str| {
        let body = json!({"currentPassword": current, "newPassword": "Another123"});
        password.post_as(access, "/api/auth/change-password", &body).await
    };
    let wrong = change("Wrong1234").await;
    assert_eq!((wrong.status, wrong.fields()), (422, vec!["currentPassword"]));
    let done = change(PASSWORD).await;
    assert_eq!(done.status, 204, "{}", done.text);
    assert_eq!(session.get_as(access, "/api/auth/session").await.status, 401);
    assert_eq!(refresh(&session, &tokens["refreshToken"]).await.0, 401);
    let mut again = ada.clone();
    again["password"] = "Another123".into();
    sign_in(&town, &again).await;
    told(&town, &ada, "Your password was changed").await;
}

#[tokio::test]
#[parallel(stack)]
async fn a_forgotten_password_is_reset_by_a_link_that_works_once() {
    let town = Town::new().await;
    let ada = newcomer();
    town.function("auth-signup").await.post("/api/auth/signup", &ada).await;
    let password = town.function("auth-password").await;
    let (mut known, mut unknown) = (Duration::ZERO, Duration::ZERO);
    for (email, took) in [(ada["email"].clone(), &mut known), (json!("nobody@example.com"), &mut unknown)] {
        let started = Instant::now();
        let answer = password.post("/api/auth/forgot-password", &json!({"email": email})).await;
        *took = started.elapsed();
        assert_eq!((answer.status, &answer.body), (202, &json!({"sent": true})));
    }
    println!("a link asked for: known address {known:?}, unknown {unknown:?}");
    assert!(known >= Duration::from_millis(400) && unknown >= Duration::from_millis(400));
    let mail = told(&town, &ada, "Choose a new password").await;
    let link =
        mail["BodyText"].as_str().unwrap().split_whitespace().find(|word| word.contains("token=")).unwrap().to_owned();
    assert!(link.starts_with("https://app.example.com/reset-password?token="), "{link}");
    let token = link.split_once("token=").unwrap().1;
    let body = json!({"token": token, "password": "Another123"});
    let twin = town.function("auth-password").await;
    let (one, two) = futures_util::join!(
        password.post("/api/auth/reset-password", &body),
        twin.post("/api/auth/reset-password", &body)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422], "{} {}", one.text, two.text);
    let stored: Vec<Document> = futures_util::TryStreamExt::try_collect(
        town.database.collection::<Document>("password_resets").find(doc! {}).await.unwrap(),
    )
    .await
    .unwrap();
    assert!(stored.is_empty(), "{stored:?}");
}

/// The mail with this subject to somebody; the consumer of the deployed stack sends it.
async fn told(town: &Town, person: &Value, subject: &str) -> Value {
    let to = person["email"].as_str().unwrap();
    eventually("the mail", 60, async || {
        town.stack.sent_to(to).await.into_iter().find(|mail| mail["Subject"] == subject)
    })
    .await
}

#[tokio::test]
#[parallel(stack)]
async fn without_mongodb_nobody_is_let_in_and_those_known_are_served() {
    let proxy = Proxy::to(stack().mongodb_address()).await;
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port);
    let town = Town::with("", &uri).await;
    let (known, stranger) = (town.person(Role::User, None).await, town.person(Role::User, None).await);
    let session = town.function("auth-session").await;
    assert_eq!(session.get_as(&known.token, "/api/auth/session").await.status, 200);
    proxy.cut();
    assert_eq!(session.get_as(&known.token, "/api/auth/session").await.status, 200, "looked up before");
    let refused = session.get_as(&stranger.token, "/api/auth/session").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{}", refused.text);
    let login = town.function("auth-login").await;
    let body = json!({"email": known.email, "password": PASSWORD});
    assert_eq!(login.post("/api/auth/login", &body).await.status, 503);
    proxy.restore();
    assert_eq!(session.get_as(&stranger.token, "/api/auth/session").await.status, 200);
}

#[tokio::test]
#[parallel(stack)]
async fn a_changed_role_or_status_is_in_force_at_once_with_the_cache() {
    let town = Town::new().await;
    let root = town.person(Role::SuperAdmin, None).await;
    let member = town.person(Role::User, None).await;
    let (admin, audit) = (town.function("users-admin").await, town.function("audit-logs").await);
    assert_eq!(audit.get_as(&member.token, "/api/admin/audit").await.status, 403);
    let change = async |body: Value| {
        let (path, text) = (format!("/api/admin/users/{}", member.id), body.to_string());
        let authorization = format!("Bearer {}", root.token);
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        admin.send("PATCH", &path, &headers, Some(&text)).await
    };
    let promoted = change(json!({"role": "super_admin"})).await;
    assert_eq!((promoted.status, &promoted.body["role"]), (200, &json!("super_admin")), "{}", promoted.text);
    // Another environment, which asks the cache and the store.
    let elsewhere = town.function("audit-logs").await;
    let seen = elsewhere.get_as(&member.token, "/api/admin/audit?action=admin.user.role_changed").await;
    assert_eq!((seen.status, seen.body["entries"].as_array().map(Vec::len)), (200, Some(1)), "{}", seen.text);
    assert_eq!(seen.body["entries"][0]["details"]["roleAfter"], "super_admin");
    assert_eq!(change(json!({"status": "suspended"})).await.status, 200);
    assert_eq!(town.function("audit-logs").await.get_as(&member.token, "/api/admin/audit").await.status, 401);
    let again = token(&member.id, Role::SuperAdmin, 1);
    assert_eq!(town.function("audit-logs").await.get_as(&again, "/api/admin/audit").await.status, 403, "suspended");
}

#[tokio::test]
#[parallel(stack)]
async fn the_last_super_admin_stays_even_when_two_remove_each_other() {
    let town = Town::new().await;
    let (one, two) = (town.person(Role::SuperAdmin, None).await, town.person(Role::SuperAdmin, None).await);
    let (here, there) = (town.function("users-admin").await, town.function("users-admin").await);
    let demote = async |function: &Function, by: &str, whom: &str| {
        let authorization = format!("Bearer {by}");
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        let body = json!({"role": "user"}).to_string();
        function.send("PATCH", &format!("/api/admin/users/{whom}"), &headers, Some(&body)).await
    };
    assert_eq!(demote(&here, &one.token, &one.id).await.body["code"], "own_account");
    let (first, second) = futures_util::join!(demote(&here, &one.token, &two.id), demote(&there, &two.token, &one.id));
    let done = [&first, &second].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{} {}", first.text, second.text);
    let left = town.users().count_documents(doc! {"role": "super_admin"}).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
#[parallel(stack)]
async fn a_day_of_activity_counts_once() {
    let town = Town::new().await;
    let ada = town.person(Role::User, None).await;
    let stats = town.function("user-stats").await;
    for first in [true, false] {
        let noted = stats.post_as(&ada.token, "/api/user/activity", &json!({})).await;
        assert_eq!((noted.status, &noted.body["first"]), (200, &json!(first)), "{}", noted.text);
    }
    let shown = stats.get_as(&ada.token, "/api/user/stats").await;
    assert_eq!((shown.status, &shown.body["stats"]["streak"]), (200, &json!(1)), "{}", shown.text);
    assert_eq!(shown.body["user"]["email"], json!(ada.email));
    let old = stats.get_as(&ada.token, "/api/user-stats").await;
    assert_eq!((old.status, old.header("deprecation")), (200, "@1793491200"));
    assert!(old.header("link").contains("successor-version"));
}
