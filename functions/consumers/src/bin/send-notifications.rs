//! The consumer of the notifications queue: a batch in, e-mails and text messages out.

use shared::{
    lambda,
    mongo::{Lifetime, Mongo},
    notifications::{Senders, deliver_batch},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::FromStart)?;
    let senders = Senders::from_env()?;
    let connection = mongo.clone();
    let handle = async |messages: Vec<_>| {
        let (delivered, outcome) = deliver_batch(&mongo, &senders, &messages).await?;
        tracing::info!(summary = %serde_json::to_string(&delivered)?, "batch delivered");
        Ok(outcome)
    };
    lambda::sqs(handle, connection).await
}
