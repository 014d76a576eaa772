//! The audit log: who did what to whom, and how it ended.
//!
//! What concerns sign-in, security or administration, or is graver than information, is in the store, or while that is
//! away in the queue, before the answer leaves; the rest may wait in the queue, or while that is away goes into the
//! store. Entries hold ids, never addresses, and an HMAC over their content, made with a key that the store does not
//! have.
//!
//! The code tells of an entry that it was changed. That one is gone, or was put in, the digests tell: each day's entries
//! are listed in a file of the content bucket, the day after they were stored.
//!
//! Environment: `AUDIT_SEED` (secret), of which the keys of the codes and the digests are made; it is of no other use, so
//! that whoever checks the audit log needs no secret that opens anything. `EVENTS_QUEUE_URL`. `AUDIT_DIGESTS_URL`, where
//! the digests are.

mod action;
mod digest;
mod digest_store;
mod entry;
mod integrity;
mod read;
mod scan;
mod verify;

use std::sync::Arc;

use bson::Document;
use jiff::SignedDuration;
use mongodb::{ClientSession, Collection, Database};
use serde_json::{Map, Value};

pub use action::{Action, Category, Severity};
pub use digest::{DigestSummary, write_digests};
pub use digest_store::DigestStore;
pub use entry::AuditEntry;
pub use integrity::EntryCheck;
pub use read::{AuditFilter, AuditPage, list};
pub use verify::{VerifiedEntries, verify, verify_with_digests};

use crate::{
    clock::{self, Moment},
    config::ConfigError,
    http::{ClientInfo, Problem},
    id,
    keys::{Mac, Seed},
    ledger::{Ledger, Payer},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::{Queue, Queued, QueuedEvent},
    schema,
    secrets::{Secret, Unavailable},
};

/// The field of an entry that says when it was stored.
pub const WRITTEN_AT: &str = "writtenAt";

/// Somebody who does something that is worth an entry.
pub trait Actor {
    /// Their id: never an address.
    fn id(&self) -> &str;
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
#[derive(Clone, Debug)]
pub struct AuditEvent {
    action: Action,
    failed: bool,
    actor: Option<(String, String)>,
    resource: Option<String>,
    details: Map<String, Value>,
    is_paid: bool,
}

impl AuditEvent {
    /// It happened.
    pub fn new(action: Action) -> Self {
        Self { action, failed: action.is_failure(), actor: None, resource: None, details: Map::new(), is_paid: false }
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

    /// The entry's bytes are taken already, by [`AuditLog::pay_ahead`].
    #[must_use]
    pub fn paid(mut self) -> Self {
        self.is_paid = true;
        self
    }

    /// Whose budget the entry is taken from, and whether it is kept when that is used up.
    fn room(&self, client: &ClientInfo) -> Room {
        if self.is_paid {
            return Room::Paid;
        }
        let actor = self.actor.as_ref().map(|(id, _)| id);
        let target = self.resource.as_deref().and_then(|resource| resource.strip_prefix("user/"));
        if self.action.is_of_attempt() {
            return match actor.map(String::as_str).or(target) {
                Some(id) => Room::WhileAny(Payer::AtAccount { account_id: id.to_owned() }),
                None => Room::None,
            };
        }
        match (actor, target) {
            (Some(id), _) if self.action.is_of_session() => Room::Always(Payer::SignIn { account_id: id.clone() }),
            // It is counted as of an account that is not new: how old it is, is not known here.
            (Some(id), _) => Room::Always(Payer::Account { id: id.clone(), since: Moment::from_millisecond(0) }),
            (None, Some(id)) if !self.failed || self.action.severity() == Severity::Error => {
                Room::Always(Payer::AtAccount { account_id: id.to_owned() })
            }
            (None, Some(_)) => Room::WhileAny(Payer::Failure { network: client.network() }),
            (None, None) => Room::None,
        }
    }

    /// More about it: small values that are neither secret nor personal.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// What there is of a budget for an entry.
#[derive(Debug)]
enum Room {
    /// It is paid for.
    Paid,
    /// It is kept whatever is left: what it tells of was paid for, or is limited.
    Always(Payer),
    /// It is kept while something is left, and counted by the day after that.
    WhileAny(Payer),
    /// It concerns nobody who is known, and is counted by the day alone.
    None,
}

/// What an entry fills, about.
const ENTRY_BYTES: u64 = 900;

/// Where entries go; clones share it.
#[derive(Clone)]
pub struct AuditLog {
    ledger: Ledger,
    mongo: Mongo,
    mac: Arc<Secret<Mac>>,
    queue: Arc<Queue>,
}

impl AuditLog {
    /// Reads `AUDIT_SEED` and `EVENTS_QUEUE_URL`.
    pub fn from_env(ledger: &Ledger) -> Result<Self, ConfigError> {
        let mac = Secret::from_env("AUDIT_SEED", |text| Ok(integrity::mac(&Seed::parse(text)?)))?;
        Ok(Self {
            ledger: ledger.clone(),
            mongo: ledger.mongo().clone(),
            mac: Arc::new(mac),
            queue: Arc::new(Queue::events_from_env()?),
        })
    }

    /// Keeps `event`. What it tells of may be done already, and a repeat then finds nothing to do: so there are two
    /// ways, and the entry has the same id by either. An error means that it is not kept.
    ///
    /// What failed and concerns nobody who is known, and attempts at an account that are so many that entries about them
    /// have used up their budget, are counted by the day and leave no entry. What was done to an account always does.
    pub async fn record(&self, client: &ClientInfo, event: AuditEvent) -> Result<(), Problem> {
        let (must_be_stored, action, room) = (event.action.must_be_stored(), event.action, event.room(client));
        let entry = self.entry(client, event).await?;
        let mut document = mongo::to_document(&entry).map_err(Problem::internal)?;
        document.insert(WRITTEN_AT, entry.at);
        if !self.has_room(room, schema::weight(AuditEntry::COLLECTION, &document)).await {
            self.ledger.count_refusal(action.name()).await;
            return Ok(());
        }
        if must_be_stored {
            match self.store(document).await {
                // It may be in the store without our knowing: the consumer then finds it there.
                Err(error @ mongo::Error::Unavailable(_)) => {
                    tracing::warn!(%error, "an audit entry goes through the queue");
                    Ok(self.queue.send(&[Queued(entry)]).await?)
                }
                outcome => Ok(outcome?),
            }
        } else {
            match self.queue.send(&[Queued(entry)]).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "an audit entry goes straight into the store");
                    Ok(self.store(document).await?)
                }
            }
        }
    }

