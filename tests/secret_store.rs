//! Secrets come from the Parameter Store: read once at the start, replaced without a deploy, never overwritten, and not
//! needed for a start.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use bson::doc;
use serde_json::{Value, json};
use shared::deployment::SECRETS;
use tests::{
    eventually,
    host::{self, Function, keep_secret},
    root,
    test_env::{TestEnv, sign_in},
    with_users::{PASSWORD_OF_USERS, WithUsers},
};

/// A stack's name of the test's own.
fn stack_name() -> String {
    format!("t{}", uuid::Uuid::now_v7().simple())
}

/// Runs `cargo db secrets` on a stack; what it prints, and says is wrong.
fn db_secrets(env: &TestEnv, stack: &str, arguments: &[&str], more: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(root().join("target/debug/db"))
        .args(["secrets", "--stack", stack])
        .args(arguments)
        .env_remove("REDIS_URL")
        .envs(env.stack.aws_variables())
        .envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("MONGODB_URI", &env.stack.mongodb_uri)
        .envs(more.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    for secret in ["mongodb://", "redis://", "\"kid\""] {
        assert!(!text.contains(secret), "it prints a secret: {text}");
    }
    (output.status.success(), text)
}

fn made(env: &TestEnv, stack: &str) {
    let (succeeded, said) = db_secrets(env, stack, &[], &[]);
    assert!(succeeded, "{said}");
}

/// The variables of a deployed function that name its secrets.
fn references(stack: &str) -> Vec<(&'static str, String)> {
    SECRETS.iter().map(|secret| (secret.variable, format!("ssm:{}", secret.parameter(stack)))).collect()
}

async fn start(env: &TestEnv, name: &str, stack: &str, more: &[(&str, &str)]) -> Function {
    let references = references(stack);
    let mut variables: Vec<(&str, &str)> = references.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend(more);
    env.function_with(name, &variables).await
}

#[tokio::test]
async fn what_a_stack_lacks_is_made_and_what_it_has_is_kept() {
    let (env, stack) = (TestEnv::new().await, stack_name());
    let (succeeded, said) = db_secrets(&env, &stack, &[], &[("MONGODB_URI", "")]);
    assert!(!succeeded && said.contains("set MONGODB_URI for this command"), "{said}");
    let (succeeded, said) = db_secrets(&env, &stack, &[], &[("PROXY_SECRET", "short")]);
    assert!(!succeeded && said.contains("PROXY_SECRET must be") && !said.contains(": made"), "{said}");
    let (succeeded, said) = db_secrets(&env, &stack, &[], &[]);
    assert!(succeeded, "{said}");
    for made in ["mongodb-uri: made", "vault-seed: made", "token-keys: made", "redis-url: none"] {
        assert!(said.contains(&format!("/{stack}/{made}")), "{made}: {said}");
    }
    let before = env.stack.parameters(&stack).await;
    // A later one adds what is missing now, whatever it is told of the rest.
    let more = [("REDIS_URL", "redis://127.0.0.1:1"), ("VAULT_SEED", "another seed of somebody, and a long one")];
    let (succeeded, said) = db_secrets(&env, &stack, &[], &more);
    assert!(
        succeeded && said.contains("redis-url: made") && said.contains("vault-seed: there already, and kept"),
        "{said}"
    );
    let mut after = env.stack.parameters(&stack).await;
    assert!(after.remove(&format!("/{stack}/redis-url")).is_some());
    assert_eq!(before, after);
    for (name, (kind, _)) in &after {
        let expected = if name.ends_with("/token-keys") { "String" } else { "SecureString" };
        assert_eq!(kind, expected, "{name}");
    }
    for (arguments, refusal) in [
        (["--rotate", "audit-seed"], "audit-seed cannot be replaced"),
        (["--retire", "mfa-seed"], "mfa-seed is not being replaced"),
        (["--replace", "vault-seed"], "vault-seed is not for you to choose"),
        (["--rotate", "nothing"], "there is no secret nothing"),
        (["--adopt", "nothing"], "nothing is not NAME=PARAMETER"),
    ] {
        let (succeeded, said) = db_secrets(&env, &stack, &arguments, &more);
        assert!(!succeeded && said.contains(refusal), "{arguments:?}: {said}");
    }
    // There is neither a proxy nor a front end, and one user of the database.
    assert_eq!(env.stack.parameters(&stack).await.len(), SECRETS.len() - 4);
}

#[tokio::test]
async fn three_users_of_the_database_have_three_connection_strings() {
    let (env, stack) = (TestEnv::new().await, stack_name());
    made(&env, &stack);
    let before = env.stack.parameters(&stack).await;
    let three = ["--database-users", "three"];
    let reader = ("MONGODB_READER_URI", "mongodb://reader:hunter2@db.example/");
    let monitor = ("MONGODB_MONITOR_URI", "mongodb://monitor:hunter2@db.example/");
    let (succeeded, said) = db_secrets(&env, &stack, &three, &[reader]);
    assert!(!succeeded && said.contains("mongodb-monitor-uri: set MONGODB_MONITOR_URI for this command"), "{said}");
    assert_eq!(env.stack.parameters(&stack).await, before, "nothing was made");

    let (succeeded, said) = db_secrets(&env, &stack, &three, &[reader, monitor]);
    assert!(succeeded && !said.contains("hunter2"), "{said}");
    for made in ["mongodb-uri: there already", "mongodb-reader-uri: made", "mongodb-monitor-uri: made"] {
        assert!(said.contains(&format!("/{stack}/{made}")), "{made}: {said}");
    }
    let other = ("MONGODB_READER_URI", "mongodb://other:hunter3@db.example/");
    let (succeeded, said) = db_secrets(&env, &stack, &three, &[other]);
    assert!(succeeded && said.contains("mongodb-reader-uri: there already, and kept"), "{said}");
    let stored = async || env.stack.parameters(&stack).await[&format!("/{stack}/mongodb-reader-uri")].clone();
    assert_eq!(stored().await, ("SecureString".to_owned(), reader.1.to_owned()));
    let (succeeded, said) = db_secrets(&env, &stack, &["--replace", "mongodb-reader-uri"], &[other]);
    assert!(succeeded && stored().await.1 == other.1, "{said}");
}

#[tokio::test]
async fn a_stack_made_anew_takes_the_seeds_of_the_one_before_over() {
    let (env, before, after) = (TestEnv::new().await, stack_name(), stack_name());
    made(&env, &before);
    let vault = format!("vault-seed=/{before}/vault-seed");
    let mfa = format!("mfa-seed=/{before}/mfa-seed,/{before}/auth-pepper");
    let (succeeded, said) = db_secrets(&env, &after, &["--adopt", &vault, "--adopt", &mfa], &[]);
    assert!(succeeded, "{said}");
    let (before_all, after_all) = (env.stack.parameters(&before).await, env.stack.parameters(&after).await);
    let value =
        |all: &BTreeMap<String, (String, String)>, stack: &str, name: &str| all[&format!("/{stack}/{name}")].1.clone();
    assert_eq!(value(&after_all, &after, "vault-seed"), value(&before_all, &before, "vault-seed"));
    let both = [value(&before_all, &before, "mfa-seed"), value(&before_all, &before, "auth-pepper")].join(",");
    assert_eq!(value(&after_all, &after, "mfa-seed"), both);
    assert_ne!(value(&after_all, &after, "audit-seed"), value(&before_all, &before, "audit-seed"));
    let missing = format!("vault-seed=/{before}/no-such");
    let (succeeded, said) = db_secrets(&env, &stack_name(), &["--adopt", &missing], &[]);
    assert!(!succeeded && said.contains("no-such cannot be read"), "{said}");
}

/// The functions go on running; what they keep of the store is read anew at each use.
#[tokio::test]
async fn the_signing_seed_is_replaced_without_a_deploy() {
    let (env, stack) = (TestEnv::new().await, stack_name());
    made(&env, &stack);
    let ada = env.newcomer().await;
    let at_once = [("SECRETS_KEPT_S", "0")];
    let login = start(&env, "auth-login", &stack, &at_once).await;
    let session = start(&env, "auth-session", &stack, &at_once).await;
    let jwks = start(&env, "auth-jwks", &stack, &at_once).await;
    let token = async || sign_in(&login, &ada).await["accessToken"].as_str().unwrap().to_owned();
    let counts = async |token: &str| session.get_as(token, "/api/auth/session").await.status;
    let old = token().await;
    assert_eq!(counts(&old).await, 200);
    let (succeeded, said) = db_secrets(&env, &stack, &["--rotate", "signing-seed"], &[]);
    assert!(succeeded, "{said}");
    let new = token().await;
    assert_ne!(old.split('.').next(), new.split('.').next(), "another key");
    assert_eq!((counts(&old).await, counts(&new).await), (200, 200));
    assert_eq!(jwks.get("/.well-known/jwks.json").await.body["keys"].as_array().unwrap().len(), 2);
    let (succeeded, said) = db_secrets(&env, &stack, &["--rotate", "signing-seed"], &[]);
    assert!(!succeeded && said.contains("is being replaced already"), "{said}");
    let (succeeded, said) = db_secrets(&env, &stack, &["--retire", "signing-seed"], &[]);
    assert!(succeeded, "{said}");
    assert_eq!((counts(&old).await, counts(&new).await), (401, 200));
    assert_eq!(jwks.get("/.well-known/jwks.json").await.body["keys"].as_array().unwrap().len(), 1);
    for secret in env.stack.parameters(&stack).await.values().filter(|(kind, _)| kind == "SecureString") {
        keep_secret(&secret.1);
    }
}

/// A Parameter Store that answers as it is told, with the seeds of the tests.
#[derive(Clone, Default)]
struct FakeStore {
    values: Arc<Mutex<Vec<(String, String)>>>,
    /// How often it was asked.
    calls: Arc<AtomicUsize>,
    /// How many of the next calls it refuses for now.
    throttles: Arc<AtomicUsize>,
    /// It takes calls and answers none.
    frozen: Arc<tokio::sync::RwLock<()>>,
}

impl FakeStore {
    async fn start(values: &[(&str, &str)]) -> (Self, String) {
        let store = Self::default();
        store.set(values);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(answer)).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (store, url)
    }

    fn set(&self, values: &[(&str, &str)]) {
        *self.values.lock().unwrap() =
            values.iter().map(|(name, value)| (format!("/fake/{name}"), (*value).to_owned())).collect();
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn answer(State(store): State<FakeStore>, body: String) -> impl IntoResponse {
    store.calls.fetch_add(1, Ordering::SeqCst);
    drop(store.frozen.read().await);
    let refuses = |left: usize| left.checked_sub(1);
    if store.throttles.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuses).is_ok() {
        let refusal = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
        return (StatusCode::BAD_REQUEST, Json(refusal));
    }
    let wanted: Value = serde_json::from_str(&body).unwrap();
    let names: Vec<String> = serde_json::from_value(wanted["Names"].clone()).unwrap();
    assert!(names.len() <= 10 && wanted["WithDecryption"] == true, "{wanted}");
    let values = store.values.lock().unwrap().clone();
    let (found, missing): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| values.iter().any(|(known, _)| known == name));
    let value = |name: &String| values.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let found: Vec<Value> = found.iter().map(|name| json!({"Name": name, "Value": value(name)})).collect();
    (StatusCode::OK, Json(json!({"Parameters": found, "InvalidParameters": missing})))
}

