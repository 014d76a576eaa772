//! Every quarter of an hour: ends runs that nobody completed, and sends records of use that are due.

use shared::{
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    queue::Queue,
    workbench::sweep,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, queue) = (Mongo::from_env(Lifetime::Invocation)?, Queue::events_from_env()?);
    let connection = mongo.clone();
    let work = async |request: JobRequest| sweep(&mongo, &queue, request.instant()).await;
    lambda::job(work, connection).await
}
