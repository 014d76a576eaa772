//! Requests, as the runtime sees them: the first of an environment, warm ones, what they cost in CPU time, memory
//! and sockets.

use std::time::Duration;

use serde_json::json;
use shared::roles::Role;
use tests::{
    figures::{direct_uri, percentile},
    host::Function,
    http_event::Answer,
    proxy::Proxy,
    test_env::{PASSWORD, Person, newcomer},
};

use super::{Bench, millis, timed};

/// As many as no limit refuses, each account and each environment's address having its own.
const REQUESTS: usize = 1000;
const PEOPLE: usize = 20;
const SIGN_INS: usize = 40;
const VIEWS: usize = 50;
/// The longest that a search over the audit's 296 prompts may take, but for one in a hundred.
const SEARCH: Duration = Duration::from_millis(5);

pub(crate) async fn print(bench: &Bench) {
    println!(
        "\n| request | first, ms | warm p50, ms | p99, ms | CPU, ms | memory, MB | sockets to MongoDB |\n|---|---|---|---|---|---|---|"
    );
    let get = async |function: &Function, path: &str| function.get(path).await;
    row(bench, "minimal", "a function that does nothing", REQUESTS, async |function, _| get(function, "/").await).await;
    row(bench, "prompts", "`GET /api/prompts`", REQUESTS, async |function, _| get(function, "/api/prompts").await)
        .await;
    let search = "/api/prompts?search=vec%3Cstring%3E%20number&limit=100";
    let label = "… `?search=vec<string> number&limit=100`, over 296 prompts";
    let searched = row(bench, "prompts", label, REQUESTS, async |function, _| get(function, search).await).await;
    row(bench, "prompt", "`GET /api/prompts/prompt-7`", REQUESTS, async |function, _| {
        get(function, "/api/prompts/prompt-7").await
    })
    .await;
    row(bench, "prompt-view", "`POST /api/prompts/prompt-7/view` (SQS)", VIEWS, async |function, _| {
        function.post("/api/prompts/prompt-7/view", &json!({})).await
    })
    .await;
    row(bench, "stats", "`GET /api/stats`", REQUESTS, async |function, _| get(function, "/api/stats").await).await;

    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(bench.env.person(Role::User, None).await);
    }
    let person = |n: usize| -> &Person { &people[n % PEOPLE] };
    row(bench, "auth-session", "`GET /api/auth/session`: who is calling", REQUESTS, async |function, n| {
        function.get_as(&person(n).token, "/api/auth/session").await
    })
    .await;
    row(bench, "usage-alerts", "`GET /api/usage-alerts`: from MongoDB", REQUESTS, async |function, n| {
        function.get_as(&person(n).token, "/api/usage-alerts").await
    })
    .await;
    let ada = newcomer();
    bench.start("auth-signup", &[]).await.post("/api/auth/signup", &ada).await;
    let right = json!({"email": ada["email"], "password": PASSWORD});
    row(bench, "auth-login", "`POST /api/auth/login`", SIGN_INS, async |function, _| {
        function.post("/api/auth/login", &right).await
    })
    .await;
    println!("\nsearch over 296 prompts: p99 {:.2} ms, at most {SEARCH:?} allowed", millis(searched));
    assert!(searched <= SEARCH, "a search took {searched:?}");
}

/// Prints a row; returns the time within which 99 of 100 requests are answered.
async fn row(
    bench: &Bench,
    name: &str,
    label: &str,
    requests: usize,
    send: impl AsyncFn(&Function, usize) -> Answer,
) -> Duration {
    let proxy = Proxy::to(bench.env.stack.mongodb_address()).await;
    let function = bench.start(name, &[("MONGODB_URI", &direct_uri(&proxy))]).await;
    let first = timed(&function, send(&function, 0)).await;
    let before = cpu(&function);
    let (mut warm, mut sockets) = (Vec::new(), 0);
    for n in 1..=requests {
        warm.push(timed(&function, send(&function, n)).await);
        sockets = sockets.max(proxy.open());
    }
    let spent = cpu(&function).saturating_sub(before) / u32::try_from(requests).unwrap();
    let (p50, p99) = (percentile(&mut warm, 50), percentile(&mut warm, 99));
    println!(
        "| {label} | {:.1} | {:.2} | {:.2} | {:.2} | {} | {sockets} |",
        millis(first),
        millis(p50),
        millis(p99),
        millis(spent),
        function.peak_memory_mb(),
    );
    p99
}

/// CPU time that the environment has used, all threads together.
pub(crate) fn cpu(function: &Function) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{}/task", function.pid())).unwrap();
    let nanoseconds = threads.map(|thread| {
        let times = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        times.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanoseconds.sum())
}
