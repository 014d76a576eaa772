//! At 02:00 on the first: a report of the month before, by mail to the operators. What comes later is in the report that
//! `daily-usage-report` makes of it.

use shared::{
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
    usage::{Operators, monthly_report},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, operators) = (Mongo::from_env(Lifetime::Invocation)?, Operators::from_env()?);
    let connection = mongo.clone();
    let work = async |request: JobRequest| {
        let report = monthly_report(&mongo, request.instant()).await?;
        operators.tell(&report).await?;
        Ok(report)
    };
    lambda::job(work, connection).await
}
