//! `cargo local bench [functions] [cold-starts] [host] [memory] [requests] [consumer] [connections] [contention] [storage]
//! [secrets]`: figures of the release build on this machine. Compare ratios within one run: machines differ, and are
//! noisy.
//!
//! `connections` drives the deployed stack, which is the local build, and `storage` needs none: they count.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

mod chart;
mod cold_starts;
mod connections;
mod consumer;
mod contention;
mod functions;
mod host;
mod memory;
mod real_users;
mod requests;
mod secrets;
mod service_times;
mod storage;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use local::deploy::SENDER_EMAIL;
use serde_json::{Value, json};
use tests::{
    content::audit_sized_prompts,
    cpu_share::CpuShare,
    host::{Function, Outcome},
    requests::Call,
    root,
    test_env::{PASSWORD, Person, TestEnv},
};

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench::new().await;
    let all = [
        "functions",
        "cold-starts",
        "host",
        "memory",
        "requests",
        "consumer",
        "connections",
        "contention",
        "storage",
        "secrets",
    ];
    for what in all {
        match what {
            _ if !wanted.is_empty() && !wanted.iter().any(|name| name == what) => {}
            "functions" => functions::print(&bench).await,
            "cold-starts" => cold_starts::print(&bench).await,
            "host" => host::print(&built()).await,
            "memory" => memory::print(&built()).await,
            "requests" => requests::print(&bench).await,
            "consumer" => consumer::print(&bench).await,
            "connections" => connections::print(&bench).await,
            "contention" => contention::print(&bench).await,
            "storage" => storage::print().await,
            _ => secrets::print(&bench, &built()).await,
        }
    }
}

/// Functions of the release build, on a database of their own and content of the audit's size.
struct Bench {
    env: TestEnv,
    content: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let content = tempfile::tempdir().unwrap();
        std::fs::write(content.path().join("prompts.json"), audit_sized_prompts().to_string()).unwrap();
        Self { env: TestEnv::new().await, content }
    }

    /// Starts an environment; what `more` says counts instead of the settings that all have.
    async fn start(&self, name: &str, more: &[(&str, &str)]) -> Function {
        let content = self.content_url();
        Function::start_binary(&folder(name).join("bootstrap"), name, &self.variables(&content, more)).await
    }

    /// Starts an environment of some build on a share of a processor.
    async fn start_with_share(&self, binary: &Path, name: &str, share: &CpuShare, more: &[(&str, &str)]) -> Function {
        let content = self.content_url();
        Function::start_on(share, &[binary], name, &self.variables(&content, more)).await
    }

    fn content_url(&self) -> String {
        format!("file://{}", self.content.path().display())
    }

    fn variables<'a>(&'a self, content: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut variables = self.env.variables();
        variables.extend([("CONTENT_URL", content), ("AUDIT_DIGESTS_URL", content), ("SENDER_EMAIL", SENDER_EMAIL)]);
        variables.extend(more);
        variables
    }
}

/// Where the builds lie that `host`, `memory` and `secrets` start: the release build, or what `BENCH_BUILD` names.
fn built() -> PathBuf {
    std::env::var_os("BENCH_BUILD").map_or_else(|| root().join("target/bench"), PathBuf::from)
}

/// Where the release build of a function lies, with its zip.
fn folder(name: &str) -> PathBuf {
    root().join("target/bench").join(name)
}

/// How long the function had one request, which it answered well.
async fn answered(function: &Function, call: &Call) -> Duration {
    let outcome = function.invoke(call.event()).await;
    let Outcome::Response(answer) = &outcome else { panic!("{call:?}: {outcome:?}") };
    assert!(matches!(answer["statusCode"].as_u64(), Some(200..300)), "{call:?}: {answer}");
    function.took()
}

fn get(who: &Person, path: &str) -> Call {
    Call::new("GET", path, Value::Null).by(who)
}

fn view(who: &Person) -> Call {
    Call::new("POST", "/api/prompts/prompt-7/view", json!({})).by(who)
}

fn sign_in(who: &Person) -> Call {
    Call::new("POST", "/api/auth/login", json!({"email": who.email, "password": PASSWORD}))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
