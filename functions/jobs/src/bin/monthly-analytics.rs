//! At 02:00 on the first eight days: a report of the month before, anew while records of its last days may come; the
//! first one by mail to the operators.

use shared::{
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    usage::reports::{ReportMailer, monthly_report},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, mailer) = (Mongo::from_env(Lifetime::Invocation)?, ReportMailer::from_env()?);
    let connection = mongo.clone();
    let work = async |request: JobRequest| {
        let report = monthly_report(&mongo, request.instant()).await?;
        mailer.notify(&report).await?;
        Ok(report)
    };
    lambda::job(work, connection).await
}
