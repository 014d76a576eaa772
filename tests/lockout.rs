//! Wrong passwords keep those waiting who send them, and nobody else.

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    host::{Function, Outcome, keep_secret},
    http_event::event,
    stack::stack,
    test_env::{PASSWORD, TestEnv},
};

const HOME: &str = "203.0.113.1";

/// With a cache server and without one; in both cases nothing is counted by an environment alone.
async fn envs() -> [TestEnv; 2] {
    [TestEnv::new().await, TestEnv::with("", &stack().mongodb_uri).await]
}

/// An attempt from an address: the status, and what is told.
async fn attempt(login: &Function, from: &str, body: &Value) -> (u64, Value, u64) {
    let headers = [("content-type", "application/json")];
    let outcome = login.invoke(event("POST", "/api/auth/login", &headers, Some(&body.to_string()), from)).await;
    let Outcome::Response(answer) = outcome else { panic!("no answer") };
    let told: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let wait = answer["headers"]["retry-after"].as_str().map_or(0, |wait| wait.parse().unwrap());
    (answer["statusCode"].as_u64().unwrap(), told, wait)
}

/// A network of the test's own: how often one fails at whatever accounts is counted for it.
fn stranger() -> String {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    format!("198.18.{a}.{b}")
}

/// Somebody whose password another application hashed, at bcrypt's lowest cost: a wrong guess is cheap.
async fn somebody(env: &TestEnv) -> Value {
    let person = env.person(Role::User, None).await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    env.users().update_one(doc! {"_id": &person.id}, doc! {"$set": {"passwordHash": hash}}).await.unwrap();
    json!({"email": person.email, "password": PASSWORD})
}

fn with_password(person: &Value, password: &str) -> Value {
    json!({"email": person["email"], "password": password})
}

#[tokio::test]
async fn a_stranger_locks_out_themselves_alone_in_whatever_environment_they_are_answered() {
    let stranger = &stranger();
    for env in envs().await {
        let ada = somebody(&env).await;
        let logins = [env.function("auth-login").await, env.function("auth-login").await];
        let wrong = with_password(&ada, "Wrong1234");
        for guess in 0..5 {
            let (status, told, _) = attempt(&logins[guess % 2], stranger, &wrong).await;
            assert_eq!(status, 401, "guess {guess}: {told}");
        }
        for login in &logins {
            let (status, told, wait) = attempt(login, stranger, &ada).await;
            assert_eq!(status, 429, "the right password does not open: {told}");
            assert!((30..=61).contains(&wait), "the first wait is a minute: {wait}");
        }
        assert_eq!(env.audited("auth.login.failed").await, 5);
        assert_eq!(env.audited("security.login.locked").await, 1);
        let (status, told, _) = attempt(&logins[0], HOME, &ada).await;
        assert_eq!(status, 200, "the owner signs in: {told}");
    }
}

#[tokio::test]
async fn a_device_that_signed_in_before_signs_in_whatever_its_network_does() {
    let stranger = &stranger();
    for env in envs().await {
        let ada = somebody(&env).await;
        let login = env.function("auth-login").await;
        let (_, told, _) = attempt(&login, HOME, &ada).await;
        let device = told["deviceToken"].clone();
        let known = |person: &Value| {
            let mut body = person.clone();
            body["deviceToken"] = device.clone();
            body
        };
        let wrong = with_password(&ada, "Wrong1234");
        for _ in 0..5 {
            assert_eq!(attempt(&login, HOME, &wrong).await.0, 401);
        }
        assert_eq!(attempt(&login, HOME, &ada).await.0, 429);
        let mut forged = known(&ada);
        forged["deviceToken"] = "eyJhbGciOiJub25lIn0.e30.".into();
        assert_eq!(attempt(&login, HOME, &forged).await.0, 429, "a token that is not ours changes nothing");
        let other = somebody(&env).await;
        for _ in 0..5 {
            assert_eq!(attempt(&login, stranger, &with_password(&other, "Wrong1234")).await.0, 401);
        }
        assert_eq!(attempt(&login, stranger, &known(&other)).await.0, 429, "nor does somebody else's");
        let (status, told, _) = attempt(&login, HOME, &known(&ada)).await;
        assert_eq!(status, 200, "{told}");
        // A stolen token gives as many guesses as a network, and no more.
        for _ in 0..5 {
            assert_eq!(attempt(&login, stranger, &known(&wrong)).await.0, 401);
        }
        assert_eq!(attempt(&login, stranger, &known(&ada)).await.0, 429);
    }
}

#[tokio::test]
async fn a_new_password_by_a_mailed_link_ends_every_wait_at_the_account() {
    let stranger = &stranger();
    for env in envs().await {
        let ada = with_password(&env.newcomer().await, PASSWORD);
        let (login, password) = (env.function("auth-login").await, env.function("auth-password").await);
        for from in [HOME, stranger] {
            for _ in 0..5 {
                assert_eq!(attempt(&login, from, &with_password(&ada, "Wrong1234")).await.0, 401);
            }
            assert_eq!(attempt(&login, from, &ada).await.0, 429);
        }
        assert_eq!(password.post("/api/auth/forgot-password", &json!({"email": ada["email"]})).await.status, 202);
        keep_secret("Another123-green-kettle");
        let link = env.link_token(&ada, "Choose a new password").await;
        let body = json!({"token": link, "password": "Another123-green-kettle"});
        let done = password.post("/api/auth/reset-password", &body).await;
        assert_eq!(done.status, 204, "{}", done.text);
        let (status, told, _) = attempt(&login, HOME, &with_password(&ada, "Another123-green-kettle")).await;
        assert_eq!(status, 200, "{told}");
        for _ in 0..5 {
            assert_eq!(attempt(&login, stranger, &with_password(&ada, "Wrong1234")).await.0, 401);
        }
        assert_eq!(attempt(&login, stranger, &ada).await.0, 429, "who guesses on waits again");
    }
}

/// Of addresses there is no end, and anybody may try one.
#[tokio::test]
async fn guesses_at_addresses_without_an_account_store_what_their_network_did_and_nothing_else() {
    let env = TestEnv::with("", &stack().mongodb_uri).await;
    let login = env.function("auth-login").await;
    let guess = async |name: usize| {
        let body = json!({"email": format!("nobody-{name}@example.com"), "password": "Wrong1234"});
        attempt(&login, "2001:db8:7:1::1", &body).await.0
    };
    let counters = async || env.database.collection::<Document>("counters").count_documents(doc! {}).await.unwrap();
    for name in 0..10 {
        assert_eq!(guess(name).await, 401);
    }
    assert_eq!(counters().await, 2, "the /64 and the /48");
    for _ in 0..4 {
        assert_eq!(guess(0).await, 401);
    }
    assert_eq!(guess(0).await, 429, "as if there were an account");
    assert_eq!(counters().await, 2);
}

#[tokio::test]
async fn codes_are_counted_together_without_a_cache_server() {
    let env = TestEnv::with("", &stack().mongodb_uri).await;
    let ada = env.person(Role::SuperAdmin, None).await;
    let functions = [env.function("auth-mfa").await, env.function("auth-mfa").await];
    let mut statuses = Vec::new();
    for n in 0..7 {
        let answer = functions[n % 2].post_as(&ada.token, "/api/auth/mfa/verify", &json!({"code": "000000"})).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [vec![422; 6], vec![429]].concat());
}
