//! Hourly: publishes the database's content, unless nothing changed or it looks like a loss.

use std::collections::BTreeMap;

use shared::{
    content::{
        Kind, PublishedContent, Store,
        export::{Outcome, export},
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
    let (mut done, mut failed) = (BTreeMap::new(), Vec::new());
    for kind in Kind::ALL {
        match export(kind, store, target, request.instant(), request.allow_shrink).await {
            Ok(Outcome::Refused { reason }) => failed.push(format!("{}: {reason}", kind.name())),
            Ok(outcome) => drop(done.insert(kind.name(), outcome)),
            Err(error) => failed.push(format!("{}: {error:#}", kind.name())),
        }
    }
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(done)
}
