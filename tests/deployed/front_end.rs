//! The front end that exists: its session cookies count, and its calls get what they read. Cookies are made by Auth.js
//! itself, and the deployed stack is called through a proxy that rewrites paths as the front end's server does.

use std::{fs, process::Stdio};

use bson::{Document, doc};
use local::{
    deploy::{AUTH_JS_COOKIE, AUTH_JS_ORIGIN, AUTH_JS_SECRET},
    folder,
    rewrites::{self, Side},
    template::functions,
};
use reqwest::Method;
use serde_json::{Value, json};
use shared::{auth::derive_key, clock, roles::Role};
use tests::{
    callers,
    content::starter_prompt,
    host::{Function, keep_secret},
    http_event::Answer,
    root,
    stack::{Stack, stack},
    test_env::{ANOTHER_PASSWORD, PASSWORD, TestEnv, token_of},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

const SECRET_OF_PROXY: &str = "the-proxy-secret-of-the-front-end-0123456789";

/// A program of `tests/front_end`, beside the packages that it imports, with this on its standard input.
async fn node(program: &str, variables: &[(&str, &str)], input: &Value) -> Child {
    let place = folder("front_end");
    for file in [
        "tests/front_end/cookies.mjs",
        "tests/front_end/sign-in.mjs",
        "tests/front_end/proxy.mjs",
        "infra/front-end/auth.mjs",
    ] {
        let file = root().join(file);
        let target = place.join(file.file_name().unwrap());
        let text = fs::read(&file).unwrap();
        // Others may be reading it.
        if fs::read(&target).ok().as_ref() != Some(&text) {
            fs::write(target, text).unwrap();
        }
    }
    let mut command = Command::new("node");
    command.arg(program).current_dir(place).envs(variables.iter().copied()).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).await.unwrap();
    child
}

async fn told(child: Child) -> Value {
    let output = child.wait_with_output().await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What Auth.js makes of these claims: a token for each.
async fn made(wanted: &[Value]) -> Vec<String> {
    let made: Vec<String> = serde_json::from_value(told(node("cookies.mjs", &[], &json!(wanted)).await).await).unwrap();
    for token in &made {
        keep_secret(token);
    }
    made
}

fn wanted(claims: &Value) -> Value {
    json!({"secret": AUTH_JS_SECRET, "cookie": AUTH_JS_COOKIE, "claims": claims})
}

/// The session cookie of whoever these claims name.
async fn cookie(claims: Value) -> String {
    format!("{AUTH_JS_COOKIE}={}", made(&[wanted(&claims)]).await.remove(0))
}

/// A function that knows the front end's key.
async fn function(env: &TestEnv, name: &str) -> Function {
    let key = derive_key(AUTH_JS_SECRET.as_bytes(), AUTH_JS_COOKIE, false);
    let before = derive_key(AUTH_JS_SECRET.as_bytes(), AUTH_JS_COOKIE, true);
    keep_secret(&key);
    let (keys, more) =
        (format!("{key},{before}"), [("AUTH_JS_COOKIE", AUTH_JS_COOKIE), ("AUTH_JS_ORIGINS", AUTH_JS_ORIGIN)]);
    let variables = [[("AUTH_JS_KEY", keys.as_str())].as_slice(), &more].concat();
    env.function_with(name, &variables).await
}

async fn seen(session: &Function, cookie: &str) -> Answer {
    session.send("GET", "/api/auth/session", &[("cookie", cookie)], None).await
}

/// A call by cookie that changes something, from this origin.
async fn change(function: &Function, path: &str, cookie: &str, origin: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("cookie", cookie), ("content-type", "application/json")];
    headers.extend(origin.map(|origin| ("origin", origin)));
    function.send("POST", path, &headers, Some(&body.to_string())).await
}

fn object_id() -> String {
    format!("{:024x}", fastrand::u128(..) >> 32)
}

