//! `cargo local fuzz [--minutes N]`: what nobody thought of. Requests made up from the API's own document go to the
//! deployed stack, bytes made up from real ones to whatever reads what others wrote.

#![allow(missing_docs, clippy::unwrap_used)]

mod api;
mod parsers;

use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).map(|seconds| seconds.parse().unwrap());
    let half = Duration::from_secs(seconds.unwrap_or(120)) / 2;
    api::fuzz(half).await?;
    parsers::fuzz(half)
}
