//! What the event routes share: which prompts there are, what may be stored, and the way into the queue.

use std::sync::Arc;

use crate::{
    cache::Cache,
    clock::Moment,
    config::ConfigError,
    content::{Content, Library},
    http::{ClientInfo, Problem, Reply},
    ledger::{AnonymousBudget, Charge},
    mongo,
    queue::{Queue, Queued, QueuedEvent},
    schema,
};

use super::{Accepted, AnalyticsEvent};

/// Takes events. Has no database: the prompts are known from published content or the backup.
pub struct Intake {
    budget: AnonymousBudget,
    content: Content,
    queue: Queue,
}

impl Intake {
    /// Reads the settings of content and queue; counts in `cache`.
    pub fn from_env(cache: &Cache) -> Result<Self, ConfigError> {
        Ok(Self {
            budget: AnonymousBudget::from_env(cache)?,
            content: Content::published_prompts()?,
            queue: Queue::events_from_env()?.made_ahead(),
        })
    }

    /// The prompts that events may name.
    pub async fn prompts(&self) -> Arc<Library> {
        // Both are read anew once a minute: at the same time, should the bucket be slow.
        // Boxed: the SDK's futures are large.
        let (content, ()) = tokio::join!(Box::pin(self.content.current()), Box::pin(self.budget.read_state()));
        content.library
    }

    /// 202 when the queue has every event; 503 otherwise, and the caller sends them again. 429 when they do not fit into
    /// what callers without an account may store.
    pub async fn accept(
        &self,
        client: &ClientInfo,
        events: &[Queued<AnalyticsEvent>],
        now: Moment,
    ) -> Result<Reply, Problem> {
        let charges = events.iter().map(|Queued(event)| charge(event)).collect::<Result<Vec<_>, _>>()?;
        let taken = self.budget.take(client, &charges, now).await?;
        if let Err(error) = self.queue.send(events).await {
            self.budget.give_back(&taken).await;
            return Err(error.into());
        }
        Ok(Reply::accepted(&Accepted::from(events)))
    }
}

fn charge(event: &AnalyticsEvent) -> Result<Charge, Problem> {
    let document = mongo::to_document(event).map_err(Problem::internal)?;
    Ok(Charge { id: event.id.clone(), bytes: schema::weight(AnalyticsEvent::COLLECTION, &document) })
}