#[tokio::test]
async fn a_session_of_auth_js_counts_in_either_version_whole_or_in_pieces() {
    let env = TestEnv::new().await;
    let (ada, session) = (env.person(Role::Pro, None).await, function(&env, "auth-session").await);
    let claims = json!({"sub": ada.id, "role": "super_admin", "mfaVerified": true, "organizationId": "theirs"});
    let long = json!({"id": ada.id, "sub": "another", "picture": "x".repeat(6000)});
    let tokens = made(&[
        wanted(&claims),
        json!({"secret": AUTH_JS_SECRET, "cookie": AUTH_JS_COOKIE, "claims": claims, "version": 4}),
        wanted(&long),
        json!({"secret": "another secret of a front end, for it", "cookie": AUTH_JS_COOKIE, "claims": claims}),
        json!({"secret": AUTH_JS_SECRET, "cookie": "authjs.session-token", "claims": claims}),
        json!({"secret": AUTH_JS_SECRET, "cookie": AUTH_JS_COOKIE, "claims": claims, "maxAge": -1}),
        wanted(&json!({"sub": "nobody"})),
    ])
    .await;
    let pieces = |token: &str| {
        let pieces: Vec<_> = token.as_bytes().chunks(3_936).map(String::from_utf8_lossy).collect();
        assert!(pieces.len() > 1);
        let named = pieces.iter().enumerate().rev().map(|(n, piece)| format!("{AUTH_JS_COOKIE}.{n}={piece}"));
        named.collect::<Vec<_>>().join("; ")
    };
    let whole = |token: &str| format!("theme=dark; {AUTH_JS_COOKIE}={token}; other=1");
    for sent in [whole(&tokens[0]), whole(&tokens[1]), pieces(&tokens[2])] {
        let answer = seen(&session, &sent).await;
        assert_eq!((answer.status, &answer.body["id"]), (200, &json!(ada.id)), "{}", answer.text);
        assert_eq!(answer.body["role"], "pro", "the account's, not the cookie's");
        assert_eq!(answer.body["organizationId"], Value::Null);
    }
    let damaged = format!("{}x", &tokens[0][..tokens[0].len() - 1]);
    for (sent, what) in [
        (whole(&tokens[3]), "another secret's"),
        (whole(&tokens[4]), "another cookie's"),
        (whole(&tokens[5]), "expired"),
        (whole(&tokens[6]), "nobody's"),
        (whole(&damaged), "damaged"),
        (String::new(), "none"),
    ] {
        assert_eq!(seen(&session, &sent).await.status, 401, "{what}");
    }
    let without_key = env.function("auth-session").await;
    assert_eq!(seen(&without_key, &whole(&tokens[0])).await.status, 401, "no key, no cookie");
}

#[tokio::test]
async fn a_session_ends_with_its_account_and_with_what_it_was_signed_in_by() {
    let env = TestEnv::new().await;
    let session = function(&env, "auth-session").await;
    let (ada, eve, bob) =
        (env.person(Role::User, None).await, env.person(Role::User, None).await, env.person(Role::User, None).await);
    let (of_ada, of_eve) = (cookie(json!({"sub": ada.id})).await, cookie(json!({"sub": eve.id})).await);
    for sent in [&of_ada, &of_eve] {
        assert_eq!(seen(&session, sent).await.status, 200);
    }
    let root = env.person(Role::SuperAdmin, None).await;
    let admin = env.function("users-admin").await;
    let path = format!("/api/admin/users/{}", eve.id);
    assert_eq!(admin.patch_as(&root.token, &path, "", &json!({"status": "suspended"})).await.status, 200);
    let elsewhere = function(&env, "auth-session").await;
    assert_eq!(seen(&elsewhere, &of_eve).await.status, 403, "suspended");

    let ended = admin.delete_as(&root.token, &format!("/api/admin/users/{}/sessions", ada.id)).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    let elsewhere = function(&env, "auth-session").await;
    assert_eq!(seen(&elsewhere, &of_ada).await.status, 401, "from before its sessions ended");

    // A renewed cookie has a later `iat`; the callback keeps when the session began.
    let at = |seconds: i64| clock::now().as_second() + seconds;
    let set = doc! {"$set": {"cookiesCountFrom": clock::now()}};
    env.users().update_one(doc! {"_id": &bob.id}, set).await.unwrap();
    for (auth_time, status) in [(at(-3600), 401), (at(30), 200)] {
        let renewed = cookie(json!({"sub": bob.id, "auth_time": auth_time})).await;
        assert_eq!(seen(&elsewhere, &renewed).await.status, status, "{auth_time}");
    }
}

