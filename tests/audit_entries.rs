//! What the audit log says of a scripted life of an account: every entry of it, and nothing else.

use std::future::pending;

use axum::Router;
use bson::{Document, doc};
use serde_json::{Value, json};
use shared::{
    audit::verify,
    events::read,
    mongo::{Lifetime, Mongo},
    roles::Role,
};
use tests::{
    eventually,
    host::{Function, holds_no_secret, keep_secret, seed},
    own_queue::OwnQueue,
    test_env::{ANOTHER_PASSWORD, PASSWORD, Person, TestEnv, newcomer, sign_in, tokens_told},
    usage_records::{all, hand_over},
    wiretap::Wiretap,
};
use tokio::net::TcpListener;

use self::{
    Outcome::{Failure, Success},
    Who::{AProviderKey, Ada, AnApiKey, Nobody, Root},
};
use crate::{
    prompts::{made, path},
    sessions::used_long_ago,
};

/// Who did it, or to what it was done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Ada,
    Root,
    AnApiKey,
    AProviderKey,
    /// It is not known, and not guessed.
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Success,
    Failure,
}

/// What Ada's password is after two changes.
const THIRD_PASSWORD: &str = "Third123-copper-spoon";

/// The action, who did it, how it ended, and to what it was done.
type Entry = (&'static str, Who, Outcome, Who);

const SESSIONS: &[Entry] = &[
    ("auth.signup", Ada, Success, Nobody),
    ("auth.login.failed", Nobody, Failure, Ada),
    ("auth.login.success", Ada, Success, Nobody),
    ("auth.logout", Ada, Success, Nobody),
    ("auth.login.success", Ada, Success, Nobody),
    ("security.refresh.reused", Nobody, Failure, Ada),
];

const PASSWORDS: &[Entry] = &[
    ("auth.login.success", Ada, Success, Nobody),
    ("auth.password.change_failed", Ada, Failure, Nobody),
    ("auth.password.changed", Ada, Success, Nobody),
    ("auth.password_reset.requested", Nobody, Success, Ada),
    ("auth.password_reset.completed", Nobody, Success, Ada),
];

const SECOND_FACTOR: &[Entry] = &[
    ("auth.login.success", Ada, Success, Nobody),
    ("auth.mfa.failed", Ada, Failure, Nobody),
    ("auth.mfa.enrolment_begun", Ada, Success, Nobody),
    ("auth.mfa.code_sent", Ada, Success, Nobody),
    ("auth.mfa.failed", Ada, Failure, Nobody),
    ("security.mfa.enabled", Ada, Success, Nobody),
    ("auth.mfa.verified", Ada, Success, Nobody),
    ("auth.mfa.required", Ada, Success, Nobody),
    ("auth.login.success", Ada, Success, Nobody),
    ("security.mfa.disabled", Ada, Success, Nobody),
];

const KEYS: &[Entry] = &[
    ("security.api_key.created", Ada, Success, AnApiKey),
    ("security.api_key.rotated", Ada, Success, AnApiKey),
    ("security.api_key.revoked", Ada, Success, AnApiKey),
    ("security.provider_key.created", Ada, Success, AProviderKey),
    ("security.provider_key.rotated", Ada, Success, AProviderKey),
    ("security.provider_key.revoked", Ada, Success, AProviderKey),
];

const ADMINISTRATION: &[Entry] = &[
    ("admin.user.role_changed", Root, Success, Ada),
    ("admin.user.suspended", Root, Success, Ada),
    ("auth.login.suspended", Nobody, Failure, Ada),
    ("admin.user.activated", Root, Success, Ada),
];

/// Failures that concern nobody who is known, and leave no entry.
const COUNTED: &[(&str, i64)] = &[
    ("auth.login.failed", 5),
    ("auth.password_reset.refused", 1),
    ("auth.refresh.refused", 1),
    ("security.login.locked", 1),
];

/// Ada, who lives through it, and what she needs in every scene.
struct Scene {
    env: TestEnv,
    login: Function,
    ada: Value,
    id: String,
}

impl Scene {
    async fn sign_in(&self) -> Value {
        sign_in(&self.login, &self.ada).await
    }

    /// A sign-in that does not succeed; its status.
    async fn attempt(&self, email: &Value, password: &str) -> u64 {
        self.login.post("/api/auth/login", &json!({"email": email, "password": password})).await.status
    }

    /// What is looked for in the mail with this subject that follows so many others.
    async fn mailed(&self, subject: &str, before: usize, find: fn(&str) -> Option<&str>) -> String {
        let to = self.ada["email"].as_str().unwrap();
        let found = eventually("the mail", 60, async || {
            let mails = self.env.stack.sent_to(to).await;
            let mail = mails.iter().filter(|mail| mail["Subject"] == subject).nth(before)?;
            mail["BodyText"].as_str()?.split_whitespace().find_map(find).map(str::to_owned)
        })
        .await;
        keep_secret(&found);
        found
    }

    async fn sessions(&self) {
        assert_eq!(self.attempt(&self.ada["email"], "Wrong1234").await, 401);
        let session = self.env.function("auth-session").await;
        let refresh = async |tokens: &Value| {
            let body = json!({"refreshToken": tokens["refreshToken"]});
            let answer = session.post("/api/auth/refresh", &body).await;
            tokens_told(&answer.body);
            answer.status
        };
        let first = self.sign_in().await;
        let out = session.post_as(first["accessToken"].as_str().unwrap(), "/api/auth/logout", &json!({})).await;
        assert_eq!((out.status, refresh(&first).await), (204, 401), "{}", out.text);
        let second = self.sign_in().await;
        assert_eq!(refresh(&second).await, 200);
        used_long_ago(&self.env).await;
        assert_eq!(refresh(&second).await, 401);
    }

    async fn passwords(&mut self) {
        let tokens = self.sign_in().await;
        let function = self.env.function("auth-password").await;
        for (password, status) in [("Wrong1234", 422), (PASSWORD, 204)] {
            let body = json!({"currentPassword": password, "newPassword": ANOTHER_PASSWORD});
            let token = tokens["accessToken"].as_str().unwrap();
            let answer = function.post_as(token, "/api/auth/change-password", &body).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
        let asked = function.post("/api/auth/forgot-password", &json!({"email": self.ada["email"]})).await;
        assert_eq!(asked.status, 202, "{}", asked.text);
        let token = self.mailed("Choose a new password", 0, link_token).await;
        for (token, status) in [("made-up", 422), (token.as_str(), 204)] {
            let body = json!({"token": token, "password": THIRD_PASSWORD});
            let answer = function.post("/api/auth/reset-password", &body).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
        self.ada["password"] = THIRD_PASSWORD.into();
    }

    /// Returns the access token of its sign-in, which outlives it.
    async fn second_factor(&self) -> String {
        let token = self.sign_in().await["accessToken"].as_str().unwrap().to_owned();
        let mfa = self.env.function("auth-mfa").await;
        let post = async |step: &str, body: Value| {
            let answer = mfa.post_as(&token, &format!("/api/auth/mfa/{step}"), &body).await;
            tokens_told(&answer.body);
            answer
        };
        for (password, status) in [("Wrong1234", 422), (THIRD_PASSWORD, 200)] {
            let answer = post("enable", json!({"method": "email", "password": password})).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
        assert_eq!(post("send-code", json!({})).await.status, 202);
        let code = self.mailed("Your sign-in code", 1, six_digits).await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        assert_eq!(post("verify", json!({"code": wrong})).await.status, 422);
        let enabled = post("verify", json!({"code": code})).await;
        assert_eq!(enabled.status, 200, "{}", enabled.text);
        let recovery = &enabled.body["recoveryCodes"];
        assert_eq!(post("verify", json!({"code": recovery[0]})).await.status, 200);
        let waiting = self.sign_in().await;
        let body = json!({"challenge": waiting["challenge"], "code": recovery[1]});
        assert_eq!(mfa.post("/api/auth/mfa/verify", &body).await.status, 200);
        assert_eq!(post("disable", json!({"code": recovery[2]})).await.status, 204);
        token
    }

    /// Returns the ids of the two keys.
    async fn keys(&self, token: &str) -> [String; 2] {
        let (keys, key) = (self.env.function("api-keys").await, self.env.function("api-key").await);
        let vault = self.env.function("provider-keys").await;
        let new = json!({"name": "k", "scopes": ["usage:read"]});
        let kept = json!({"provider": "groq", "name": "k", "apiKey": "0123456789abcdef"});
        let mut ids = Vec::new();
        for (make, change, path, new) in
            [(&keys, &key, "/api/api-keys", new), (&vault, &vault, "/api/provider-keys", kept)]
        {
            let made = make.post_as(token, path, &new).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let id = made.body["id"].as_str().unwrap().to_owned();
            for (step, body) in [("rotate", json!({"apiKey": "fedcba9876543210"})), ("revoke", json!({}))] {
                let changed = change.post_as(token, &format!("{path}/{id}/{step}"), &body).await;
                assert_eq!(changed.status, 200, "{path} {step}: {}", changed.text);
            }
            ids.push(id);
        }
        ids.try_into().unwrap()
    }

    async fn administration(&self, root: &Person) {
        let admin = self.env.function("users-admin").await;
        let path = format!("/api/admin/users/{}", self.id);
        let change = async |body: Value| {
            let changed = admin.patch_as(&root.token, &path, "", &body).await;
            assert_eq!(changed.status, 200, "{}", changed.text);
        };
        change(json!({"role": "org_member"})).await;
        change(json!({"status": "suspended"})).await;
        assert_eq!(self.attempt(&self.ada["email"], THIRD_PASSWORD).await, 403);
        change(json!({"status": "active"})).await;
    }

    async fn lockout(&self) {
        let nobody = newcomer();
        for _ in 0..5 {
            assert_eq!(self.attempt(&nobody["email"], "Wrong1234").await, 401);
        }
        for _ in 0..2 {
            assert_eq!(self.attempt(&nobody["email"], "Wrong1234").await, 429, "told once, refused each time");
        }
    }
}

fn link_token(word: &str) -> Option<&str> {
    word.split_once("token=").map(|(_, token)| token)
}

fn six_digits(word: &str) -> Option<&str> {
    (word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit())).then_some(word)
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what_to_whom_and_how_it_ended() {
    let env = TestEnv::new().await;
    let (ada, root) = (env.newcomer().await, env.person(Role::SuperAdmin, None).await);
    let stored = env.users().find_one(doc! {"email": ada["email"].as_str()}).await.unwrap().unwrap();
    let id = stored.get_str("_id").unwrap().to_owned();
    let mut scene = Scene { login: env.function("auth-login").await, env, ada, id };
    keep_secret(ANOTHER_PASSWORD);
    keep_secret(THIRD_PASSWORD);
    scene.sessions().await;
    scene.passwords().await;
    let token = scene.second_factor().await;
    let [api_key, provider_key] = scene.keys(&token).await;
    scene.administration(&root).await;
    scene.lockout().await;

    let who = |id: &str| match id.split_once('/').unwrap_or(("user", id)) {
        ("user", id) if id == scene.id => Ada,
        ("user", id) if id == root.id => Root,
        ("api_key", id) if id == api_key => AnApiKey,
        ("provider_key", id) if id == provider_key => AProviderKey,
        _ => panic!("who is {id}?"),
    };
    let mut audit_log = scene.env.audit_log().await;
    let mut written = Vec::new();
    for entry in &mut audit_log {
        let text = |field: &str| entry.get_str(field).ok().map(str::to_owned);
        let by = |field: &str| text(field).map_or(Nobody, |id| who(&id));
        let outcome = if text("outcome").as_deref() == Some("success") { Success } else { Failure };
        written.push((text("action").unwrap(), by("actorId"), outcome, by("resource")));
        assert!(text("ip").is_some() && text("requestId").is_some() && entry.get_datetime("at").is_ok(), "{entry}");
        // In a code of random letters anything may stand.
        assert!(entry.remove("hash").is_some(), "{entry}");
        holds_no_secret(&entry.to_string());
    }
    let expected = [SESSIONS, PASSWORDS, SECOND_FACTOR, KEYS, ADMINISTRATION].concat();
    let expected: Vec<_> =
        expected.into_iter().map(|(action, by, outcome, on)| (action.to_owned(), by, outcome, on)).collect();
    for (index, (written, expected)) in written.iter().zip(&expected).enumerate() {
        assert_eq!(written, expected, "entry {index}");
    }
    assert_eq!(written.len(), expected.len(), "{written:?}");
    let counted = all(&scene.env.database, "refusals").await;
    let counted: Vec<_> = counted
        .iter()
        .map(|day| (day.get_str("_id").unwrap().split_once('/').unwrap().1, day.get_i64("count").unwrap()))
        .collect();
    assert_eq!(counted, COUNTED);
}

/// A queue that takes what comes, has its consumer store it, and never answers.
async fn silent_queue(env: &TestEnv) -> String {
    let database = env.database.clone();
    let router = Router::new().fallback(async move |body: String| {
        let call: Value = serde_json::from_str(&body).unwrap();
        for (collection, document) in read(call["Entries"][0]["MessageBody"].as_str().unwrap()).unwrap() {
            // Sent again, it is there already.
            let _ = database.collection::<Document>(collection).insert_one(document).await;
        }
        pending::<()>().await;
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn an_entry_that_the_queue_took_without_saying_so_is_kept_once() {
    let env = TestEnv::new().await;
    let (ada, sqs) = (env.person(Role::User, None).await, silent_queue(&env).await);
    let queue = format!("{sqs}/000000000000/events");
    let create = env.function_with("prompt-create", &[("AWS_ENDPOINT_URL", &sqs), ("EVENTS_QUEUE_URL", &queue)]).await;
    made(&create, &ada).await;
    assert_eq!(env.audited("data.prompt.created").await, 1);
}

/// A repeat of what is done finds nothing to do, and would write no entry.
#[tokio::test]
async fn what_is_done_has_its_entry_wherever_the_way_to_mongodb_ends() {
    let env = TestEnv::new().await;
    let (ada, queue) = (env.person(Role::User, None).await, OwnQueue::new(&env.stack).await);
    let tap = Wiretap::to(env.stack.mongodb_address()).await;
    let uri = tap.uri();
    let variables = [("MONGODB_URI", uri.as_str()), ("EVENTS_QUEUE_URL", queue.url.as_str())];
    let (create, edit) = (env.function("prompt-create").await, env.function_with("prompt-edit", &variables).await);
    let prompts = env.database.collection::<Document>("prompts");
    let mut removed = 0;
    for commands in 0..16 {
        let prompt = made(&create, &ada).await;
        tap.end_after(commands);
        let answer = edit.delete_as(&ada.token, &path(&prompt)).await;
        let stored = prompts.find_one(doc! {"_id": prompt["id"].as_str()}).await.unwrap().unwrap();
        let is_done = stored.get_bool("active").ok() == Some(false);
        assert_eq!(answer.status, if is_done { 204 } else { 503 }, "after {commands} commands: {}", answer.text);
        removed += u64::from(is_done);
    }
    let waiting = queue.take().await;
    println!("{removed} of 16 removed, entries in the queue: {}", waiting.len());
    assert!(!waiting.is_empty() && removed > waiting.len() as u64, "by one way and by the other");
    let consumer = env.function("write-events").await;
    for _ in 0..2 {
        hand_over(&consumer, &json!(waiting)).await;
    }
    assert_eq!(env.audited("data.prompt.deleted").await, removed);
    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    let checked = verify(&mongo, &seed("AUDIT_SEED")).await.unwrap();
    assert!(checked.intact >= removed && checked.changed.is_empty(), "{checked:?}");
    queue.delete().await;
}
