//! `cargo local fuzz [--minutes N]`: what nobody thought of. Requests made up from the API's own document go to the
//! deployed stack; beside that, bytes made up from real ones go to whatever reads what others wrote.

#![allow(clippy::unwrap_used)]

mod api;
mod parsers;

use std::time::Duration;

/// How many seconds, and which fuzzer: both where none is named.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let time = Duration::from_secs(arguments[0].parse().unwrap());
    let is_asked = |fuzzer| arguments.get(1).is_none_or(|only| only == fuzzer);
    let parsers = is_asked("parsers").then(|| tokio::task::spawn_blocking(move || parsers::fuzz(time)));
    if is_asked("api") {
        api::fuzz(time).await?;
    }
    match parsers {
        Some(parsers) => parsers.await?,
        None => Ok(()),
    }
}
