//! What the event routes share: which prompts there are, and the way into the queue.

use std::sync::Arc;

use crate::{
    config::ConfigError,
    content::{Content, Library},
    http::{Problem, Reply},
    queue::{Queue, Queued},
};

use super::{Accepted, AnalyticsEvent};

/// Takes events. Has no database: the prompts are known from published content or the backup.
pub struct Intake {
    content: Content,
    queue: Queue,
}

impl Intake {
    /// Reads the settings of content and queue.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { content: Content::published_prompts()?, queue: Queue::events_from_env()? })
    }

    /// The prompts that events may name.
    pub async fn prompts(&self) -> Arc<Library> {
        self.content.current().await.library
    }

    /// 202 when the queue has every event; 503 otherwise, and the caller sends them again.
    pub async fn accept(&self, events: &[Queued<AnalyticsEvent>]) -> Result<Reply, Problem> {
        self.queue.send(events).await?;
        Ok(Reply::accepted(&Accepted::from(events)))
    }
}
