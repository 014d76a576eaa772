//! Every quarter of an hour: ends runs that nobody completed, sends records of use that are due, and once a day counts
//! anew what each account has stored.

use serde::Serialize;
use shared::{
    lambda::{self, JobRequest},
    ledger::{Recounted, recount},
    mongo::{Lifetime, Mongo},
    queue::Queue,
    workbench::{Swept, sweep},
};

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    swept: Swept,
    recounted: Option<Recounted>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, queue) = (Mongo::from_env(Lifetime::Invocation)?, Queue::events_from_env()?);
    let connection = mongo.clone();
    let work = async |request: JobRequest| {
        let swept = sweep(&mongo, &queue, request.instant()).await?;
        Ok(Summary { swept, recounted: recount(&mongo, request.instant()).await? })
    };
    lambda::job(work, connection).await
}
