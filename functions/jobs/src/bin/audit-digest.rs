//! Daily: lists the audit entries that were stored the day before, in the content bucket, where nothing changes them.

use shared::{
    audit::{DigestStore, write_digests},
    keys::Seed,
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, store) = (Mongo::from_env(Lifetime::Invocation)?, DigestStore::from_env()?);
    let (seed, connection) = (Seed::from_env("AUDIT_SEED")?, mongo.clone());
    let work = async |request: JobRequest| write_digests(&mongo, &store, &seed, request.instant()).await;
    lambda::job(work, connection).await
}