#[tokio::test]
async fn who_signed_up_at_the_front_end_has_an_account_here_as_soon_as_they_come() {
    let env = TestEnv::new().await;
    let session = function(&env, "auth-session").await;
    let (id, email) = (object_id(), format!("{}@example.com", object_id()));
    let claims = json!({"sub": id, "email": email, "name": "Ada", "role": "super_admin"});
    let sent = cookie(claims).await;
    let others = [function(&env, "auth-session").await, function(&env, "user-activity").await];
    let header = [("cookie", sent.as_str())];
    let (first, second, third) = tokio::join!(
        seen(&session, &sent),
        seen(&others[0], &sent),
        others[1].send("GET", "/api/user/stats", &header, None)
    );
    for answer in [&first, &second, &third] {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(
        (&first.body["id"], &first.body["role"], &first.body["email"]),
        (&json!(id), &json!("user"), &json!(email))
    );
    assert_eq!(first.body["emailVerified"], false, "nobody proved it to us");
    let taken = cookie(json!({"sub": object_id(), "email": email.to_uppercase(), "name": "Eve"})).await;
    let refused = seen(&session, &taken).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("email_taken")), "{}", refused.text);
    for claims in [
        json!({"sub": object_id()}),
        json!({"sub": object_id(), "email": "no address"}),
        json!({"sub": "507F1F77BCF86CD799439011", "email": "b@example.com"}),
        json!({"sub": "{\"$gt\": \"\"}", "email": "b@example.com"}),
        json!({"sub": "0198f1c2-0000-7000-8000-000000000000", "email": "c@example.com"}),
    ] {
        assert_eq!(seen(&session, &cookie(claims.clone()).await).await.status, 401, "{claims}");
    }
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn a_change_by_cookie_comes_from_the_front_ends_own_pages() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (activity, sent) = (function(&env, "user-activity").await, cookie(json!({"sub": ada.id})).await);
    let record = async |origin| change(&activity, "/api/user/activity", &sent, origin, &json!({})).await;
    for foreign in [None, Some("https://evil.example"), Some("null"), Some("http://127.0.0.1:3100/"), Some("")] {
        let refused = record(foreign).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("foreign_origin")), "{foreign:?}");
    }
    assert_eq!(record(Some(AUTH_JS_ORIGIN)).await.status, 200);
    let read = [("cookie", sent.as_str()), ("origin", "https://evil.example")];
    assert_eq!(activity.send("GET", "/api/user/stats", &read, None).await.status, 200, "what is read changes nothing");
}

