//! Passwords: changed, forgotten, chosen anew.

use std::time::Duration;

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    host::{Function, Outcome, keep_secret},
    http_event::{Answer, event},
    test_env::{ANOTHER_PASSWORD as ANOTHER, PASSWORD, TestEnv},
};

fn with_password(person: &Value, password: &str) -> Value {
    json!({"email": person["email"], "password": password})
}

/// A sign-up with another password.
fn with_name(person: &Value, password: &str) -> Value {
    json!({"email": person["email"], "password": password, "name": person["name"]})
}

async fn ask_for_link(password: &Function, email: &Value) -> Answer {
    password.post("/api/auth/forgot-password", &json!({"email": email})).await
}

/// The token in the link to a new password that somebody was sent.
async fn reset_token(env: &TestEnv, person: &Value) -> String {
    env.link_token(person, "Choose a new password").await
}

/// A link that no mail carries is deleted: so what an account is sent is counted besides those that count.
#[tokio::test]
async fn an_account_is_sent_six_links_an_hour_whatever_becomes_of_them() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let password = env.function("auth-password").await;
    let links = env.database.collection::<Document>("password_resets");
    let mut made = 0;
    for _ in 0..9 {
        let answer = ask_for_link(&password, &json!(ada.email)).await;
        assert!(answer.status == 202 && !answer.headers.to_string().contains("links-of-account"), "{}", answer.text);
        made += links.delete_many(doc! {"userId": &ada.id}).await.unwrap().deleted_count;
    }
    assert_eq!(made, 6);
}

/// One customer may have all of an IPv6 /48.
#[tokio::test]
async fn a_wide_network_asks_for_fifty_links_an_hour() {
    let env = TestEnv::new().await;
    let password = env.function("auth-password").await;
    let network = format!("2001:db8:{:x}", std::process::id() & 0xffff);
    let mut people = Vec::new();
    for n in 0..52 {
        let person = env.person(Role::User, None).await;
        let body = json!({"email": person.email}).to_string();
        let headers = [("content-type", "application/json")];
        let address = format!("{network}:f0{n:02x}::1");
        let asked = event("POST", "/api/auth/forgot-password", &headers, Some(&body), &address);
        let Outcome::Response(answer) = password.invoke(asked).await else { panic!("no answer") };
        assert_eq!(answer["statusCode"], 202);
        people.push(person.id);
    }
    let links = env.database.collection::<Document>("password_resets");
    assert_eq!(links.count_documents(doc! {"userId": {"$in": people}}).await.unwrap(), 50);
}

#[tokio::test]
async fn a_changed_password_ends_every_session() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    let access = tokens["accessToken"].as_str().unwrap();
    let (password, session) = (env.function("auth-password").await, env.function("auth-session").await);
    keep_secret(ANOTHER);
    let change = async |current: &str| {
        let body = json!({"currentPassword": current, "newPassword": ANOTHER});
        password.post_as(access, "/api/auth/change-password", &body).await
    };
    let wrong = change("Wrong1234").await;
    assert_eq!((wrong.status, wrong.fields()), (422, vec!["currentPassword"]));
    let done = change(PASSWORD).await;
    assert_eq!(done.status, 204, "{}", done.text);
    assert_eq!(session.get_as(access, "/api/auth/session").await.status, 401);
    let refreshed = session.post("/api/auth/refresh", &json!({"refreshToken": tokens["refreshToken"]})).await;
    assert_eq!(refreshed.status, 401, "{}", refreshed.text);
    env.sign_in(&with_password(&ada, ANOTHER)).await;
    env.mailed(&ada, "Your password was changed").await;
}

/// From now on the store refuses every entry of the audit log.
pub(crate) async fn refuse_entries(env: &TestEnv) {
    let never = doc! {"collMod": "audit_logs", "validator": {"never": true}};
    env.database.run_command(never).await.unwrap();
}

#[tokio::test]
async fn the_owner_hears_of_a_new_password_whose_entry_is_refused() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    let password = env.function("auth-password").await;
    assert_eq!(ask_for_link(&password, &ada["email"]).await.status, 202);
    refuse_entries(&env).await;
    keep_secret(ANOTHER);
    let body = json!({"currentPassword": PASSWORD, "newPassword": ANOTHER});
    let answer = password.post_as(tokens["accessToken"].as_str().unwrap(), "/api/auth/change-password", &body).await;
    assert!(answer.status >= 500, "{}", answer.text);
    env.mailed(&ada, "Your password was changed").await;
    for rest in ["sessions", "password_resets"] {
        let left = env.database.collection::<Document>(rest).count_documents(doc! {}).await.unwrap();
        assert_eq!(left, 0, "{rest}");
    }
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_a_link_that_works_once() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    let (password, twin) = (env.function("auth-password").await, env.function("auth-password").await);
    assert_eq!(ask_for_link(&password, &ada["email"]).await.status, 202);
    keep_secret(ANOTHER);
    let body = json!({"token": reset_token(&env, &ada).await, "password": ANOTHER});
    let (one, two) = futures_util::join!(
        password.post("/api/auth/reset-password", &body),
        twin.post("/api/auth/reset-password", &body)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422], "{} {}", one.text, two.text);
    let left = env.database.collection::<Document>("password_resets").count_documents(doc! {}).await.unwrap();
    assert_eq!(left, 0);
    let session = env.function("auth-session").await;
    assert_eq!(session.get_as(tokens["accessToken"].as_str().unwrap(), "/api/auth/session").await.status, 401);
    env.sign_in(&with_password(&ada, ANOTHER)).await;
}

