//! The consumer of the events queue: a batch in, one bulk insert per collection.

use shared::{
    audit::EntryCheck,
    events::write_batch,
    lambda,
    mongo::{Lifetime, Mongo},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, check) = (Mongo::from_env(Lifetime::FromStart)?, EntryCheck::from_env()?);
    let connection = mongo.clone();
    let handle = async |messages: Vec<_>| {
        let (written, outcome) = write_batch(&mongo, &*check.get().await?, &messages).await?;
        tracing::info!(summary = %serde_json::to_string(&written)?, "batch written");
        Ok(outcome)
    };
    lambda::sqs(handle, connection).await
}
