//! Requests to the deployed API.

use std::time::Duration;

use anyhow::ensure;
use futures_util::{StreamExt, stream};
use reqwest::{Client, Method, Response, StatusCode, Url, header::HeaderMap, redirect::Policy};
use serde_json::Value;

use crate::table::{Trouble, fault};

/// API Gateway answers within 30 s, come what may.
const PATIENCE: Duration = Duration::from_secs(35);
/// Requests that are on their way at once: fewer than the smallest burst of a route's throttle.
const AT_ONCE: usize = 4;
/// A function's own answers have it; API Gateway's do not.
const REQUEST_ID: &str = "x-request-id";

/// The API at an address.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Whether a function of ours gave it.
    pub fn is_ours(&self) -> bool {
        self.headers.contains_key(REQUEST_ID)
    }

    /// A header's value; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Who answered, and what.
    pub fn described(&self) -> String {
        let who = if self.is_ours() { "a function" } else { "not a function" };
        format!("{} by {who}", self.status)
    }
}

impl Api {
    /// An address with a scheme and a host, and no path.
    pub fn at(address: &str) -> anyhow::Result<Self> {
        let base = address.trim_end_matches('/');
        let url = Url::parse(base)?;
        ensure!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{address} is no web address");
        ensure!(url.username().is_empty() && url.password().is_none(), "the address must hold no password");
        ensure!(url.path() == "/" && url.query().is_none(), "{address} must end with the host");
        // Where a link leads is not ours.
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build()?;
        Ok(Self { client, base: base.to_owned() })
    }

    /// Whether it runs on this machine, at an emulator.
    pub fn is_local(&self) -> bool {
        let host = Url::parse(&self.base).ok().and_then(|url| url.host_str().map(str::to_owned));
        matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"))
    }

    /// Whether nobody on the way can read along.
    pub fn is_encrypted(&self) -> bool {
        self.base.starts_with("https://")
    }

    pub async fn get(&self, path: &str) -> Result<Answer, Trouble> {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        match request.send().await {
            Ok(answer) => read(answer).await,
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Sends what has neither body nor headers, a few at once; a call that API Gateway's throttle refused is sent again.
    pub async fn send_all(&self, calls: Vec<(Method, String)>) -> Vec<(String, Result<Answer, Trouble>)> {
        let answers = calls.into_iter().map(async |(method, path)| {
            let name = format!("{method} {path}");
            for _ in 0..5 {
                let answer = self.send(method.clone(), &path, &[], None).await;
                let is_throttled = |answer: &Answer| !answer.is_ours() && matches!(answer.status, 429 | 503);
                if !answer.as_ref().is_ok_and(is_throttled) {
                    return (name, answer);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            (name, self.send(method, &path, &[], None).await)
        });
        stream::iter(answers).buffered(AT_ONCE).collect().await
    }
}

async fn read(answer: Response) -> Result<Answer, Trouble> {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.map_err(|error| unreachable(&error))?;
    Ok(Answer { status, headers, text })
}

/// The error's last cause says it best, and holds no address with a query.
fn unreachable(error: &reqwest::Error) -> Trouble {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    fault(
        format!("no answer: {cause}"),
        "is the address right (the output ApiUrl of the deploy), and is there a way to it from here?",
    )
}

/// An answer of the wanted status, by a function of ours.
pub(super) fn expect(answer: Answer, status: StatusCode, remedy: &str) -> Result<Answer, Trouble> {
    if answer.status == status.as_u16() && answer.is_ours() {
        return Ok(answer);
    }
    Err(fault(format!("{}, not {} by a function", answer.described(), status.as_u16()), remedy))
}
