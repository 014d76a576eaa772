//! Daily: lists the audit entries that were stored the day before, in the content bucket, where nothing changes them.

use shared::{
    audit::{DigestStore, write_digests},
    keys::Seed,
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    secrets::Secret,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, store) = (Mongo::from_env(Lifetime::Invocation)?, DigestStore::from_env()?);
    let (seed, connection) = (Secret::from_env("AUDIT_SEED", Seed::parse)?, mongo.clone());
    let work = async |request: JobRequest| write_digests(&mongo, &store, &*seed.get().await?, request.instant()).await;
    lambda::job(work, connection).await
}
