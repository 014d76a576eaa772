//! Whether what the functions stand on answers.

use std::time::Duration;

use bson::doc;
use mongodb::Database;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    cache::Cache,
    config::ConfigError,
    content::{Kind, PublishedContent},
    mongo::Mongo,
    queue::Queue,
};

/// A part that takes longer is away, for those who wait for it.
const LIMIT: Duration = Duration::from_secs(2);

pub struct Parts {
    mongo: Mongo,
    cache: Cache,
    queue: Queue,
    content: PublishedContent,
}

/// How the parts are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all of them answer. A cache that is not used is no part.
    pub ready: bool,
    /// `MongoDB`.
    mongodb: State,
    /// Valkey or Redis.
    cache: State,
    /// The queue of events.
    queue: State,
    /// The published content.
    content: State,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It answers.
    Up,
    /// It does not.
    Away,
    /// There is none: each environment has its own memory.
    Unused,
}

impl Parts {
    /// Reads where the queue and the content are.
    pub fn from_env(mongo: &Mongo, cache: &Cache) -> Result<Self, ConfigError> {
        Ok(Self {
            mongo: mongo.clone(),
            cache: cache.clone(),
            queue: Queue::events_from_env()?,
            content: PublishedContent::from_env()?,
        })
    }

    /// Asks each.
    pub async fn ask(&self) -> Readiness {
        let ping = async |database: Database| database.run_command(doc! {"ping": 1}).await;
        let mongodb = state("MongoDB", self.mongo.run(LIMIT, ping).await);
        let cache = match self.cache.ping().await {
            None => State::Unused,
            Some(true) => State::Up,
            Some(false) => State::Away,
        };
        // Boxed: the SDK's futures are large.
        let queue = state("the events queue", in_time(Box::pin(self.queue.ping())).await);
        let content = state("the published content", in_time(Box::pin(self.content.ping(Kind::Prompts))).await);
        let ready = [mongodb, cache, queue, content].iter().all(|state| *state != State::Away);
        Readiness { ready, mongodb, cache, queue, content }
    }
}

/// What takes longer than [`LIMIT`] is an error: the SDK's own limits, its retries included, are longer.
async fn in_time<E: std::fmt::Display>(answer: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    match timeout(LIMIT, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(late) => Err(late.to_string()),
    }
}

/// What was wrong is for the log.
fn state<T, E: std::fmt::Display>(part: &str, answer: Result<T, E>) -> State {
    match answer {
        Ok(_) => State::Up,
        Err(error) => {
            tracing::warn!(part, %error, "a part is away");
            State::Away
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn a_part_that_never_answers_is_away() {
        let late = in_time(pending::<Result<(), String>>()).await;
        assert_eq!(state("silent", late), State::Away);
        assert_eq!(state("quick", in_time(ready(Ok::<_, String>(()))).await), State::Up);
    }
}