#[tokio::test]
async fn what_the_cookie_says_of_a_factor_is_not_believed_and_a_step_up_is() {
    let env = TestEnv::new().await;
    let newcomer = env.newcomer().await;
    let id = env.sign_in(&newcomer).await["user"]["id"].as_str().unwrap().to_owned();
    let (password, vault) = (function(&env, "auth-password").await, function(&env, "provider-keys").await);
    let sent = cookie(json!({"sub": id, "mfaVerified": true})).await;
    let key = json!({"provider": "groq", "keyName": "k", "apiKey": "0123456789abcdef"});
    let keep = async |cookie: &str| change(&vault, "/api/v2/users/api-keys", cookie, Some(AUTH_JS_ORIGIN), &key).await;
    let refused = keep(&sent).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("password_required")), "{}", refused.text);
    let body = json!({"password": PASSWORD});
    let shown = change(&password, "/api/auth/verify-password", &sent, Some(AUTH_JS_ORIGIN), &body).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let set = shown.header("set-cookie");
    assert!(set.contains("; HttpOnly; Secure; SameSite=Strict"), "{set}");
    let step_up = set.split(';').next().unwrap();
    assert_eq!(keep(&format!("{sent}; {step_up}")).await.status, 201);
    assert_eq!(keep(step_up).await.status, 401, "it is nothing without the session");
    let eve = env.person(Role::User, None).await;
    let of_eve = cookie(json!({"sub": eve.id})).await;
    assert_eq!(keep(&format!("{of_eve}; {step_up}")).await.status, 403, "it is of another account");
}

/// What a browser at the front end sends.
struct Page {
    http: reqwest::Client,
    address: String,
    cookie: Option<String>,
    _proxy: Child,
}

impl Page {
    async fn open(stack: &Stack) -> Self {
        let rules = rewrites::next(&rewrites::table().unwrap(), &[]).unwrap();
        let input =
            json!({"rules": rules.trim_end().trim_end_matches(','), "api": stack.api_url, "secret": SECRET_OF_PROXY});
        let mut proxy = node("proxy.mjs", &[], &input).await;
        let mut lines = BufReader::new(proxy.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().unwrap();
        Self { http: reqwest::Client::new(), address, cookie: None, _proxy: proxy }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.address)).header("origin", AUTH_JS_ORIGIN);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Shows a code of the second factor: from then on our own cookie comes beside the front end's.
    async fn step_up(&mut self, code: &str) {
        let cookie = self.cookie.clone().unwrap();
        let shown = self.http.post(format!("{}/api/auth/mfa/verify", self.address)).header("origin", AUTH_JS_ORIGIN);
        let shown = shown.header("cookie", &cookie).json(&json!({"code": code})).send().await.unwrap();
        let set = shown.headers()["set-cookie"].to_str().unwrap().to_owned();
        self.cookie = Some(format!("{cookie}; {}", set.split(';').next().unwrap()));
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }
}

fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} is not in {value}");
    }
}

#[tokio::test]
async fn every_row_of_the_contract_holds_through_the_proxy() {
    let stack = stack();
    stack.forget_rates().await;
    let mut page = Page::open(&stack).await;
    nobody_signed_in(&page).await;
    let (root, code) = callers::super_admin_with_code(&stack).await;
    page.cookie = Some(cookie(json!({"sub": root.id})).await);
    a_prompt_and_figures_without_a_step_up(&page).await;
    let without = page.cookie.clone();
    page.step_up(&code).await;
    let tool = what_administrators_do(&page).await;
    page.cookie = without;
    the_key_manager(&page, &root.token).await;

    // What is the front end's stays there.
    for path in [
        "/api/auth/session",
        "/api/auth/csrf",
        "/api/prompts/favorites",
        "/api/prompts/metrics",
        "/api/v2/users",
        "/api/chat",
    ] {
        assert_eq!(page.get(path).await.1, json!("the front end"), "{path}");
    }
    let links = stack.database().await.collection::<Document>("affiliate_links");
    assert_eq!(links.delete_one(doc! {"tool": tool}).await.unwrap().deleted_count, 1);
    stack.forget_rates().await;
}