fn of_tests(env: &TestEnv) -> Vec<(&str, String)> {
    let of = |variable: &str| host::SECRETS.iter().find(|(name, _)| *name == variable).unwrap().1.to_owned();
    let keys = tests::test_env::tokens().public().text();
    vec![
        ("mongodb-uri", env.stack.mongodb_uri.clone()),
        ("token-keys", keys),
        ("audit-seed", of("AUDIT_SEED")),
        ("vault-seed", of("VAULT_SEED")),
    ]
}

fn borrowed<'a>(values: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    values.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn one_call_at_the_start_reads_all_and_a_store_that_throttles_is_asked_again() {
    let env = TestEnv::new().await;
    let ada = env.person(shared::roles::Role::User, None).await;
    let values = of_tests(&env);
    let (store, url) = FakeStore::start(&borrowed(&values)).await;
    let keys = start(&env, "provider-keys", "fake", &[("AWS_ENDPOINT_URL_SSM", &url)]).await;
    assert_eq!(store.calls(), 1, "at the start");
    for _ in 0..3 {
        assert_eq!(keys.get_as(&ada.token, "/api/provider-keys").await.status, 200);
    }
    assert_eq!(store.calls(), 1, "what was read is kept");

    store.throttles.store(2, Ordering::SeqCst);
    let keys = start(&env, "provider-keys", "fake", &[("AWS_ENDPOINT_URL_SSM", &url)]).await;
    assert_eq!(keys.get_as(&ada.token, "/api/provider-keys").await.status, 200);
    assert_eq!(store.calls(), 4, "two of which were refused");
}

