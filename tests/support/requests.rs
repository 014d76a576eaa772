//! What the benchmarks ask each function: something that it answers well, and for which it asks MongoDB, if it ever
//! does. Other readers' content and known users come from copies, so routes that serve those ask it once.

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::{clock, roles::Role};

use crate::{
    host::Outcome,
    http_event::event,
    test_env::{PASSWORD, Person, TestEnv, account, newcomer},
};

/// What a function is given.
#[derive(Clone, Debug)]
pub enum Work {
    Route(Call),
    /// What a queue or a schedule sends.
    Event(Value),
}

#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    /// Null for none.
    pub body: Value,
    pub token: Option<String>,
    /// The revision that a change is made of.
    pub revision: Option<usize>,
}

/// Super admins of the plan that allows most, and what is theirs.
pub struct Scene {
    people: Vec<Person>,
    things: Vec<Things>,
    /// Id of an affiliate link.
    link: String,
    /// Id or slug of a published prompt.
    published: String,
}

struct Things {
    prompt: String,
    run: String,
    key: String,
}

impl Work {
    /// As the function gets it.
    pub fn event(&self) -> Value {
        match self {
            Self::Route(call) => call.event(),
            Self::Event(event) => event.clone(),
        }
    }
}

impl Call {
    pub fn new(method: &'static str, path: &str, body: Value) -> Self {
        Self { method, path: path.to_owned(), body, token: None, revision: None }
    }

    #[must_use]
    pub fn by(self, who: &Person) -> Self {
        Self { token: Some(who.token.clone()), ..self }
    }

    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let kind = (!self.body.is_null()).then(|| ("content-type", "application/json".to_owned()));
        let token = self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}")));
        let revision = self.revision.map(|revision| ("if-match", format!("\"{revision}\"")));
        [kind, token, revision].into_iter().flatten().collect()
    }

    /// As API Gateway hands it over, from an address of its own: limits by address are not what is measured.
    pub fn event(&self) -> Value {
        let headers = self.headers();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = (!self.body.is_null()).then(|| self.body.to_string());
        let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
        event(self.method, &self.path, &headers, body.as_deref(), &format!("198.51.{a}.{b}"))
    }
}

impl Scene {
    /// With accounts of a env's.
    pub async fn of_env(env: &TestEnv, number: usize, published: &str) -> Self {
        let people = people(env, number, Role::SuperAdmin).await;
        let send = async |function: &str, call: Call| {
            let outcome = env.function(function).await.invoke(call.event()).await;
            let Outcome::Response(answer) = outcome else { panic!("{function}: {outcome:?}") };
            serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or(answer)
        };
        Self::new(people, published, send).await
    }

    /// Makes what the people have, by `send`, which tells the body of an answer.
    pub async fn new(people: Vec<Person>, published: &str, send: impl AsyncFn(&str, Call) -> Value) -> Self {
        let make = async |function: &str, who: &Person, path: &str, body: Value, id: &str| {
            let made = send(function, Call::new("POST", path, body).by(who)).await;
            made[id].as_str().unwrap_or_else(|| panic!("{function}: {made}")).to_owned()
        };
        let mut things = Vec::new();
        for who in &people {
            let key = json!({"name": "k", "scopes": ["usage:write"]});
            things.push(Things {
                prompt: make("prompt-create", who, "/api/prompts", draft(), "id").await,
                run: make("workbench-runs", who, "/api/workbench/runs", run(), "runId").await,
                key: make("api-keys", who, "/api/api-keys", key, "id").await,
            });
        }
        let link = json!({"tool": word(), "baseUrl": "https://tool.example/", "status": "pending"});
        let link = json!({"type": "link", "data": link});
        let link = make("affiliate-links", &people[0], "/api/admin/affiliate-links", link, "_id").await;
        Self { people, things, link, published: published.to_owned() }
    }

