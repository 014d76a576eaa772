//! Every minute: how close the cluster is to its limits, as metrics with alarms; and for those who take events without
//! the database, how the day's anonymous events and the storage stand.
//!
//! Environment: `MONGO_CONNECTION_LIMIT` (default 500, M0), `MONGO_STORAGE_LIMIT_MB` (default 512, M0).

use shared::{
    config,
    content::PublishedContent,
    lambda::{self, JobRequest},
    ledger::publish_intake_state,
    mongo::{Lifetime, Limits, Mongo, observe},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let limits = Limits {
        connections: config::parsed_or("MONGO_CONNECTION_LIMIT", "a whole number", 500)?,
        storage_mb: config::parsed_or("MONGO_STORAGE_LIMIT_MB", "a whole number", 512)?,
    };
    let (connection, published) = (mongo.clone(), PublishedContent::from_env()?);
    let work = async |request: JobRequest| {
        let seen = observe(&mongo, &limits).await?;
        publish_intake_state(&mongo, &published, seen.storage_percent, request.instant()).await?;
        Ok(seen)
    };
    lambda::job(work, connection).await
}
