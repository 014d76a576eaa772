//! The audit trail: who did what to whom, and how it ended.
//!
//! What concerns sign-in, security or administration, or is graver than information, is in the store
//! before the answer leaves; the rest may wait in the queue. Entries hold ids, never addresses, and a
//! code over their content, made with a key that the store does not have.
//!
//! Environment: `AUDIT_SEED` (secret), of which that key is made; for what may wait also `EVENTS_QUEUE_URL`. It is of no
//! other use, so that whoever checks the trail needs no secret that opens anything.

mod action;
mod read;
mod seal;

use std::sync::Arc;

use bson::Document;
use jiff::SignedDuration;
use mongodb::{ClientSession, Collection, Database};
use serde_json::{Map, Value};

pub use action::{Action, Category, Severity};
pub use read::{AuditFilter, AuditPage, list};
pub use seal::{Checked, verify};

use crate::{
    clock,
    config::ConfigError,
    events::{AuditEntry, Event},
    http::{Caller, Problem},
    id,
    keys::{Mac, Seed},
    mongo::{self, Mongo, REQUEST_LIMIT},
    queue::Queue,
};

/// Fields of an entry that are dates in the store.
const DATES: [&str; 2] = ["at", "expiresAt"];

/// Somebody who does something that is worth an entry.
pub trait Actor {
    /// Their id: never an address.
    fn id(&self) -> &str;
    /// Their role now.
    fn role(&self) -> &'static str;
}

impl<T: Actor> Actor for Arc<T> {
    fn id(&self) -> &str {
        (**self).id()
    }

    fn role(&self) -> &'static str {
        (**self).role()
    }
}

/// Something worth an entry.
#[derive(Debug)]
pub struct Fact {
    action: Action,
    failed: bool,
    actor: Option<(String, String)>,
    resource: Option<String>,
    details: Map<String, Value>,
}

impl Fact {
    /// It happened.
    pub fn new(action: Action) -> Self {
        Self { action, failed: action.is_failure(), actor: None, resource: None, details: Map::new() }
    }

    /// Who did it.
    #[must_use]
    pub fn by(mut self, actor: &impl Actor) -> Self {
        self.actor = Some((actor.id().to_owned(), actor.role().to_owned()));
        self
    }

    /// To what: a kind and an id.
    #[must_use]
    pub fn on(mut self, kind: &str, id: &str) -> Self {
        self.resource = Some(format!("{kind}/{id}"));
        self
    }

    /// To whose account, where that is known.
    #[must_use]
    pub fn on_user(self, id: Option<&str>) -> Self {
        match id {
            Some(id) => self.on("user", id),
            None => self,
        }
    }

    /// More about it: small values that are neither secret nor personal.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// Where entries go; clones share it.
#[derive(Clone)]
pub struct Trail {
    mongo: Mongo,
    mac: Mac,
    queue: Option<Arc<Queue>>,
}

impl Trail {
    /// Reads `AUDIT_SEED`; writes everything at once.
    pub fn from_env(mongo: &Mongo) -> Result<Self, ConfigError> {
        Ok(Self { mongo: mongo.clone(), mac: seal::mac(&Seed::from_env("AUDIT_SEED")?), queue: None })
    }

    /// Sends what may wait through the events queue instead.
    pub fn with_queue(self) -> Result<Self, ConfigError> {
        Ok(Self { queue: Some(Arc::new(Queue::events_from_env()?)), ..self })
    }

    /// Keeps `fact`. An error means that it is not kept: then what it tells of must not be claimed done.
    pub async fn record(&self, caller: &Caller, fact: Fact) -> Result<(), Problem> {
        let must_be_stored = fact.action.must_be_stored();
        let entry = self.entry(caller, fact);
        if let Some(queue) = self.queue.as_ref().filter(|_| !must_be_stored) {
            match queue.send(&[Event::Audit(entry.clone())]).await {
                Ok(()) => return Ok(()),
                // What it tells of may be done already: it is told another way.
                Err(error) => tracing::warn!(%error, "an audit entry goes straight into the store"),
            }
        }
        let document = document(&entry).map_err(Problem::internal)?;
        match self.mongo.run(REQUEST_LIMIT, async |database| entries(&database).insert_one(document).await).await {
            // The queue had taken it without saying so, and its consumer was faster.
            Err(error) if error.is_duplicate() => Ok(()),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    /// As [`Trail::record`], in the transaction that does what `fact` tells of: both are kept, or neither.
    pub(crate) async fn record_with(
        &self,
        session: &mut ClientSession,
        database: &Database,
        caller: &Caller,
        fact: Fact,
    ) -> mongodb::error::Result<()> {
        let document = document(&self.entry(caller, fact));
        let document = document.map_err(|error| mongodb::error::Error::custom(error.to_string()))?;
        entries(database).insert_one(document).session(session).await.map(drop)
    }

    fn entry(&self, caller: &Caller, fact: Fact) -> AuditEntry {
        let at = clock::now();
        let (actor_id, actor_role) = fact.actor.unzip();
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut entry = AuditEntry {
            id: id::new(),
            action: fact.action.name().into(),
            category: fact.action.category().name().into(),
            severity: fact.action.severity().name().into(),
            outcome: if fact.failed { "failure" } else { "success" }.into(),
            actor_id,
            actor_role,
            resource: fact.resource,
            ip: text(&caller.source_ip),
            user_agent: text(&caller.user_agent),
            request_id: text(&caller.request_id),
            details: (!fact.details.is_empty()).then_some(fact.details),
            at,
            expires_at: at + SignedDuration::from_hours(24 * fact.action.retention_days()),
            hash: String::new(),
        };
        entry.hash = seal::hash(&self.mac, &entry);
        entry
    }
}

/// As it is stored.
fn document(entry: &AuditEntry) -> anyhow::Result<Document> {
    let mut document = mongo::to_document(entry, &DATES)?;
    document.remove("id");
    document.insert("_id", &entry.id);
    Ok(document)
}

fn entries(database: &Database) -> Collection<Document> {
    database.collection("audit_logs")
}