    /// The work of a function's call number `n`, by everybody in turns.
    pub fn work(&self, function: &str, n: usize) -> Work {
        let (who, theirs) = (&self.people[n % self.people.len()], &self.things[n % self.people.len()]);
        let get = |path: &str| Call::new("GET", path, Value::Null).by(who);
        let send = |method: &'static str, path: &str, body: Value| Call::new(method, path, body).by(who);
        let prompt = format!("/api/prompts/{}", theirs.prompt);
        let call = match function {
            "minimal" => Call::new("GET", "/", Value::Null),
            "health" => get("/api/health"),
            "health-ready" => get("/api/health/ready"),
            "openapi" => get("/api/openapi.json"),
            "auth-jwks" => get("/.well-known/jwks.json"),
            "prompts" => get("/api/prompts?limit=50"),
            "prompt" => get(&prompt),
            "patterns" => get("/api/patterns"),
            "learning" => get("/api/learning"),
            "stats" => get("/api/stats"),
            "prompt-view" => send("POST", &format!("/api/prompts/{}/view", self.published), Value::Null),
            "analytics-track" => {
                let events = json!([{"promptId": self.published, "event": "copy"}]);
                send("POST", "/api/analytics/track", json!({"events": events}))
            }
            "analytics-counts" => get(&format!("/api/analytics/track?promptId={}", word())),
            "auth-signup" => Call::new("POST", "/api/auth/signup", newcomer()),
            "auth-login" => Call::new("POST", "/api/auth/login", json!({"email": who.email, "password": PASSWORD})),
            "auth-session" => get("/api/auth/session"),
            "auth-account" => get("/api/auth/account/export"),
            "auth-mfa" => get("/api/auth/mfa/status"),
            // Somebody whom nobody knows, and to whom nothing is sent.
            "auth-password" => {
                let body = json!({"email": format!("{}@example.com", word())});
                Call::new("POST", "/api/auth/forgot-password", body)
            }
            "user-activity" => get("/api/user/stats"),
            "user-preferences" => send("PUT", "/api/user/notification-preferences", json!({"emailEnabled": false})),
            "users-admin" => get("/api/admin/users"),
            "audit-logs" => get("/api/admin/audit"),
            "api-keys" => get("/api/api-keys"),
            "api-key" => send("POST", &format!("/api/api-keys/{}/rotate", theirs.key), Value::Null),
            "provider-keys" => get("/api/provider-keys"),
            "ai-usage" => send("POST", "/api/ai/usage", json!({"records": [use_of_a_model()]})),
            "ai-usage-summary" => get("/api/ai/usage"),
            "usage-alerts" => get("/api/usage-alerts"),
            "usage-reports" => get("/api/admin/usage-reports/daily/2026-01-01"),
            "prompt-create" => send("POST", "/api/prompts", draft()),
            "prompt-edit" => {
                let change = send("PATCH", &prompt, json!({"description": word()}));
                Call { revision: Some(n / self.people.len() + 1), ..change }
            }
            "prompt-revisions" => get(&format!("{prompt}/revisions")),
            "prompt-audit" => get(&format!("{prompt}/audit")),
            "prompt-collections" => get("/api/prompts/collections"),
            "workbench-runs" => get("/api/workbench/runs"),
            "workbench-run" => get(&format!("/api/workbench/runs/{}", theirs.run)),
            "bug-reports" => get("/api/bug-reports"),
            "affiliate-links" => get("/api/admin/affiliate-links"),
            "affiliate-click" => get(&format!("/api/affiliate/{}", self.link)),
            _ => return Work::Event(event_of(function)),
        };
        Work::Route(call)
    }
}

/// What comes from a queue or a schedule.
fn event_of(function: &str) -> Value {
    match function {
        "write-events" => {
            let click = json!({
                "kind": "affiliate_click", "id": word(), "linkId": "l", "occurredAt": clock::now(),
            });
            message(&json!({"records": [click]}))
        }
        "send-notifications" => {
            let channel = json!({"kind": "email", "to": "saturation@example.com"});
            message(&json!({"id": word(), "channel": channel, "template": {"kind": "mfa_enabled"}}))
        }
        "monitor-connections"
        | "export-content"
        | "roll-up-analytics"
        | "refresh-stats"
        | "check-usage-alerts"
        | "daily-usage-report"
        | "monthly-analytics"
        | "sweep"
        | "audit-digest" => json!({}),
        _ => panic!("tell here what {function} is asked"),
    }
}

/// Whether it is the answer that was asked for: nothing is wrong with the request, nor with its caller. A conflict is
/// one of those who ask at once.
pub fn is_answer(status: u64) -> bool {
    matches!(status, 200..=399 | 404 | 409 | 412)
}

/// Accounts with a password, in the store.
pub async fn people(env: &TestEnv, number: usize, role: Role) -> Vec<Person> {
    let ada = env.newcomer().await;
    let ada = env.users().find_one(doc! {"email": ada["email"].as_str()}).await.unwrap().unwrap();
    let (people, documents): (Vec<Person>, Vec<Document>) = (0..number)
        .map(|_| {
            let (person, mut user) = account(role, None);
            user.insert("passwordHash", ada.get_str("passwordHash").unwrap());
            user.insert("plan", "enterprise");
            // A new account may store less.
            user.insert("createdAt", clock::start_of_day(clock::now(), 30));
            (person, user)
        })
        .unzip();
    env.users().insert_many(documents).await.unwrap();
    people
}

/// A queue's batch of one.
fn message(body: &Value) -> Value {
    json!({"Records": [{"messageId": "m", "body": body.to_string()}]})
}

/// A prompt that is like no other.
fn draft() -> Value {
    let (one, two) = (word(), word());
    json!({"title": format!("{one} {two}"), "content": format!("Say {one} and nothing else.")})
}

fn run() -> Value {
    json!({
        "toolId": "prompt-tester", "promptHash": "0".repeat(64), "provider": "openai", "model": "gpt-4o",
        "promptTokens": 1, "maxCompletionTokens": 1,
    })
}

fn use_of_a_model() -> Value {
    json!({
        "provider": "openai", "model": "gpt-4o", "promptTokens": 1, "completionTokens": 1, "latencyMs": 1,
        "success": true,
    })
}

fn word() -> String {
    uuid::Uuid::now_v7().to_string()
}
