//! A seed is replaced and nothing that it sealed is lost: provider keys, authenticator apps, recovery codes.

use std::process::Command;

use bson::{Document, doc};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::{
    api_keys::vault_context,
    clock,
    keys::{Cipher, Seed, Seeds},
    roles::Role,
};
use tests::{
    host::{Function, SECRETS, keep_secret, seed, told_once},
    stack::stack,
    test_env::{PASSWORD, Person, TestEnv, sign_in, tokens_told},
};
use totp_rs::Totp;

const NEW_VAULT: (&str, &str) = ("VAULT_SEED", "the vault's next seed of the tests (32 or more)");
const NEW_MFA: (&str, &str) = ("MFA_SEED", "the factors' next seed of the tests (32 or more)");

fn of_tests(name: &str) -> &'static str {
    SECRETS.iter().find(|(variable, _)| *variable == name).unwrap().1
}

/// A new seed, and the one before it.
fn both((variable, new): (&'static str, &str), before: &str) -> (&'static str, String) {
    (variable, format!("{new},{before}"))
}

/// The seeds of the tests give way to others.
fn replaced() -> [(&'static str, String); 2] {
    [both(NEW_VAULT, of_tests("VAULT_SEED")), both(NEW_MFA, of_tests("MFA_SEED"))]
}

async fn with_replaced(env: &TestEnv, function: &str) -> Function {
    let replaced = replaced();
    env.function_with(function, &replaced.each_ref().map(|(variable, seeds)| (*variable, seeds.as_str()))).await
}

fn cipher(seed: Seed, label: &str) -> Cipher {
    Seeds { current: seed, before: None }.cipher(label)
}

/// What `cargo db reseal` prints, and says is wrong; whether it succeeds.
fn reseal(env: &TestEnv, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(tests::root().join("target/debug/db"))
        .arg("reseal")
        .args(arguments)
        .envs(env.variables())
        .envs(replaced())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, error) = (text(&output.stdout), text(&output.stderr));
    assert!(!said.contains("seed of the tests") && !error.contains("seed of the tests"), "{said} {error}");
    (output.status.success(), said, error)
}

async fn keep(vault: &Function, owner: &Person, secret: &str) -> String {
    keep_secret(secret);
    let body = json!({"provider": "groq", "name": "k", "apiKey": secret});
    let kept = vault.post_as(&owner.token, "/api/provider-keys", &body).await;
    assert_eq!(kept.status, 201, "{}", kept.text);
    kept.body["id"].as_str().unwrap().to_owned()
}

/// What opens of a provider key with this seed alone.
async fn opened(env: &TestEnv, seed: Seed, id: &str) -> Option<String> {
    let key = env.database.collection::<Document>("provider_keys").find_one(doc! {"_id": id}).await.unwrap().unwrap();
    let version = key.get_i64("keyVersion").unwrap();
    let context = vault_context(key.get_str("userId").unwrap(), id, version);
    let secret = cipher(seed, "provider-keys").open(key.get_str("cipher").unwrap(), &context);
    secret.map(|secret| secret.expose_secret().to_owned())
}

#[tokio::test]
async fn provider_keys_are_sealed_anew_and_the_old_seed_can_go() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (before, after) = (env.function("provider-keys").await, with_replaced(&env, "provider-keys").await);
    let old = keep(&before, &ada, "of-the-seed-before-1").await;
    let older = keep(&before, &ada, "of-the-seed-before-2").await;
    let new = keep(&after, &ada, "of-the-new-seed-0001").await;
    let revoked = keep(&before, &ada, "of-the-seed-before-3").await;
    let ended = before.post_as(&ada.token, &format!("/api/provider-keys/{revoked}/revoke"), &json!({})).await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    let keys = env.database.collection::<Document>("provider_keys");
    // As it was sealed before ciphertexts named their key.
    let sealed = keys.find_one(doc! {"_id": &older}).await.unwrap().unwrap().get_str("cipher").unwrap().to_owned();
    let without_id = sealed.split_once('.').unwrap().1;
    keys.update_one(doc! {"_id": &older}, doc! {"$set": {"cipher": without_id}}).await.unwrap();
    assert_eq!(opened(&env, seed("VAULT_SEED"), &older).await.as_deref(), Some("of-the-seed-before-2"));

    let (succeeded, said, error) = reseal(&env, &["--dry-run"]);
    assert!(
        succeeded && said.contains("provider keys: 2 to be sealed anew, 1 sealed with today's seed"),
        "{said}{error}"
    );
    assert!(opened(&env, Seed::from(NEW_VAULT.1), &old).await.is_none(), "a dry run writes nothing");
    let (succeeded, said, error) = reseal(&env, &[]);
    assert!(succeeded && said.contains("provider keys: 2 sealed anew, 1 sealed with today's seed"), "{said}{error}");
    for (id, secret) in
        [(&old, "of-the-seed-before-1"), (&older, "of-the-seed-before-2"), (&new, "of-the-new-seed-0001")]
    {
        assert_eq!(opened(&env, Seed::from(NEW_VAULT.1), id).await.as_deref(), Some(secret));
        assert!(opened(&env, seed("VAULT_SEED"), id).await.is_none());
    }
    let (succeeded, said, _) = reseal(&env, &[]);
    assert!(succeeded && said.contains("provider keys: 0 sealed anew, 3 sealed with today's seed"), "{said}");

    // One that is damaged, and one that was moved to another account.
    let ben = env.person(Role::User, None).await;
    let damaged = keep(&before, &ben, "of-the-seed-before-4").await;
    let moved = keep(&before, &ben, "of-the-seed-before-5").await;
    let whole = keep(&before, &ben, "of-the-seed-before-6").await;
    keys.update_one(doc! {"_id": &damaged}, doc! {"$set": {"cipher": "0000.AAAA"}}).await.unwrap();
    keys.update_one(doc! {"_id": &moved}, doc! {"$set": {"userId": &ada.id}}).await.unwrap();
    let (succeeded, said, error) = reseal(&env, &[]);
    assert!(!succeeded && said.contains("provider keys: 1 sealed anew"), "{said}");
    for id in [&damaged, &moved] {
        assert!(error.contains(&format!("provider_keys/{id}")), "{error}");
    }
    assert!(!error.contains(&whole) && opened(&env, Seed::from(NEW_VAULT.1), &whole).await.is_some(), "{error}");
}