#[tokio::test]
async fn a_store_that_does_not_answer_delays_no_start_for_long_and_ends_none() {
    let env = TestEnv::new().await;
    let ada = env.person(shared::roles::Role::User, None).await;
    let values = of_tests(&env);
    let (store, url) = FakeStore::start(&borrowed(&values)).await;
    let frozen = Arc::clone(&store.frozen).write_owned().await;
    let variables = [("AWS_ENDPOINT_URL_SSM", url.as_str()), ("SECRETS_KEPT_S", "0")];
    let keys = start(&env, "provider-keys", "fake", &variables).await;
    assert!(keys.init < Duration::from_secs(5), "{:?}", keys.init);
    let refused = keys.get_as(&ada.token, "/api/provider-keys").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty() && !refused.text.contains("ssm"), "{}", refused.text);
    drop(frozen);
    eventually("the secrets", 30, async || {
        (keys.get_as(&ada.token, "/api/provider-keys").await.status == 200).then_some(())
    })
    .await;

    // What was read once goes on while the store is away, and malformed successors change nothing.
    let frozen = Arc::clone(&store.frozen).write_owned().await;
    assert_eq!(keys.get_as(&ada.token, "/api/provider-keys").await.status, 200);
    drop(frozen);
    let mut odd = values.clone();
    odd.iter_mut().filter(|(name, _)| *name != "mongodb-uri").for_each(|(_, value)| *value = "short".into());
    store.set(&borrowed(&odd));
    let fresh = start(&env, "provider-keys", "fake", &variables).await;
    assert_eq!(fresh.get_as(&ada.token, "/api/provider-keys").await.status, 503, "it never had a good one");
}

