//! What the deployed functions have written into their logs by the time that all other tests are over.

use serde_json::{Value, json};
use tests::{
    callers::sign_up,
    eventually,
    host::{holds_no_secret, keep_secret},
    stack::stack,
    test_env::{ANOTHER_PASSWORD, PASSWORD, number, token_of},
};

#[tokio::test]
async fn the_deployed_stacks_logs_hold_no_secret() {
    let stack = stack();
    let client = reqwest::Client::new();
    let post = async |path: &str, token: &str, body: Value| -> Value {
        let request = client.post(format!("{}{path}", stack.api_url)).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap_or_default()
    };
    let secret = |answer: &Value, field: &str| {
        let text = answer[field].as_str().unwrap_or_else(|| panic!("no {field}")).to_owned();
        keep_secret(&text);
        text
    };
    let sent = async |to: &str| {
        let sent = eventually("what is sent", 60, async || stack.sent_to(to).await.into_iter().next()).await;
        sent["BodyText"].as_str().or(sent["Message"].as_str()).unwrap().to_owned()
    };
    let (ada, number) = (sign_up(&stack).await, number());
    let email = ada["email"].as_str().unwrap();
    let tokens = post("/api/auth/login", "", json!({"email": email, "password": PASSWORD})).await;
    let (token, _) = (secret(&tokens, "accessToken"), secret(&tokens, "refreshToken"));
    let fresh = post("/api/auth/refresh", "", json!({"refreshToken": tokens["refreshToken"]})).await;
    secret(&fresh, "refreshToken");
    let key = json!({"name": "k", "scopes": ["usage:read"]});
    secret(&post("/api/api-keys", &token, key).await, "key");
    let kept = "a-provider-gave-me-this";
    keep_secret(kept);
    post("/api/provider-keys", &token, json!({"provider": "groq", "name": "k", "apiKey": kept})).await;

    let factor = json!({"method": "sms", "phoneNumber": number, "password": PASSWORD});
    post("/api/auth/mfa/enable", &token, factor).await;
    let text = sent(&number).await;
    let code = text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap();
    keep_secret(code);
    let enabled = post("/api/auth/mfa/verify", &token, json!({"code": code})).await;
    for recovery in enabled["recoveryCodes"].as_array().unwrap() {
        keep_secret(recovery.as_str().unwrap());
    }
    let waiting = post("/api/auth/login", "", json!({"email": email, "password": PASSWORD})).await;
    let challenge = secret(&waiting, "challenge");
    post("/api/auth/mfa/verify", "", json!({"challenge": challenge, "code": enabled["recoveryCodes"][0]})).await;

    post("/api/auth/forgot-password", "", json!({"email": email})).await;
    let link = eventually("the link", 60, async || {
        let mails = stack.sent_to(email).await;
        let mail = mails.iter().find(|mail| mail["Subject"] == "Choose a new password")?;
        Some(token_of(mail))
    })
    .await;
    let token = link.as_str();
    keep_secret(token);
    keep_secret(ANOTHER_PASSWORD);
    post("/api/auth/reset-password", "", json!({"token": token, "password": ANOTHER_PASSWORD})).await;

    let paths = ["/api/auth/login", "/api/auth/mfa/verify", "/api/auth/reset-password", "/api/provider-keys"];
    let lines = eventually("a line of each request", 60, async || {
        let lines = stack.log_lines();
        paths.iter().all(|path| lines.iter().any(|line| line.contains(path))).then_some(lines)
    })
    .await;
    for line in lines {
        holds_no_secret(&line);
    }
}