/// Somebody with an authenticator app, and what they sign in with.
struct WithApp {
    login: Function,
    ada: Value,
    app: Totp,
    recovery: Vec<String>,
}

impl WithApp {
    async fn new(env: &TestEnv, mfa: &Function) -> Self {
        let (ada, login) = (env.newcomer().await, env.function("auth-login").await);
        let token = sign_in(&login, &ada).await["accessToken"].as_str().unwrap().to_owned();
        let body = json!({"method": "totp", "password": PASSWORD});
        let begun = mfa.post_as(&token, "/api/auth/mfa/enable", &body).await;
        let app = Totp::from_url(begun.body["otpauthUrl"].as_str().unwrap()).unwrap();
        let code = app.generate(clock::now().as_second().unsigned_abs()).to_string();
        let proven = mfa.post_as(&token, "/api/auth/mfa/verify", &json!({"code": code})).await;
        assert_eq!(proven.status, 200, "{}", proven.text);
        let recovery: Vec<String> = serde_json::from_value(proven.body["recoveryCodes"].clone()).unwrap();
        for code in &recovery {
            told_once(code);
        }
        Self { login, ada, app, recovery }
    }

    /// How a sign-in with this code ends.
    async fn shows(&self, mfa: &Function, code: &str) -> u64 {
        let waiting = sign_in(&self.login, &self.ada).await;
        let body = json!({"challenge": waiting["challenge"], "code": code});
        let answer = mfa.post("/api/auth/mfa/verify", &body).await;
        tokens_told(&answer.body);
        answer.status
    }

