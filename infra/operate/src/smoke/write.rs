//! What a test account tells, whose password is known: sign-in, and an event that arrives.

use std::{
    env,
    io::{IsTerminal, Write, stderr, stdin},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::api::{Answer, Api, expect};
use crate::table::{Finding, Table, Trouble, fault, skipped};

/// The variables that hold the account.
const EMAIL: &str = "SMOKE_EMAIL";
const PASSWORD: &str = "SMOKE_PASSWORD";
/// The consumer waits for more for half a minute, and a cold start comes before.
const ARRIVES_WITHIN: Duration = Duration::from_mins(2);
/// Under which the event is recorded: nothing has a price.
const MODEL: &str = "smoke-test";

/// A test account, without a second factor.
pub struct Account {
    email: String,
    /// Never printed: the type has no `Debug`.
    password: String,
}

impl Account {
    pub fn new(email: &str, password: &str) -> Self {
        Self { email: email.to_owned(), password: password.to_owned() }
    }

    /// From the variables, else from who sits at the terminal; never from arguments, which other processes see.
    pub fn from_env_or_terminal() -> anyhow::Result<Self> {
        let email = given(EMAIL, || asked("e-mail address of the test account: "))?;
        let password = given(PASSWORD, || hidden("its password: "))?;
        Ok(Self { email, password })
    }
}

fn given(variable: &str, ask: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    if let Ok(value) = env::var(variable) {
        ensure!(!value.is_empty(), "{variable} is empty");
        return Ok(value);
    }
    ensure!(stdin().is_terminal(), "--write needs a test account: set {EMAIL} and {PASSWORD}");
    ask()
}

fn asked(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}");
    stderr().flush()?;
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    ensure!(!line.is_empty(), "nothing was entered");
    Ok(line.to_owned())
}

/// As [`asked`], and the terminal does not show it.
fn hidden(prompt: &str) -> anyhow::Result<String> {
    let terminal = |setting: &str| std::process::Command::new("stty").arg(setting).status();
    let is_hidden = terminal("-echo").is_ok_and(|status| status.success());
    ensure!(is_hidden, "the terminal cannot hide a password: set {PASSWORD}");
    let line = asked(prompt);
    terminal("echo").context("the terminal stays without echo: `stty echo` ends that")?;
    eprintln!();
    line
}

/// Signs in, reads and records something, signs out.
pub(super) async fn check(api: &Api, account: &Account) -> Table {
    let mut table = Table::default();
    let tokens = match sign_in(api, account).await {
        Ok(tokens) => tokens,
        Err(trouble) => {
            table.add("sign-in", Err(trouble));
            return table;
        }
    };
    table.add("sign-in", Ok("by password".into()));
    let bearer = format!("Bearer {}", tokens["accessToken"].as_str().unwrap_or_default());
    table.add("session", session(api, &bearer, &account.email).await);
    table.add("an event arrives", event(api, &bearer).await);
    table.add("refresh and sign-out", sign_out(api, &tokens).await);
    table
}

async fn sign_in(api: &Api, account: &Account) -> Result<Value, Trouble> {
    let body = json!({"email": account.email, "password": account.password});
    let answer = api.send(Method::POST, "/api/auth/login", &[], Some(&body)).await?;
    let remedy = match answer.status {
        401 => format!("{EMAIL} and {PASSWORD} are not of an account here: make one for this, and prove its address"),
        429 => "wait: too many attempts failed before".into(),
        _ => "look at the log of auth-login".into(),
    };
    let tokens = expect(answer, StatusCode::OK, &remedy)?.json();
    if tokens["mfaRequired"] == true {
        return Err(skipped("the account has a second factor: use one without"));
    }
    if !tokens["accessToken"].is_string() {
        return Err(fault("200 without a token", "look at the log of auth-login"));
    }
    Ok(tokens)
}

async fn session(api: &Api, bearer: &str, email: &str) -> Finding {
    let answer = api.send(Method::GET, "/api/auth/session", &[("authorization", bearer)], None).await?;
    let answer = expect(
        answer,
        StatusCode::OK,
        "look at the log of auth-session: does it have the signing seed of auth-login?",
    )?;
    if !answer.text.to_lowercase().contains(&email.to_lowercase()) {
        return Err(fault("it is somebody else's", "look at the log of auth-session"));
    }
    Ok("the account's own".into())
}

/// A use of no tokens goes through the queue into the database, and is added up.
async fn event(api: &Api, bearer: &str) -> Finding {
    let before = recorded(api, bearer).await?;
    let record = json!({
        "id": uuid::Uuid::now_v7(), "provider": MODEL, "model": MODEL, "promptTokens": 0, "completionTokens": 0,
        "latencyMs": 0, "success": true, "billed": false,
    });
    let headers = [("authorization", bearer)];
    let sent = api.send(Method::POST, "/api/ai/usage", &headers, Some(&json!({"records": [record]}))).await?;
    expect(sent, StatusCode::ACCEPTED, "look at the log of ai-usage: can it send to the events queue?")?;
    let started = Instant::now();
    while started.elapsed() < ARRIVES_WITHIN {
        if recorded(api, bearer).await? > before {
            return Ok(format!("within {} s", started.elapsed().as_secs() + 1));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Err(fault(
        format!("not within {} s", ARRIVES_WITHIN.as_secs()),
        "look at the log of write-events, and at the events queue and its dead-letter queue",
    ))
}

/// Uses that were recorded for it so far.
async fn recorded(api: &Api, bearer: &str) -> Result<u64, Trouble> {
    let answer = api.send(Method::GET, "/api/ai/usage?groupBy=model", &[("authorization", bearer)], None).await?;
    let answer: Answer = expect(answer, StatusCode::OK, "look at the log of ai-usage-summary")?;
    let body = answer.json();
    let groups = body["groups"].as_array().cloned().unwrap_or_default();
    Ok(groups.iter().find(|group| group["name"] == MODEL).and_then(|group| group["requests"].as_u64()).unwrap_or(0))
}

async fn sign_out(api: &Api, tokens: &Value) -> Finding {
    let look = "look at the log of auth-session";
    let refreshed = api
        .send(Method::POST, "/api/auth/refresh", &[], Some(&json!({"refreshToken": tokens["refreshToken"]})))
        .await?;
    let tokens = expect(refreshed, StatusCode::OK, look)?.json();
    let bearer = format!("Bearer {}", tokens["accessToken"].as_str().unwrap_or_default());
    let body = json!({"refreshToken": tokens["refreshToken"]});
    let out = api.send(Method::POST, "/api/auth/logout", &[("authorization", &bearer)], Some(&body)).await?;
    if !(200..300).contains(&out.status) {
        return Err(fault(out.described(), look));
    }
    let again = api.send(Method::POST, "/api/auth/refresh", &[], Some(&body)).await?;
    if again.status != 401 {
        return Err(fault(format!("a session that was ended is refreshed: {}", again.described()), look));
    }
    Ok("the session has ended".into())
}