async fn nobody_signed_in(page: &Page) {
    let (status, list) = page.get("/api/prompts?category=debugging&role=engineer&limit=3").await;
    assert!(status == 200 && list["prompts"].is_array(), "{list}");
    let (status, list) = page.get("/api/prompts?limit=200").await;
    let prompts = list["prompts"].as_array().unwrap();
    assert_eq!((status, prompts.len(), &list["page"]), (200, 200, &json!(1)), "as the review script reads it");
    assert!(prompts.iter().all(|prompt| prompt["content"].as_str().is_some_and(|content| !content.is_empty())));
    let id = starter_prompt();
    assert_eq!(page.call(Method::POST, &format!("/api/prompts/{id}/view"), None).await.0, 202);
    let (status, stats) = page.get("/api/stats").await;
    assert!(status == 200 && stats["prompts"]["total"].is_u64() && stats["patterns"]["total"].is_u64(), "{stats}");
    let event = json!({"promptId": id, "event": "favorite"});
    let (status, taken) = page.post("/api/analytics/track", &event).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(1)), "{taken}");
    let (status, refused) = page.post("/api/analytics/track", &json!({"promptId": id})).await;
    assert_eq!((status, &refused["errors"][0]["field"]), (422, &json!("event")), "{refused}");
    assert_eq!(refused["error"], refused["detail"], "where the front end looks for it");
    let (status, revisions) = page.get(&format!("/api/prompts/{id}/revisions")).await;
    assert!(status == 200 && revisions["revisions"].is_array() && revisions["currentRevision"].is_i64(), "{revisions}");
    let (status, audit) = page.get(&format!("/api/prompts/{id}/audit")).await;
    assert!(status == 200 && audit["hasAudit"].is_boolean(), "{audit}");
    let email = format!("{}@example.com", object_id());
    let sign_up = json!({"name": "Ada", "email": email, "password": PASSWORD});
    let (status, answer) = page.post("/api/auth/signup", &sign_up).await;
    assert_eq!((status, &answer["success"]), (202, &json!(true)), "{answer}");
    let (status, answer) = page.post("/api/auth/signup", &json!({"name": "", "email": "x", "password": "y"})).await;
    assert!(status == 422 && answer["error"].is_string(), "{answer}");
    let (status, answer) = page.post("/api/auth/forgot-password", &json!({"email": email})).await;
    assert_eq!((status, &answer["success"]), (202, &json!(true)), "{answer}");
    let report = json!({
        "intent": "Copy", "description": format!("Nothing happens at all: {email}"), "pageUrl": "https://app.example.com/",
        "selector": "#copy", "elementText": "Copy", "elementSize": "120x40px", "userAgent": "an extension",
        "timestamp": "2026-11-22T12:00:00.000Z",
    });
    let (status, answer) = page.post("/api/bug-reports", &report).await;
    assert_eq!((status, &answer["success"]), (201, &json!(true)), "{answer}");
    assert_eq!(answer["elementSize"], json!({"width": 120.0, "height": 40.0}));
}

async fn a_prompt_and_figures_without_a_step_up(page: &Page) {
    let id = starter_prompt();
    let (_, prompt) = page.get(&format!("/api/prompts/{id}")).await;
    let collected = json!({
        "promptId": id, "originalPromptId": id, "title": "Mine", "content": "As I say.", "originalContent": prompt["content"],
    });
    let (status, kept) = page.post("/api/prompts/collections", &collected).await;
    assert_eq!(status, 201, "{kept}");
    let (status, figures) = page.get("/api/user-stats").await;
    assert_eq!((status, &figures["success"]), (200, &json!(true)), "{figures}");
    has(&figures["data"], &["daysLoggedIn", "totalSessions", "lastLoginDate", "streak"]);
    assert_eq!(figures["data"]["streak"], 1, "it notes the day");
    // What administrators alone may do takes the factor, shown to us.
    for path in ["/api/admin/affiliate-links", "/api/admin/audit"] {
        let (status, refused) = page.get(path).await;
        assert_eq!((status, &refused["code"]), (403, &json!("mfa_required")), "{path}: {refused}");
    }
}

