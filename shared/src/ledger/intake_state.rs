//! What those who take anonymous events without the database know of it: a small file beside the published content,
//! written each minute and read as often.

use std::time::{Duration, SystemTime};

use bson::{Document, doc};
use mongodb::Database;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{collection, payer::day_expires_at, signed};
use crate::{
    clock::{self, Moment},
    content::{PublishedContent, SourceError},
    mongo::{self, Mongo, WORK_TIMEOUT},
};

/// Its name beside the content.
const FILE: &str = "intake.json";
/// How often it is read.
const READ_EVERY: Duration = Duration::from_mins(1);

/// How the day's anonymous events stand.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntakeState {
    /// When it was published.
    pub at: Moment,
    /// Bytes that callers who are not signed in have stored on the UTC day of `at`.
    pub anonymous_bytes: u64,
    /// Share of the tier's storage that is used, percent.
    pub storage_percent: f64,
}

/// Counts what the consumer has stored of anonymous events: these are taken without the database.
pub async fn add_anonymous(mongo: &Mongo, bytes: u64, now: Moment) -> Result<(), mongo::Error> {
    let key = anonymous(now);
    let add = doc! {"$inc": {"bytes": signed(bytes)}, "$setOnInsert": {"expiresAt": day_expires_at(now)}};
    let add = async |database: Database| collection(&database).update_one(doc! {"_id": key}, add).upsert(true).await;
    mongo.run(WORK_TIMEOUT, add).await.map(drop)
}

/// Publishes how the day stands.
pub async fn publish_intake_state(
    mongo: &Mongo,
    target: &PublishedContent,
    storage_percent: f64,
    now: Moment,
) -> anyhow::Result<IntakeState> {
    let key = anonymous(now);
    let find = async |database: Database| collection(&database).find_one(doc! {"_id": key}).await;
    let stored: Option<Document> = mongo.run(WORK_TIMEOUT, find).await?;
    let bytes = stored.and_then(|budget| budget.get_i64("bytes").ok()).unwrap_or_default();
    let state = IntakeState { at: now, anonymous_bytes: bytes.max(0).unsigned_abs(), storage_percent };
    target.publish_file(FILE, serde_json::to_vec(&state)?).await?;
    Ok(state)
}

/// The id of the document that counts the day's anonymous events.
fn anonymous(now: Moment) -> String {
    format!("{}/anonymous", clock::day(now))
}

/// What was published last, as far as this environment knows.
pub(super) struct PublishedState {
    source: PublishedContent,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    state: Option<IntakeState>,
    read_at: Option<SystemTime>,
}

impl PublishedState {
    pub(super) fn new(source: PublishedContent) -> Self {
        Self { source, known: Mutex::default() }
    }

    /// Read at most once a minute, by the wall clock, which goes on while Lambda has the process frozen. What cannot be
    /// read leaves the last one known, which grows old; `None` while none was ever read.
    pub(super) async fn current(&self) -> Option<IntakeState> {
        let mut known = self.known.lock().await;
        let is_due = |at: SystemTime| at.elapsed().is_ok_and(|age| age >= READ_EVERY);
        if known.read_at.is_none_or(is_due) {
            match self.read().await {
                Ok(state) => known.state = state.or(known.state.take()),
                Err(reason) => tracing::warn!(reason, "the state of the day's intake cannot be read"),
            }
            known.read_at = Some(SystemTime::now());
        }
        known.state.clone()
    }

    /// As [`PublishedState::current`], in the environment's start: what is not there then is read at the first request.
    pub(super) async fn read_ahead(&self) {
        if self.current().await.is_none() {
            self.known.lock().await.read_at = None;
        }
    }

    /// `None` while nothing was published.
    async fn read(&self) -> Result<Option<IntakeState>, String> {
        match self.source.read_file(FILE).await {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string()),
            Err(SourceError::Missing(_)) => Ok(None),
            Err(SourceError::Unreachable(reason)) => Err(reason),
        }
    }

    #[cfg(test)]
    pub(super) async fn forget_when_read(&self) {
        self.known.lock().await.read_at = None;
    }
}

impl IntakeState {
    /// Whether it tells of the UTC day of `now`.
    pub(super) fn is_of_day(&self, now: Moment) -> bool {
        clock::day(self.at) == clock::day(now)
    }
}
