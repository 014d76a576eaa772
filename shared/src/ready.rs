//! Whether what the functions stand on answers.

use std::time::Duration;

use bson::doc;
use mongodb::Database;
use serde::Serialize;
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

/// The parts.
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
        let cache = match self.cache.answers().await {
            None => State::Unused,
            Some(true) => State::Up,
            Some(false) => State::Away,
        };
        let queue = state("the events queue", self.queue.answers().await);
        let content = state("the published content", self.content.answers(Kind::Prompts).await);
        let ready = [mongodb, cache, queue, content].iter().all(|state| *state != State::Away);
        Readiness { ready, mongodb, cache, queue, content }
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