    /// Whether an entry that fills so many bytes is to be stored. So is one of which this cannot be told.
    async fn has_room(&self, room: Room, bytes: u64) -> bool {
        match room {
            Room::None => false,
            Room::Paid => true,
            Room::Always(payer) => {
                self.ledger.charge(&payer, bytes).await;
                true
            }
            Room::WhileAny(payer) => !matches!(self.ledger.take_if_any(&payer, bytes).await, Ok(None)),
        }
    }

    /// Pays for an entry about what `payer` is about to do: 429 when they have no room left for it.
    pub async fn pay_ahead(&self, payer: &Payer) -> Result<(), Problem> {
        self.ledger.take(payer, ENTRY_BYTES).await.map(drop)
    }

    async fn store(&self, entry: Document) -> Result<(), mongo::Error> {
        match self.mongo.run(REQUEST_TIMEOUT, async |database| entries(&database).insert_one(entry).await).await {
            // The queue had taken it without saying so, and its consumer was faster.
            Err(error) if error.is_duplicate() => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// As [`AuditLog::record`], in the transaction that does what `event` tells of: both are kept, or neither.
    pub(crate) async fn record_with(
        &self,
        session: &mut ClientSession,
        database: &Database,
        client: &ClientInfo,
        event: AuditEvent,
    ) -> mongodb::error::Result<()> {
        let entry = self.entry(client, event).await.map_err(mongodb::error::Error::custom)?;
        let mut document = mongo::to_document(&entry)?;
        document.insert(WRITTEN_AT, clock::now());
        entries(database).insert_one(document).session(session).await.map(drop)
    }

    async fn entry(&self, client: &ClientInfo, event: AuditEvent) -> Result<AuditEntry, Unavailable> {
        let at = clock::now();
        let (actor_id, actor_role) = event.actor.unzip();
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut entry = AuditEntry {
            id: id::new(),
            action: event.action.name().into(),
            category: event.action.category().name().into(),
            severity: event.action.severity().name().into(),
            outcome: if event.failed { "failure" } else { "success" }.into(),
            actor_id,
            actor_role,
            resource: event.resource,
            ip: text(&client.source_ip),
            user_agent: text(&client.user_agent),
            request_id: text(&client.request_id),
            details: (!event.details.is_empty()).then_some(event.details),
            at,
            expires_at: at + SignedDuration::from_hours(24 * event.action.retention_days()),
            hash: String::new(),
            written_at: None,
        };
        entry.hash = integrity::hash(&*self.mac.get().await?, &entry);
        Ok(entry)
    }
}

fn entries(database: &Database) -> Collection<Document> {
    database.collection(AuditEntry::COLLECTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an entry about somebody's account, by nobody who is signed in, is kept whatever strangers have stored.
    fn is_always_kept(action: Action) -> bool {
        matches!(AuditEvent::new(action).on("user", "ada").room(&ClientInfo::default()), Room::Always(_))
    }

    #[test]
    fn what_was_done_to_an_account_is_kept_whatever_strangers_have_stored() {
        for action in [
            Action::PasswordReset,
            Action::PasswordResetRequested,
            Action::MfaResetAsked,
            Action::MfaResetBegun,
            Action::MfaResetStopped,
            Action::MfaReset,
            Action::MfaStopped,
            Action::RefreshReused,
        ] {
            assert!(is_always_kept(action), "{action:?}");
        }
        for action in [Action::SignInFailed, Action::RefreshRefused, Action::SignInLocked] {
            assert!(!is_always_kept(action), "{action:?}");
        }
    }

    #[test]
    fn that_an_account_is_locked_does_not_depend_on_the_networks_bytes() {
        let locked = AuditEvent::new(Action::SignInLocked).on("user", "ada").room(&ClientInfo::default());
        assert!(matches!(locked, Room::WhileAny(Payer::AtAccount { .. })), "{locked:?}");
        let nobody = AuditEvent::new(Action::SignInLocked).room(&ClientInfo::default());
        assert!(matches!(nobody, Room::None), "{nobody:?}");
    }
}
