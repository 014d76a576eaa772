//! Hourly: computes the platform's statistics, whatever the cache's age, so that visitors find them.

use shared::{
    cache::Cache,
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    stats,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let connections = (mongo.clone(), cache.clone());
    let work = async |request: JobRequest| Ok(stats::refresh(&mongo, &cache, request.instant()).await?);
    lambda::job(work, connections).await
}
