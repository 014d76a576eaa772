//! What the event routes share: who may send, which prompts there are, and the way into the queue.

use std::sync::Arc;

use crate::{
    cache::Cache,
    config::ConfigError,
    content::{Content, Kind, Library, backup},
    events::Event,
    http::{Caller, Policy, Problem, Reply},
    queue::Queue,
};

use super::Accepted;

/// Takes events. Has no database: the prompts are known from published content or the backup.
pub struct Intake {
    content: Content,
    queue: Queue,
    cache: Cache,
    policy: Policy,
}

impl Intake {
    /// Reads the settings of content and queue; counts callers in `cache`.
    pub fn from_env(cache: Cache, policy: Policy) -> Result<Self, ConfigError> {
        Ok(Self {
            content: Content::from_env(Kind::Prompts, None, backup::PROMPTS)?,
            queue: Queue::events_from_env()?,
            cache,
            policy,
        })
    }

    /// The prompts that events may name, or 429.
    pub async fn admit(&self, caller: &Caller) -> Result<Arc<Library>, Problem> {
        self.policy.check_address(&self.cache, caller).await?;
        Ok(self.content.current().await.library)
    }

    /// 202 when the queue has every event; 503 otherwise, and the caller sends them again.
    pub async fn accept(&self, events: &[Event]) -> Result<Reply, Problem> {
        self.queue.send(events).await?;
        Ok(Reply::accepted(&Accepted::from(events)))
    }
}