/// The secrets are kept for five minutes here: it is the refused sign-in that has them read anew.
#[tokio::test]
async fn a_refused_sign_in_to_mongodb_reads_the_connection_string_anew() {
    let root = doc! {"role": "root", "db": "admin"};
    let Some(server) = WithUsers::start(&[("app", &[root])]).await else { return };
    let env = TestEnv::new().await;
    let ada = env.person(shared::roles::Role::User, None).await;
    let user = env.users().find_one(doc! {}).await.unwrap().unwrap();
    let right = server.uri("app", PASSWORD_OF_USERS);
    server.database("app", "test").await.collection("users").insert_one(user).await.unwrap();
    let mut values = of_tests(&env);
    values[0].1 = server.uri("app", "the-former-password");
    let (store, url) = FakeStore::start(&borrowed(&values)).await;
    let variables = [("AWS_ENDPOINT_URL_SSM", url.as_str()), ("DB_NAME", "test")];
    let keys = start(&env, "provider-keys", "fake", &variables).await;
    let refused = keys.get_as(&ada.token, "/api/provider-keys").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    values[0].1 = right;
    store.set(&borrowed(&values));
    eventually("the other password", 30, async || {
        (keys.get_as(&ada.token, "/api/provider-keys").await.status == 200).then_some(())
    })
    .await;
    keep_secret(PASSWORD_OF_USERS);
    keep_secret("the-former-password");
}
