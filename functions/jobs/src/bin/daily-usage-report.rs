//! At 01:00: usage per account and day, for the days that may still change, and their reports; the one of the day before
//! by mail to the operators.

use shared::{
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    usage::reports::{ReportMailer, daily_reports},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, mailer) = (Mongo::from_env(Lifetime::Invocation)?, ReportMailer::from_env()?);
    let connection = mongo.clone();
    let work = async |request: JobRequest| {
        let run = daily_reports(&mongo, request.instant()).await?;
        mailer.notify(&run.report).await?;
        Ok(run)
    };
    lambda::job(work, connection).await
}