    /// The same with the app's code; every step counts once, so the store is told that none was used.
    async fn shows_app(&self, env: &TestEnv, mfa: &Function) -> u64 {
        let email = self.ada["email"].as_str();
        env.users().update_one(doc! {"email": email}, doc! {"$set": {"mfa.totpStep": 0_i64}}).await.unwrap();
        let code = self.app.generate(clock::now().as_second().unsigned_abs()).to_string();
        self.shows(mfa, &code).await
    }

    fn next_recovery(&mut self) -> String {
        self.recovery.pop().unwrap()
    }
}

#[tokio::test]
async fn an_app_and_recovery_codes_outlive_their_seed() {
    let env = TestEnv::with("", &stack().mongodb_uri).await;
    let mfa = env.function("auth-mfa").await;
    let mut ada = WithApp::new(&env, &mfa).await;
    let (both, new) = (with_replaced(&env, "auth-mfa").await, env.function_with("auth-mfa", &[NEW_MFA]).await);
    assert_eq!(ada.shows_app(&env, &both).await, 200, "read with the seed before");
    assert_eq!(ada.shows_app(&env, &new).await, 422, "and with it alone");
    let (succeeded, said, error) = reseal(&env, &[]);
    assert!(succeeded && said.contains("authenticator apps: 1 sealed anew"), "{said}{error}");
    assert_eq!(ada.shows_app(&env, &new).await, 200);
    assert_eq!(ada.shows_app(&env, &mfa).await, 422, "the old seed opens it no more");
    // All of it is more than an account may try in a minute.
    env.database.collection::<Document>("counters").delete_many(doc! {}).await.unwrap();
    for function in [&mfa, &new] {
        let code = ada.next_recovery();
        assert_eq!(ada.shows(function, &code).await, 200, "no seed is in a recovery code");
        assert_eq!(ada.shows(function, &code).await, 422, "each counts once");
    }
    let user = env.users().find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(user.get_document("mfa").unwrap().get_array("recovery").unwrap().len(), 8);
}

/// As accounts have them from before there was a seed of second factors: all of it was the pepper's, and recovery codes
/// were ten letters under an HMAC.
#[tokio::test]
async fn what_the_pepper_made_goes_on_until_it_is_replaced() {
    let env = TestEnv::new().await;
    let pepper = of_tests("AUTH_PEPPER");
    let old = env.function_with("auth-mfa", &[("MFA_SEED", pepper)]).await;
    let ada = WithApp::new(&env, &old).await;
    let code = "abcde-23456";
    keep_secret(code);
    let before = seed("AUTH_PEPPER").mac("mfa/codes").sign("abcde23456");
    let user = env.users().find_one(doc! {}).await.unwrap().unwrap();
    let totp = user.get_document("mfa").unwrap().get_str("totp").unwrap();
    let set = doc! {"mfa.recovery": [before], "mfa.totp": totp.split_once('.').unwrap().1};
    env.users().update_one(doc! {}, doc! {"$set": set, "$unset": {"mfa.recoverySalt": ""}}).await.unwrap();

    let (variable, seeds) = both(("MFA_SEED", of_tests("MFA_SEED")), pepper);
    let mfa = env.function_with("auth-mfa", &[(variable, &seeds)]).await;
    assert_eq!(ada.shows_app(&env, &mfa).await, 200);
    assert_eq!(ada.shows(&mfa, "abcde-23457").await, 422);
    assert_eq!(ada.shows(&mfa, code).await, 200);
    assert_eq!(ada.shows(&mfa, code).await, 422);
    let alone = env.function("auth-mfa").await;
    assert_eq!(ada.shows_app(&env, &alone).await, 422, "the seed of second factors is another one");
}
