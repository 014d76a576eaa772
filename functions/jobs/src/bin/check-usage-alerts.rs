//! Hourly: tells owners of the alerts whose thresholds their usage has reached.

use shared::{
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    notifications::Outbox,
    usage::alerts::check_alerts,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, outbox) = (Mongo::from_env(Lifetime::Invocation)?, Outbox::from_env()?);
    let connection = mongo.clone();
    let work = async |request: JobRequest| check_alerts(&mongo, &outbox, request.instant()).await;
    lambda::job(work, connection).await
}
