//! What a function costs: its zip, its start, its first and its later requests, memory and sockets.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    host::{Function, Outcome},
    proxy::Proxy,
    requests::is_answer,
    test_env::TestEnv,
};

/// Nobody listens there.
pub const AWAY: &str = "mongodb://127.0.0.1:1/?directConnection=true";

/// A function's figures.
#[derive(Debug)]
pub struct Figures {
    pub zip_kb: u64,
    /// From its start to its first request for work.
    pub ready: Duration,
    /// An environment's first request.
    pub first: Duration,
    /// The same, while MongoDB is away; `None` for a function without a database.
    pub away: Option<Duration>,
    pub p50: Duration,
    pub p99: Duration,
    /// At most, all these requests included.
    pub memory_mb: u64,
    /// Sockets to MongoDB that the first request opened.
    pub opened: usize,
    /// Sockets to MongoDB that are open when all is done.
    pub kept: usize,
}

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    pub starts: usize,
    /// After the first.
    pub requests: usize,
}

/// Measures the function that `start` starts, by its requests in their order.
pub async fn measure(
    env: &TestEnv,
    zip: &Path,
    effort: Effort,
    start: impl AsyncFn(&[(&str, &str)]) -> Function,
    has_database: bool,
    request: impl Fn(usize) -> Value,
) -> Figures {
    // Whatever the cache knows of anybody.
    env.forget_everything().await;
    let mut ready = Vec::new();
    for _ in 0..effort.starts {
        ready.push(start(&[]).await.init);
    }
    let proxy = Proxy::to(env.stack.mongodb_address()).await;
    let function = start(&[("MONGODB_URI", &proxy.uri())]).await;
    let first = answered(&function, request(0)).await;
    let opened = proxy.total();
    let mut later = Vec::new();
    for n in 1..=effort.requests {
        later.push(answered(&function, request(n)).await);
    }
    // The proxy learns a little later of what was closed.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (kept, memory_mb) = (proxy.open(), function.peak_memory_mb());
    let mut away = None;
    if has_database {
        env.forget_everything().await;
        let function = start(&[("MONGODB_URI", AWAY)]).await;
        let started = Instant::now();
        // An answer or an error: how long its caller waits is what counts.
        function.invoke(request(effort.requests + 1)).await;
        away = Some(started.elapsed());
    }
    Figures {
        zip_kb: std::fs::metadata(zip).unwrap().len() / 1000,
        ready: percentile(&mut ready, 50),
        first,
        away,
        p50: percentile(&mut later, 50),
        p99: percentile(&mut later, 99),
        memory_mb,
        opened,
        kept,
    }
}

/// How long the function had the request, which it answered well.
pub async fn answered(function: &Function, request: Value) -> Duration {
    let outcome = function.invoke(request).await;
    let Outcome::Response(answer) = &outcome else { panic!("{outcome:?}: {:?}", function.logs()) };
    assert!(answer["statusCode"].as_u64().is_none_or(is_answer), "{answer}: {:?}", function.logs());
    function.took()
}

pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}