/// Tells the tool of the affiliate link that they make.
async fn what_administrators_do(page: &Page) -> String {
    let id = starter_prompt();
    let audited = json!({"auditType": "full", "overallScore": 7.5, "categoryScores": {"completeness": 8}});
    assert_eq!(page.post(&format!("/api/prompts/{id}/audit"), &audited).await.0, 201);
    let (_, audit) = page.get(&format!("/api/prompts/{id}/audit")).await;
    has(&audit["auditResult"], &["auditVersion", "auditDate", "overallScore", "categoryScores"]);

    let tool = format!("tool {}", object_id());
    let link = json!({"type": "link", "data": {
        "tool": tool, "baseUrl": "https://tool.example/", "referralUrl": "https://tool.example/?ref=us",
        "affiliateCode": "us", "commission": "20 %", "status": "active", "notes": "",
    }});
    assert_eq!(page.post("/api/admin/affiliate-links", &link).await.0, 200);
    let (_, listing) = page.get("/api/admin/affiliate-links").await;
    let row = listing["links"].as_array().unwrap().iter().find(|row| row["tool"] == tool.as_str()).unwrap();
    has(row, &["_id", "tool", "baseUrl", "referralUrl", "affiliateCode", "commission", "status", "notes"]);
    has(row, &["clickCount", "conversionCount", "lastClickAt"]);
    let (status, again) = page.post("/api/admin/affiliate-links", &json!({"type": "link", "data": row})).await;
    assert_eq!((status, &again["_id"]), (200, &row["_id"]), "the whole row as it was read: {again}");
    let (status, log) =
        page.get("/api/admin/audit?page=1&eventCategory=admin&success=true&startDate=2026-01-01&endDate=").await;
    assert_eq!((status, &log["success"]), (200, &json!(true)), "{log}");
    assert!(log["data"].as_array().is_some_and(|rows| !rows.is_empty()), "{log}");
    has(&log["pagination"], &["page", "limit", "total", "totalPages"]);
    tool
}

/// Keeping a key takes what was shown lately: here the token of the second factor.
async fn the_key_manager(page: &Page, token: &str) {
    let key = json!({
        "provider": "openai", "keyName": "Main", "apiKey": "0123456789abcdef", "allowedModels": ["gpt-4o"],
        "monthlyUsageLimit": 5,
    });
    let (status, refused) = page.post("/api/v2/users/api-keys", &key).await;
    assert!(status == 403 && refused["error"].is_string(), "{refused}");
    let kept = page.http.post(format!("{}/api/v2/users/api-keys", page.address)).bearer_auth(token).json(&key);
    assert_eq!(kept.send().await.unwrap().status(), 201);
    let (_, keys) = page.get("/api/v2/users/api-keys").await;
    let kept = &keys["keys"][0];
    has(kept, &["_id", "provider", "keyName", "isActive", "createdAt", "usageCount", "monthlyUsageLimit"]);
    has(kept, &["monthlyUsageCount", "allowedModels", "expiresAt"]);
    let (status, usage) = page.get("/api/v2/users/api-keys/usage?period=weekly&provider=openai").await;
    assert_eq!(status, 200, "{usage}");
    has(&usage["summary"], &["userId", "keyId", "provider", "period", "startDate", "endDate", "totalRequests"]);
    has(
        &usage["summary"],
        &["totalTokens", "totalCost", "averageResponseTime", "successRate", "errorCount", "rateLimitHits"],
    );
    let of_key = format!("/api/v2/users/api-keys/{}", kept["_id"].as_str().unwrap());
    let (status, revoked) = page.post(&format!("{of_key}/revoke"), &json!({})).await;
    assert_eq!(status, 200, "{revoked}");
}

