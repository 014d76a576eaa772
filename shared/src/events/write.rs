//! A batch of queue messages into one bulk insert per collection.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use aws_lambda_events::sqs::SqsMessage;
use bson::{Document, RawDocumentBuf};
use mongodb::{Database, error::ErrorKind};
use serde::Serialize;

use super::read;
use crate::{
    affiliates::AffiliateClick,
    analytics::AnalyticsEvent,
    audit::{self, AuditEntry, EntryCheck},
    clock,
    lambda::BatchOutcome,
    ledger,
    mongo::{self, DUPLICATE_KEY, Mongo},
    queue::QueuedEvent,
    schema,
    telemetry::Incident,
};

/// The longest that a batch takes, well within the function's timeout: a function that is killed closes no socket and
/// tells nobody why. 10,000 documents took 0.3 s on two cores.
const BATCH_TIMEOUT: Duration = Duration::from_secs(45);
/// What callers need not sign in for.
const ANONYMOUS: [&str; 2] = [AnalyticsEvent::COLLECTION, AffiliateClick::COLLECTION];

/// The longest that one of its bulk inserts takes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(25);

/// What a batch came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Messages in the batch.
    pub messages: usize,
    /// Events stored now.
    pub inserted: usize,
    /// Events that were there already.
    pub duplicates: usize,
    /// Messages handed back: unreadable, with a forged audit entry, or with an event that the database refused.
    pub failed_messages: usize,
    /// Bulk inserts made.
    pub writes: usize,
}

/// Events on their way into one collection.
#[derive(Default)]
struct Bulk {
    documents: Vec<Document>,
    /// The message that each document came in.
    messages: Vec<usize>,
}

/// Stores the events of a batch. A message that cannot be read or stored is handed back alone; an
/// error means that the database is away, and that the whole batch must come again. Either way
/// nothing is lost or stored twice: an event's id is its `_id`.
pub async fn write_batch(
    mongo: &Mongo,
    check: &EntryCheck,
    messages: &[SqsMessage],
) -> Result<(Written, BatchOutcome), mongo::Error> {
    let mut written = Written { messages: messages.len(), ..Written::default() };
    let mut failed = HashSet::new();
    let started = Instant::now();
    let mut anonymous_bytes = 0;
    for (collection, bulk) in sort(check, messages, &mut failed) {
        let limit = WRITE_TIMEOUT.min(BATCH_TIMEOUT.saturating_sub(started.elapsed()));
        let refused = insert(mongo, limit, collection, &bulk.documents).await?;
        written.writes += 1;
        written.inserted += bulk.documents.len() - refused.len();
        if ANONYMOUS.contains(&collection) {
            let refused: HashSet<usize> = refused.iter().map(|(index, _)| *index).collect();
            let stored = bulk.documents.iter().enumerate().filter(|(index, _)| !refused.contains(index));
            anonymous_bytes += stored.map(|(_, document)| schema::weight(collection, document)).sum::<u64>();
        }
        for (index, code) in refused {
            if code == DUPLICATE_KEY {
                written.duplicates += 1;
            } else {
                tracing::error!(collection, code, "an event was refused");
                failed.insert(bulk.messages[index]);
            }
        }
    }
    // Those who take them do not have the database: what is stored is counted here. A failure loses no event.
    if anonymous_bytes > 0
        && let Err(error) = ledger::add_anonymous(mongo, anonymous_bytes, clock::now()).await
    {
        tracing::warn!(%error, anonymous_bytes, "what anonymous events fill was not counted");
    }
    written.failed_messages = failed.len();
    let failed = failed.into_iter().filter_map(|index| messages[index].message_id.clone()).collect();
    Ok((written, BatchOutcome { failed }))
}

/// Each message is read by itself: one that cannot be must not fail the others.
fn sort(check: &EntryCheck, messages: &[SqsMessage], failed: &mut HashSet<usize>) -> BTreeMap<&'static str, Bulk> {
    let mut bulks = BTreeMap::<_, Bulk>::new();
    for (index, message) in messages.iter().enumerate() {
        let read = read(message.body.as_deref().unwrap_or_default());
        match read.and_then(|documents| admit(check, documents)) {
            Ok(documents) => {
                for (collection, document) in documents {
                    let bulk = bulks.entry(collection).or_default();
                    bulk.documents.push(document);
                    bulk.messages.push(index);
                }
            }
            Err(error) => {
                // The body may hold what a log must not: the error names only the place.
                tracing::error!(message_id = message.message_id, error = %format_args!("{error:#}"), "a message cannot be read");
                failed.insert(index);
            }
        }
    }
    bulks
}

/// Refuses a message with an audit entry that none of our functions made: whoever can send to the queue could otherwise
/// write into the audit log. Genuine ones are told when they are stored.
fn admit(
    check: &EntryCheck,
    mut documents: Vec<(&'static str, Document)>,
) -> anyhow::Result<Vec<(&'static str, Document)>> {
    for (_, document) in documents.iter_mut().filter(|(collection, _)| *collection == AuditEntry::COLLECTION) {
        if !check.is_genuine(&RawDocumentBuf::try_from(&*document)?) {
            Incident::ForgedAuditEntry.count();
            anyhow::bail!("an audit entry that none of our functions made");
        }
        document.insert(audit::WRITTEN_AT, clock::now());
    }
    Ok(documents)
}

/// One unordered bulk insert; returns the documents that the database refused, with its codes.
async fn insert(
    mongo: &Mongo,
    limit: Duration,
    collection: &str,
    documents: &[Document],
) -> Result<Vec<(usize, i32)>, mongo::Error> {
    let work = async |database: Database| {
        database.collection::<Document>(collection).insert_many(documents).ordered(false).await
    };
    match mongo.run(limit, work).await {
        Ok(_) => Ok(Vec::new()),
        Err(mongo::Error::Refused(error)) => match error.kind.as_ref() {
            ErrorKind::InsertMany(many) => {
                Ok(many.write_errors.iter().flatten().map(|refused| (refused.index, refused.code)).collect())
            }
            _ => Err(mongo::Error::Refused(error)),
        },
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.body = Some(body.into());
        message
    }

    const CLICK: &str = r#"{"kind":"affiliate_click","id":"1","linkId":"l","occurredAt":"2026-01-01T00:00:00.123Z"}"#;

    #[test]
    fn a_message_that_cannot_be_read_fails_alone() {
        let good = format!(r#"{{"records":[{CLICK},{CLICK}]}}"#);
        let bodies = [
            &good,
            "not JSON",
            "",
            r#"{"records":[{"kind":"unknown"}]}"#,
            r#"{"records":[{"kind":"affiliate_click"}]}"#,
            // The driver would refuse the whole insert for it.
            r#"{"records":[{"kind":"analytics","id":"1","promptId":"p","event":"view","metadata":{"a\u0000":1},"occurredAt":"2026-01-01T00:00:00Z"}]}"#,
            &good,
            r#"{"records":[{"kind":"audit","id":"1","action":"a","category":"c","severity":"s","outcome":"o","at":"2026-01-01T00:00:00Z","expiresAt":"2027-01-01T00:00:00Z","hash":"forged"}]}"#,
        ];
        let mut failed = HashSet::new();
        let check = EntryCheck::new(&"a seed of thirty-two characters!".into());
        let bulks = sort(&check, &bodies.map(message), &mut failed);
        assert_eq!(failed, HashSet::from([1, 2, 3, 4, 5, 7]));
        assert_eq!(bulks.len(), 1);
        assert_eq!(bulks["affiliate_clicks"].messages, [0, 0, 6, 6]);
    }
}
