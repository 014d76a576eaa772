//! The audit trail: who did what to whom, and how it ended.
//!
//! What concerns sign-in, security or administration, or is graver than information, is in the store
//! before the answer leaves; the rest may wait in the queue. Entries hold ids, never addresses, and a
//! code over their content, made with a key (from `AUTH_PEPPER`) that the store does not have.

mod action;
mod read;
mod seal;

use bson::Document;
use jiff::SignedDuration;
use mongodb::Database;
use serde_json::{Map, Value};

pub use action::{Action, Category, Severity};
pub use read::{AuditFilter, AuditPage, list};
pub use seal::{Checked, verify};

use crate::{
    accounts::Account,
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
    pub fn by(mut self, account: &Account) -> Self {
        self.actor = Some((account.id.clone(), account.role.name().to_owned()));
        self
    }

    /// To what: a kind and an id.
    #[must_use]
    pub fn on(mut self, kind: &str, id: &str) -> Self {
        self.resource = Some(format!("{kind}/{id}"));
        self
    }

    /// More about it: small values that are neither secret nor personal.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// Where entries go.
pub struct Trail {
    mongo: Mongo,
    mac: Mac,
    queue: Option<Queue>,
}

impl Trail {
    /// Reads `AUTH_PEPPER`; writes everything at once.
    pub fn from_env(mongo: &Mongo) -> Result<Self, ConfigError> {
        Ok(Self { mongo: mongo.clone(), mac: seal::mac(&Seed::from_env("AUTH_PEPPER")?), queue: None })
    }

    /// Sends what may wait through the events queue instead.
    pub fn with_queue(self) -> Result<Self, ConfigError> {
        Ok(Self { queue: Some(Queue::events_from_env()?), ..self })
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
        self.store(&entry).await
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

    async fn store(&self, entry: &AuditEntry) -> Result<(), Problem> {
        let mut document = mongo::to_document(entry, &DATES).map_err(Problem::internal)?;
        document.remove("id");
        document.insert("_id", &entry.id);
        let insert =
            async |database: Database| database.collection::<Document>("audit_logs").insert_one(document).await;
        self.mongo.run(REQUEST_LIMIT, insert).await?;
        Ok(())
    }
}