#[tokio::test]
async fn auth_js_signs_in_with_the_shipped_change_and_a_new_password_ends_its_sessions() {
    let stack = stack();
    stack.forget_rates().await;
    let mut page = Page::open(&stack).await;
    let ada = callers::sign_up(&stack).await;
    let email = ada["email"].as_str().unwrap();
    let sign_in_with = async |password: &str, code: Option<&str>| {
        let input = json!({
            "secret": AUTH_JS_SECRET, "cookie": AUTH_JS_COOKIE, "email": email, "password": password, "code": code,
        });
        told(node("sign-in.mjs", &[("API_URL", stack.api_url.as_str())], &input).await).await
    };
    let sign_in = async |password: &str| sign_in_with(password, None).await;
    assert_eq!(sign_in("Wrong1234-green-kettle").await, json!({"error": "refused"}));
    let session = sign_in(PASSWORD).await;
    page.cookie = Some(session["cookie"].as_str().unwrap().to_owned());
    let (status, stats) = page.get("/api/user/stats").await;
    assert_eq!((status, &stats["user"]["email"]), (200, &json!(email)), "{stats}");

    assert_eq!(page.post("/api/auth/forgot-password", &json!({"email": email})).await.0, 202);
    let mail = tests::eventually("the link", 60, async || {
        stack
            .sent_to(email)
            .await
            .into_iter()
            .find(|mail| mail["Subject"].as_str().is_some_and(|text| text.contains("password")))
    })
    .await;
    let reset = json!({"token": token_of(&mail), "password": ANOTHER_PASSWORD});
    let (status, answer) = page.post("/api/auth/reset-password", &reset).await;
    assert!(status < 300, "{answer}");
    // In force within half a minute, in whatever environment.
    tests::eventually("the old session is refused", 60, async || {
        // Within the account's limit of requests.
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        (page.get("/api/user/stats").await.0 == 401).then_some(())
    })
    .await;
    page.cookie = Some(sign_in(ANOTHER_PASSWORD).await["cookie"].as_str().unwrap().to_owned());
    assert_eq!(page.get("/api/user/stats").await.0, 200);

    // With a factor by mail, the first try sends the code, and the second brings it.
    let users = stack.database().await.collection::<Document>("users");
    let factor = doc! {"$set": {"mfa.method": "email"}};
    users.update_one(doc! {"email": email}, factor).await.unwrap();
    assert_eq!(sign_in(ANOTHER_PASSWORD).await, json!({"error": "refused"}));
    let code = tests::eventually("the code", 60, async || {
        let mails = stack.sent_to(email).await;
        let text =
            mails.iter().find(|mail| mail["Subject"].as_str().is_some_and(|text| text.contains("sign-in code")))?;
        let words = text["BodyText"].as_str()?.split(|c: char| !c.is_ascii_digit());
        words.into_iter().find(|word| word.len() == 6).map(str::to_owned)
    })
    .await;
    keep_secret(&code);
    assert!(sign_in_with(ANOTHER_PASSWORD, Some(&code)).await["cookie"].is_string());
    stack.forget_rates().await;
}

#[test]
fn the_table_of_paths_is_the_templates_and_the_old_routes() {
    let table = rewrites::table().unwrap();
    let before = table.iter().filter(|route| matches!(route.side, Side::Ours | Side::Theirs));
    assert_eq!(before.count(), 110, "routes of the application before");
    let mut listed: Vec<String> = table
        .iter()
        .filter(|route| route.side != Side::Theirs)
        .flat_map(|route| route.methods.iter().map(move |method| format!("{method} {}", route.path)))
        .filter(|route| !route.starts_with("OPTIONS "))
        .collect();
    let mut deployed: Vec<String> = functions().into_iter().flat_map(|function| function.routes).collect();
    listed.sort();
    deployed.sort();
    assert_eq!(listed, deployed);
    for route in table.iter().filter(|route| route.path.starts_with("/api/auth/") && route.comes_here()) {
        let first = route.path.split('/').nth(3).unwrap();
        let of_auth_js =
            ["providers", "csrf", "callback", "signin", "signout", "session", "error", "_log", "verify-request"];
        assert!(!of_auth_js.contains(&first), "{} is Auth.js's", route.path);
    }
}

