//! What the tests stand on: the running stack, a host for single functions, a proxy that fails on
//! request.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::must_use_candidate)]

pub mod callers;
pub mod certificate;
pub mod content;
pub mod cpu_share;
pub mod figures;
pub mod host;
pub mod http_event;
pub mod old_database;
pub mod own_queue;
pub mod proxy;
pub mod replica_set;
pub mod requests;
pub mod saturation;
pub mod simulation;
pub mod stack;
pub mod test_env;
pub mod usage_records;
pub mod wiretap;
pub mod with_users;

pub use local::{root, template};

/// Asks again until the answer is `Some`, for at most `seconds`.
pub async fn eventually<T>(what: &str, seconds: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "not within {seconds} s: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
