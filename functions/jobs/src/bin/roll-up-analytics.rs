//! Hourly: counts per prompt and day, and each prompt's views, computed anew from the events.

use shared::{
    analytics,
    lambda::{self, JobRequest},
    mongo::{Lifetime, Mongo},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let connection = mongo.clone();
    let work = async |request: JobRequest| Ok(analytics::roll_up(&mongo, request.instant()).await?);
    lambda::job(work, connection).await
}
