//! Hourly: publishes the database's content, unless nothing changed or it looks like a loss.

use std::collections::BTreeMap;

use shared::{
    content::{
        PublishedContent, Store,
        export::{Outcome, export_all},
    },
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let (store, target) = (Store::new(mongo.clone()), PublishedContent::from_env()?);
    lambda::job(async |request| run(&store, &target, request).await, mongo).await
}

/// Every kind is tried, whatever became of the others; one that failed or was refused fails the run.
async fn run(
    store: &Store,
    target: &PublishedContent,
    request: JobRequest,
) -> anyhow::Result<BTreeMap<&'static str, Outcome>> {
    let (done, failed) = export_all(store, target, request.instant(), request.allow_shrink).await;
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(done)
}