#[tokio::test]
async fn a_weak_new_password_is_refused_everywhere_and_uses_no_link_up() {
    let env = TestEnv::new().await;
    let mut ada = tests::test_env::newcomer();
    ada["name"] = "Ada Lovelace".into();
    let signup = env.function("auth-signup").await;
    for (weak, said) in [
        ("eleven char", "12 to 128 characters"),
        ("Password1234", "common"),
        ("P@ssw0rd1234", "common"),
        ("qwertyuiop12", "common"),
        ("adalovelace1815", "your name"),
    ] {
        let refused = signup.post("/api/auth/signup", &with_name(&ada, weak)).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["password"]), "{weak}: {}", refused.text);
        assert!(refused.text.contains(said) && !refused.text.contains(weak), "{weak}: {}", refused.text);
    }
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 0);
    // No composition rules: lower case alone will do.
    ada["password"] = "a quiet river bends twice".into();
    keep_secret("a quiet river bends twice");
    assert_eq!(signup.post("/api/auth/signup", &ada).await.status, 202);
    let token = env.link_token(&ada, "Complete your sign-up").await;
    for weak in ["Password1234", "adalovelace1815"] {
        let refused = signup.post("/api/auth/signup/complete", &json!({"token": token, "password": weak})).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["password"]), "{weak}: {}", refused.text);
    }
    let complete = json!({"token": token, "password": ada["password"]});
    assert_eq!(signup.post("/api/auth/signup/complete", &complete).await.status, 201, "the link is not used up");

    let (password, tokens) = (env.function("auth-password").await, env.sign_in(&ada).await);
    let access = tokens["accessToken"].as_str().unwrap();
    for weak in ["iloveyou1234", "lovelace-ada-1"] {
        let body = json!({"currentPassword": ada["password"], "newPassword": weak});
        let refused = password.post_as(access, "/api/auth/change-password", &body).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["newPassword"]), "{}", refused.text);
    }
    assert_eq!(ask_for_link(&password, &ada["email"]).await.status, 202);
    let token = reset_token(&env, &ada).await;
    for weak in ["iloveyou1234", "lovelace-ada-1"] {
        let refused = password.post("/api/auth/reset-password", &json!({"token": token, "password": weak})).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["password"]), "{}", refused.text);
    }
    keep_secret(ANOTHER);
    let done = password.post("/api/auth/reset-password", &json!({"token": token, "password": ANOTHER})).await;
    assert_eq!(done.status, 204, "{}", done.text);
    env.sign_in(&with_password(&ada, ANOTHER)).await;
}

#[tokio::test]
async fn a_password_of_before_goes_on_signing_in() {
    let env = TestEnv::new().await;
    for hash in [
        bcrypt::hash("Secret1x", 4).unwrap(),
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$lOoL48ZedYwKLzrP3kCjSsGxksny4okllTBlsA7MnQg".to_owned(),
    ] {
        let person = env.person(shared::roles::Role::User, None).await;
        let set = doc! {"$set": {"passwordHash": hash}};
        env.users().update_one(doc! {"_id": &person.id}, set).await.unwrap();
        for _ in 0..2 {
            env.sign_in(&json!({"email": person.email, "password": "Secret1x"})).await;
        }
    }
}

#[tokio::test]
async fn a_password_is_one_text_whichever_way_a_keyboard_sends_it() {
    let env = TestEnv::new().await;
    let ways = ["Caf\u{e9}-behind-the-mill", "Cafe\u{301}-behind-the-mill"];
    for chosen in ways {
        keep_secret(chosen);
        let mut person = tests::test_env::newcomer();
        person["password"] = chosen.into();
        env.sign_up(&person).await;
        for typed in ways {
            env.sign_in(&with_password(&person, typed)).await;
        }
        // As another application hashed what was sent.
        let imported = doc! {"$set": {"passwordHash": bcrypt::hash(chosen, 4).unwrap()}};
        env.users().update_one(doc! {"email": person["email"].as_str()}, imported).await.unwrap();
        for typed in ways {
            env.sign_in(&with_password(&person, typed)).await;
        }
    }
}

#[tokio::test]
async fn whether_there_is_an_account_is_told_neither_by_the_answer_nor_by_its_time() {
    let env = TestEnv::new().await;
    let away = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("NOTIFICATIONS_QUEUE_URL", "http://127.0.0.1:1/000000000000/notifications"),
    ];
    for (what, variables) in [("with the queue", &[][..]), ("without the queue", &away[..])] {
        let ada = env.newcomer().await;
        let stranger = tests::test_env::newcomer();
        let password = env.function_with("auth-password", variables).await;
        let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
        let mut answers = Vec::new();
        // Three an hour are what an address may ask for; the fastest counts.
        for _ in 0..3 {
            for (email, fastest) in [(&ada["email"], &mut known), (&stranger["email"], &mut unknown)] {
                let answer = ask_for_link(&password, email).await;
                *fastest = password.took().min(*fastest);
                answers.push((answer.status, answer.text));
            }
        }
        println!("a link asked for, {what}: known address {known:?}, unknown {unknown:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{what}: {answers:?}");
        assert!(known < unknown * 2 && unknown < known * 2, "{what}: known {known:?}, unknown {unknown:?}");
        if variables.is_empty() {
            assert_eq!(answers[0], (202, json!({"success": true}).to_string()));
        } else {
            let resets = env.database.collection::<Document>("password_resets");
            let kept = resets.count_documents(doc! {}).await.unwrap();
            assert_eq!(kept, 3, "of those that were sent: what could not be keeps nobody from the next");
        }
    }
}
