//! Requests, as the runtime sees them: the first of an environment, warm ones, what they cost in CPU time, memory
//! and sockets.

use std::time::Duration;

use serde_json::Value;
use shared::roles::Role;
use tests::{
    figures::percentile,
    proxy::Proxy,
    requests::{Call, people},
    test_env::Person,
};

use super::{Bench, answered, get, millis, sign_in, view};

/// As many as no limit refuses, each account having its own.
const REQUESTS: usize = 1000;
const PEOPLE: usize = 20;
/// The longest that a search over the audit's 296 prompts may take, but for one in a hundred.
const SEARCH: Duration = Duration::from_millis(5);

/// A function, what it is asked and how often after the first time.
type Row = (&'static str, &'static str, usize, fn(&Person) -> Call);

const ROWS: [Row; 9] = [
    ("minimal", "a function that does nothing", REQUESTS, |_| Call::new("GET", "/", Value::Null)),
    ("prompts", "`GET /api/prompts`", REQUESTS, |_| Call::new("GET", "/api/prompts", Value::Null)),
    ("prompts", SEARCHED, REQUESTS, |_| {
        Call::new("GET", "/api/prompts?search=vec%3Cstring%3E%20number&limit=100", Value::Null)
    }),
    ("prompt", "`GET /api/prompts/prompt-7`", REQUESTS, |_| Call::new("GET", "/api/prompts/prompt-7", Value::Null)),
    ("prompt-view", "`POST /api/prompts/prompt-7/view` (SQS)", 50, view),
    ("stats", "`GET /api/stats`", REQUESTS, |_| Call::new("GET", "/api/stats", Value::Null)),
    ("auth-session", "`GET /api/auth/session`: who is calling", REQUESTS, |who| get(who, "/api/auth/session")),
    ("usage-alerts", "`GET /api/usage-alerts`: from MongoDB", REQUESTS, |who| get(who, "/api/usage-alerts")),
    ("auth-login", "`POST /api/auth/login`", 40, sign_in),
];
const SEARCHED: &str = "… `?search=vec<string> number&limit=100`, over 296 prompts";

pub(crate) async fn print(bench: &Bench) {
    let people = people(&bench.env, PEOPLE, Role::User).await;
    println!(
        "\n| request | first, ms | warm p50, ms | p99, ms | CPU, ms | memory, MB | sockets to MongoDB |\n|---|---|---|---|---|---|---|"
    );
    for (name, label, requests, call) in ROWS {
        let proxy = Proxy::to(bench.env.stack.mongodb_address()).await;
        let function = bench.start(name, &[("MONGODB_URI", &proxy.uri())]).await;
        let first = answered(&function, &call(&people[0])).await;
        let before = function.cpu();
        let (mut warm, mut sockets) = (Vec::new(), 0);
        for n in 1..=requests {
            warm.push(answered(&function, &call(&people[n % PEOPLE])).await);
            sockets = sockets.max(proxy.open());
        }
        let spent = function.cpu().saturating_sub(before) / u32::try_from(requests).unwrap();
        let (p50, p99) = (percentile(&mut warm, 50), percentile(&mut warm, 99));
        println!(
            "| {label} | {:.1} | {:.2} | {:.2} | {:.2} | {} | {sockets} |",
            millis(first),
            millis(p50),
            millis(p99),
            millis(spent),
            function.peak_memory_mb(),
        );
        assert!(label != SEARCHED || p99 <= SEARCH, "a search took {p99:?}, and {SEARCH:?} are allowed");
    }
}
