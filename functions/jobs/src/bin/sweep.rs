//! Every quarter of an hour: ends runs that nobody completed, sends records of use that are due, exports and erases
//! accounts whose owners asked for it, and once a day counts anew what each account has stored.

use serde::Serialize;
use shared::{
    lambda::{self, JobRequest},
    leaving::{Done, ExportFiles, carry_out},
    ledger::{Recounted, recount},
    mongo::{Lifetime, Mongo},
    queue::Queue,
    workbench::{Swept, sweep},
};

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    swept: Swept,
    #[serde(flatten)]
    asked_for: Done,
    recounted: Option<Recounted>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, queue) = (Mongo::from_env(Lifetime::Invocation)?, Queue::events_from_env()?);
    let (files, connection) = (ExportFiles::from_env()?, mongo.clone());
    let work = async |request: JobRequest| {
        let at = request.instant();
        // Each is tried, whatever became of the others; the run fails with what all of them say.
        let swept = sweep(&mongo, &queue, at).await;
        let recounted = recount(&mongo, at).await;
        let asked_for = carry_out(&mongo, &files, at).await;
        let errors = [
            swept.as_ref().err().map(ToString::to_string),
            recounted.as_ref().err().map(ToString::to_string),
            asked_for.as_ref().err().map(ToString::to_string),
        ];
        let errors: Vec<String> = errors.into_iter().flatten().collect();
        anyhow::ensure!(errors.is_empty(), "{}", errors.join("; "));
        anyhow::Ok(Summary { swept: swept?, asked_for: asked_for?, recounted: recounted? })
    };
    lambda::job(work, connection).await
}
