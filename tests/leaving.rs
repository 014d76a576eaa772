//! Leaving: a copy of everything that is kept about an account, and its deletion.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    eventually,
    host::Function,
    stack::stack,
    test_env::{PASSWORD, Person, TestEnv, tokens_told},
    usage_records::run,
    wiretap::Wiretap,
};

/// Somebody of whom something is kept in every way.
struct Leaver {
    id: String,
    email: String,
    tokens: Value,
    key: String,
    private_prompt: String,
    public_prompt: String,
    /// Published, as prompts of the application before are: without the flag.
    moved_in_prompt: String,
}

impl Leaver {
    fn token(&self) -> &str {
        self.tokens["accessToken"].as_str().unwrap()
    }

    async fn new(env: &TestEnv) -> Self {
        let person = env.newcomer().await;
        let email = person["email"].as_str().unwrap().to_owned();
        let user = env.users().find_one(doc! {"email": &email}).await.unwrap().unwrap();
        let id = user.get_str("_id").unwrap().to_owned();
        // Of before their first week, in which an account may store less.
        let settled =
            doc! {"$set": {"createdAt": clock::now() - SignedDuration::from_hours(24 * 30), "plan": "enterprise"}};
        env.users().update_one(doc! {"_id": &id}, settled).await.unwrap();
        env.forget(&id).await;
        let tokens = env.sign_in(&person).await;
        let token = tokens["accessToken"].as_str().unwrap();
        let post = async |function: &str, path: &str, body: Value| {
            let answer = env.function(function).await.post_as(token, path, &body).await;
            assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
            tokens_told(&answer.body);
            answer.body
        };
        let prompt = async |title: &str| {
            let draft = json!({"title": title, "content": format!("Say nothing of {title} {}.", uuid::Uuid::now_v7())});
            post("prompt-create", "/api/prompts", draft).await["id"].as_str().unwrap().to_owned()
        };
        let (private_prompt, public_prompt) = (prompt("private wishes").await, prompt("published advice").await);
        let publish = doc! {"$set": {"isPublic": true}};
        let prompts = env.database.collection::<Document>("prompts");
        prompts.update_one(doc! {"_id": &public_prompt}, publish).await.unwrap();
        let moved_in_prompt = prompt("advice of before").await;
        prompts.update_one(doc! {"_id": &moved_in_prompt}, doc! {"$unset": {"isPublic": ""}}).await.unwrap();
        let kept =
            json!({"promptId": "p", "originalPromptId": &private_prompt, "title": "mine", "content": "As I say."});
        post("prompt-collections", "/api/prompts/collections", kept).await;
        let started = json!({"runId": uuid::Uuid::now_v7().to_string(), "toolId": "prompt-tester", "promptHash": "0".repeat(64),
            "provider": "openai", "model": "gpt-4o", "promptTokens": 1, "maxCompletionTokens": 1});
        post("workbench-runs", "/api/workbench/runs", started).await;
        let key = json!({"name": "mine", "scopes": ["usage:write", "usage:read"]});
        let key = post("api-keys", "/api/api-keys", key).await["key"].as_str().unwrap().to_owned();
        post(
            "provider-keys",
            "/api/provider-keys",
            json!({"provider": "groq", "name": "k", "apiKey": "gsk_0123456789abcdef"}),
        )
        .await;
        post("usage-alerts", "/api/usage-alerts", json!({"metric": "cost", "period": "daily", "threshold": 1})).await;
        post("user-activity", "/api/user/activity", json!({})).await;
        let report =
            json!({"intent": "Copy", "description": "Nothing happens at all.", "pageUrl": "https://app.example.com/"});
        post("bug-reports", "/api/bug-reports", report).await;
        // As the consumer and the jobs would.
        let record = |name: &str, at: clock::Moment| {
            doc! {"_id": format!("{id}/{name}"), "userId": &id, "provider": "openai", "model": "gpt-4o", "promptTokens": 10_i64,
            "completionTokens": 5_i64, "costMicros": 75_i64, "priced": true, "latencyMs": 1_i64, "success": true,
            "sessionId": "s", "occurredAt": at, "receivedAt": at}
        };
        let ago = |days: i64| clock::now() - SignedDuration::from_hours(24 * days);
        let records = [record("1", ago(40)), record("2", ago(2)), record("3", ago(2))];
        env.database.collection::<Document>("ai_usage").insert_many(records).await.unwrap();
        for days in [39, 1] {
            run(&env.function("daily-usage-report").await, &ago(days).to_string()).await;
        }
        Self { id, email, tokens, key, private_prompt, public_prompt, moved_in_prompt }
    }
}