#[tokio::test]
async fn a_service_key_uses_the_keys_of_those_it_acts_for_within_their_limits() {
    let env = TestEnv::new().await;
    let boss = env.person(Role::OrgAdmin, Some("ours")).await;
    let (ada, eve) =
        (env.person(Role::OrgMember, Some("ours")).await, env.person(Role::OrgMember, Some("theirs")).await);
    let (keys, vault, intake) =
        (env.function("api-keys").await, env.function("provider-keys").await, env.function("ai-usage").await);
    let scopes = json!({"name": "server", "scopes": ["service:provider-keys", "service:usage"]});
    assert_eq!(keys.post_as(&ada.token, "/api/api-keys", &scopes).await.status, 403, "not an administrator's to give");
    let service = keys.post_as(&boss.token, "/api/api-keys", &scopes).await;
    assert_eq!(service.status, 201, "{}", service.text);
    let service = service.body["key"].as_str().unwrap().to_owned();
    tests::host::told_once(&service);
    let secret = "a-secret-of-openai-0123456789";
    for person in [&ada, &eve] {
        let key = json!({
            "provider": "openai", "name": "k", "apiKey": secret, "allowedModels": ["gpt-4o"], "monthlyUsageLimit": 2,
        });
        assert_eq!(vault.post_as(&person.token, "/api/provider-keys", &key).await.status, 201);
    }
    let ask = async |bearer: &str, who: &str, model: &str| {
        let wanted = json!({"userId": who, "provider": "openai", "model": model});
        vault.post_as(bearer, "/api/provider-keys/use", &wanted).await
    };
    for bearer in [&boss.token, &ada.token] {
        assert_eq!(ask(bearer, &ada.id, "gpt-4o").await.status, 403, "nobody in person");
    }
    assert_eq!(ask(&service, &eve.id, "gpt-4o").await.status, 404, "another organisation's");
    let refused = ask(&service, &ada.id, "gpt-4").await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("model_not_allowed")), "{}", refused.text);
    let opened = ask(&service, &ada.id, "gpt-4o").await;
    assert_eq!((opened.status, &opened.body["apiKey"]), (200, &json!(secret)), "{}", opened.text);
    assert_eq!(opened.header("cache-control"), "no-store");
    assert_eq!(ask(&service, &ada.id, "GPT-4o").await.status, 200);
    let refused = ask(&service, &ada.id, "gpt-4o").await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")), "{}", refused.text);
    let listed = vault.get_as(&ada.token, "/api/v2/users/api-keys").await;
    assert_eq!(
        (&listed.body["keys"][0]["usageCount"], &listed.body["keys"][0]["monthlyUsageCount"]),
        (&json!(2), &json!(2))
    );

    let usage = json!({"userId": ada.id, "providerKeyId": opened.body["keyId"], "records": [{
        "provider": "openai", "model": "gpt-4o", "promptTokens": 1000, "completionTokens": 100, "latencyMs": 200, "success": true,
    }]});
    let report = async |bearer: &str, body: &Value| intake.post_as(bearer, "/api/ai/usage", body).await.status;
    assert_eq!(report(&service, &usage).await, 202);
    assert_eq!(report(&boss.token, &usage).await, 403);
    let mut of_eve = usage.clone();
    of_eve["userId"] = json!(eve.id);
    assert_eq!(report(&service, &of_eve).await, 404);
    env.users().update_one(doc! {"_id": &boss.id}, doc! {"$set": {"role": "org_member"}}).await.unwrap();
    env.forget(&boss.id).await;
    let vault = env.function("provider-keys").await;
    let wanted = json!({"userId": ada.id, "provider": "openai", "model": "gpt-4o"});
    let demoted = vault.post_as(&service, "/api/provider-keys/use", &wanted).await;
    assert_eq!(demoted.status, 403, "no administrator's any more: {}", demoted.text);
}
