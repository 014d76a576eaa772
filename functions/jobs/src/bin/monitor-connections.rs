//! Every minute: how close the cluster is to its limits, as metrics with alarms.
//!
//! Environment: `MONGO_CONNECTION_LIMIT` (default 500, M0), `MONGO_STORAGE_LIMIT_MB` (default 512, M0).

use shared::{
    config, lambda,
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
    let connection = mongo.clone();
    lambda::job(async |_| Ok(observe(&mongo, &limits).await?), connection).await
}
