//! `cargo local fuzz [--minutes N]`: what nobody thought of. Requests made up from the API's own document go to the
//! deployed stack; beside that, bytes made up from real ones go to whatever reads what others wrote.

#![allow(clippy::unwrap_used)]

mod api;
mod parsers;

use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).map(|seconds| seconds.parse().unwrap());
    let time = Duration::from_secs(seconds.unwrap_or(120));
    let parsers = tokio::task::spawn_blocking(move || parsers::fuzz(time));
    api::fuzz(time).await?;
    parsers.await?
}