async fn sweep(env: &TestEnv) -> Value {
    sweep_at(env, clock::now()).await
}

async fn sweep_at(env: &TestEnv, at: clock::Moment) -> Value {
    run(&env.function("sweep").await, &at.to_string()).await
}

/// The names of collections that still say something of `text`.
async fn holding(env: &TestEnv, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in env.database.list_collection_names().await.unwrap() {
        let documents = env.database.collection::<Document>(&name).find(doc! {}).await.unwrap();
        let documents: Vec<Document> = documents.try_collect().await.unwrap();
        if documents.iter().any(|document| document.to_string().contains(text)) {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// Requests, and what they cost, of all days.
async fn used(env: &TestEnv) -> (i64, i64) {
    let days = env.database.collection::<Document>("usage_daily").find(doc! {}).await.unwrap();
    let days: Vec<Document> = days.try_collect().await.unwrap();
    let sum = |field: &str| days.iter().map(|day| day.get_i64(field).unwrap()).sum();
    (sum("requests"), sum("costMicros"))
}

#[tokio::test]
async fn an_export_holds_what_is_kept_about_an_account_and_nothing_that_opens_anything() {
    let env = TestEnv::new().await;
    let (ada, eve) = (Leaver::new(&env).await, Leaver::new(&env).await);
    let account = env.function("auth-account").await;
    let export = "/api/auth/account/export";
    assert_eq!(account.get_as(ada.token(), export).await.status, 404);
    let asked = account.post_as(ada.token(), export, &json!({})).await;
    assert_eq!((asked.status, &asked.body["status"]), (202, &json!("pending")), "{}", asked.text);
    let again = account.post_as(ada.token(), export, &json!({})).await;
    assert_eq!((again.status, &again.body["askedAt"]), (202, &asked.body["askedAt"]), "one is pending");
    assert_eq!(account.get_as(ada.token(), &format!("{export}/1")).await.status, 404, "it is not written");
    env.mailed(&json!({"email": ada.email}), "An export of your account was asked for").await;
    assert_eq!(sweep(&env).await["exported"], 1);
    let ready = account.get_as(ada.token(), export).await.body;
    assert_eq!((&ready["status"], &ready["parts"]), (&json!("ready"), &json!(1)), "{ready}");
    let read = account.get_as(ada.token(), &format!("{export}/1")).await;
    assert_eq!((read.status, read.header("content-type")), (200, "application/jsonl"));
    assert_eq!(read.text.len() as u64, ready["bytes"].as_u64().unwrap());
    let lines: Vec<Value> = read.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for collection in [
        "users",
        "sessions",
        "user_activity",
        "prompts",
        "prompt_revisions",
        "prompt_collections",
        "workbench_runs",
        "bug_reports",
        "ai_usage",
        "usage_daily",
        "usage_alerts",
        "api_keys",
        "provider_keys",
        "audit_logs",
        "account_exports",
    ] {
        assert!(lines.iter().any(|line| line["collection"] == collection), "{collection} in {}", read.text);
    }
    assert!(read.text.contains(&ada.email) && !read.text.contains(&eve.email) && !read.text.contains(&eve.id));
    for secret in
        ["$argon2", "passwordHash", "refreshHash", "secretHmac", "cipher", "gsk_0123456789", "\"hash\"", "folder"]
    {
        assert!(!read.text.contains(secret), "{secret} in {}", read.text);
    }
    for (part, status) in [("2", 404), ("0", 404), ("one", 404), ("-1", 404), ("99999999999", 404)] {
        let answer = account.get_as(ada.token(), &format!("{export}/{part}")).await;
        assert_eq!(answer.status, status, "{part}: {}", answer.text);
    }
    assert_eq!(account.get_as(eve.token(), &format!("{export}/1")).await.status, 404, "hers alone");
    // Two are in the limit of a day; the third is the last.
    assert_eq!(account.post_as(ada.token(), export, &json!({})).await.status, 202);
    assert_eq!(account.post_as(ada.token(), export, &json!({})).await.status, 429);
    assert_eq!(env.audited("security.account.exported").await, 3);
}

#[tokio::test]
async fn a_large_account_is_exported_in_parts_that_an_answer_holds() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let run = |n: usize| {
        doc! {"_id": format!("{n:05}"), "userId": &ada.id, "runId": n.to_string(), "createdAt": clock::now(), "output": "\"".repeat(20_000)}
    };
    let runs: Vec<Document> = (0..250).map(run).collect();
    env.database.collection::<Document>("workbench_runs").insert_many(runs).await.unwrap();
    let account = env.function("auth-account").await;
    account.post_as(&ada.token, "/api/auth/account/export", &json!({})).await;
    sweep(&env).await;
    let parts = account.get_as(&ada.token, "/api/auth/account/export").await.body["parts"].as_u64().unwrap();
    assert!(parts > 2, "{parts}");
    let mut runs = 0;
    for part in 1..=parts {
        let read = account.get_as(&ada.token, &format!("/api/auth/account/export/{part}")).await;
        assert_eq!(read.status, 200);
        runs += read.text.lines().filter(|line| line.contains("workbench_runs")).count();
    }
    assert_eq!(runs, 250);
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once_and_what_was_kept_about_it_soon() {
    let env = TestEnv::new().await;
    let (ada, eve) = (Leaver::new(&env).await, Leaver::new(&env).await);
    let account = env.function("auth-account").await;
    account.post_as(ada.token(), "/api/auth/account/export", &json!({})).await;
    sweep(&env).await;
    let before = used(&env).await;
    assert_eq!(before, (6, 450));
    let deleted = account
        .send("DELETE", "/api/auth/account", &[("authorization", &format!("Bearer {}", ada.token()))], None)
        .await;
    assert_eq!(deleted.status, 202, "{}", deleted.text);
    env.mailed(&json!({"email": ada.email}), "Your account is deleted").await;
    // Gone, wherever one looks.
    let session = env.function("auth-session").await;
    assert_eq!(session.get_as(ada.token(), "/api/auth/session").await.status, 401);
    let refresh = session.post("/api/auth/refresh", &json!({"refreshToken": ada.tokens["refreshToken"]})).await;
    assert_eq!(refresh.status, 401, "{}", refresh.text);
    let usage = env.function("ai-usage").await;
    assert_eq!(usage.post_as(&ada.key, "/api/ai/usage", &json!({"records": []})).await.status, 401);
    let sign_in = json!({"email": ada.email, "password": PASSWORD});
    assert_eq!(env.function("auth-login").await.post("/api/auth/login", &sign_in).await.status, 401);

    assert_eq!(sweep(&env).await["erased"], 1);
    assert_eq!(holding(&env, &ada.email).await, [] as [&str; 0]);
    // The audit log tells who did what as long as it is kept; the ledger forgets with its next count.
    let left = holding(&env, &ada.id).await;
    assert_eq!(left, ["account_deletions", "audit_logs", "ledger"]);
    assert_eq!(used(&env).await, before, "sums stay");
    let prompts = env.database.collection::<Document>("prompts");
    assert!(prompts.find_one(doc! {"_id": &ada.private_prompt}).await.unwrap().is_none());
    for published in [&ada.public_prompt, &ada.moved_in_prompt] {
        let published = prompts.find_one(doc! {"_id": published}).await.unwrap().expect("it is everybody's");
        assert!(published.get_str("authorId").unwrap().starts_with("deleted-"));
    }
    let revisions = env.database.collection::<Document>("prompt_revisions");
    assert_eq!(revisions.count_documents(doc! {"promptId": &ada.private_prompt}).await.unwrap(), 0);
    assert_eq!(revisions.count_documents(doc! {"promptId": &ada.public_prompt}).await.unwrap(), 1);
    // A day's report, made again, says what it said.
    for days in [39, 1] {
        let at = clock::now() - SignedDuration::from_hours(24 * days);
        run(&env.function("daily-usage-report").await, &at.to_string()).await;
    }
    assert_eq!(used(&env).await, before);
    assert!(holding(&env, &eve.id).await.len() > 15, "somebody else's is as it was");

    // What a queue still held is erased with the next day's run; a run in between has nothing to do.
    let late = doc! {"_id": format!("{}/late", ada.id), "userId": &ada.id, "costMicros": 1_i64, "promptTokens": 1_i64,
    "completionTokens": 1_i64, "priced": true, "success": true, "provider": "openai", "model": "gpt-4o",
    "occurredAt": clock::now() - SignedDuration::from_hours(48), "receivedAt": clock::now()};
    env.database.collection::<Document>("ai_usage").insert_one(late).await.unwrap();
    run(&env.function("daily-usage-report").await, &clock::now().to_string()).await;
    assert_eq!(sweep(&env).await["erased"], 0);
    assert_eq!(sweep_at(&env, clock::now() + SignedDuration::from_hours(25)).await["erased"], 1);
    assert!(holding(&env, &ada.id).await.len() <= 3);
    run(&env.function("daily-usage-report").await, &clock::now().to_string()).await;
    assert_eq!(used(&env).await, (7, 451), "it is in the sums");

    // The address is free.
    let again = json!({"email": ada.email, "name": "Ada"});
    assert_eq!(env.function("auth-signup").await.post("/api/auth/signup", &again).await.status, 202);
    eventually("another link to an account", 60, async || {
        let mails = env.stack.sent_to(&ada.email).await.into_iter();
        (mails.filter(|mail| mail["Subject"] == "Complete your sign-up").count() == 2).then_some(())
    })
    .await;
    let entries = env.audit_log().await;
    let entry = entries.iter().find(|entry| entry.get_str("action").unwrap() == "security.account.deleted").unwrap();
    assert_eq!(entry.get_str("actorId").unwrap(), ada.id);
}

#[tokio::test]
async fn a_deletion_that_stops_half_way_goes_on() {
    let (env, wiretap) = (TestEnv::new().await, Wiretap::to(stack().mongodb_address()).await);
    let uri = wiretap.uri();
    let sweep = async |env: &TestEnv| env.function_with("sweep", &[("MONGODB_URI", &uri)]).await;
    let mut commands = 8;
    loop {
        let ada = Leaver::new(&env).await;
        let before = used(&env).await;
        let account = env.function("auth-account").await;
        delete(&account, ada.token()).await;
        wiretap.end_after(commands);
        let stopped = sweep(&env).await.invoke(json!({"at": clock::now().to_string()})).await;
        wiretap.end_after(i64::MAX);
        let is_done = matches!(stopped, tests::host::Outcome::Response(_));
        run(&sweep(&env).await, &clock::now().to_string()).await;
        assert_eq!(holding(&env, &ada.id).await, ["account_deletions", "audit_logs", "ledger"], "after {commands}");
        assert_eq!(used(&env).await, before, "after {commands} commands");
        if is_done {
            break;
        }
        commands += 5;
    }
    assert!(commands > 20, "it was never stopped");
}

async fn delete(account: &Function, token: &str) -> u64 {
    account.send("DELETE", "/api/auth/account", &[("authorization", &format!("Bearer {token}"))], None).await.status
}

#[tokio::test]
async fn leaving_asks_for_the_password_again() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let old = stale_token(&ada);
    let account = env.function("auth-account").await;
    for (method, path) in
        [("DELETE", "/api/auth/account"), ("POST", "/api/auth/account/export"), ("GET", "/api/auth/account/export/1")]
    {
        let answer = account.send(method, path, &[("authorization", &format!("Bearer {old}"))], None).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("password_required")),
            "{path}: {}",
            answer.text
        );
    }
    assert!(env.users().find_one(doc! {"_id": &ada.id}).await.unwrap().is_some());
    assert_eq!(env.audited("security.account.deleted").await, 0);
}

/// Of a sign-in an hour ago.
fn stale_token(who: &Person) -> String {
    let shown = clock::now().as_second() - 3600;
    let claims = shared::auth::AccessClaims {
        sub: who.id.clone(),
        sid: "s".into(),
        role: Role::User,
        org: None,
        mfa: None,
        auth_time: Some(shown),
        ver: 0,
    };
    tests::test_env::tokens().access(claims, clock::now())
}

#[tokio::test]
async fn of_two_super_admins_who_leave_at_once_one_stays() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::SuperAdmin, None).await, env.person(Role::SuperAdmin, None).await);
    let (one, other) = (env.function("auth-account").await, env.function("auth-account").await);
    let (first, second) = tokio::join!(delete(&one, &ada.token), delete(&other, &eve.token));
    let mut statuses = [first, second];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert_eq!(env.users().count_documents(doc! {"role": "super_admin"}).await.unwrap(), 1);
}
