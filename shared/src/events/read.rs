//! Queue messages, as documents.

use anyhow::{Context, anyhow};
use bson::Document;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    affiliates::AffiliateClick, analytics::AnalyticsEvent, api_keys::ApiKeyUsage, audit::AuditEntry, mongo,
    queue::QueuedEvent, usage::AiUsage,
};

/// What goes through the queue: the one place that names the products.
const KINDS: [Kind; 5] = [
    Kind::of::<AnalyticsEvent>(),
    Kind::of::<AiUsage>(),
    Kind::of::<ApiKeyUsage>(),
    Kind::of::<AuditEntry>(),
    Kind::of::<AffiliateClick>(),
];

/// How events of one kind are stored.
struct Kind {
    name: &'static str,
    collection: &'static str,
    document: fn(Value) -> anyhow::Result<Document>,
}

impl Kind {
    const fn of<T: QueuedEvent>() -> Self {
        Self { name: T::KIND, collection: T::COLLECTION, document: document::<T> }
    }
}

fn document<T: QueuedEvent>(event: Value) -> anyhow::Result<Document> {
    Ok(mongo::to_document(&serde_json::from_value::<T>(event)?)?)
}

/// A queue message, as [`crate::queue`] packs it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    records: Vec<Map<String, Value>>,
}

/// The documents that the body of a queue message holds, each with its collection; an error says where it cannot be
/// read, and nothing of what it says.
pub fn read(body: &str) -> anyhow::Result<Vec<(&'static str, Document)>> {
    let message: Message =
        serde_json::from_str(body).map_err(|error| anyhow!("line {} column {}", error.line(), error.column()))?;
    let records = message.records.into_iter().enumerate();
    records.map(|(index, record)| stored(record).with_context(|| format!("record {index}"))).collect()
}

fn stored(mut record: Map<String, Value>) -> anyhow::Result<(&'static str, Document)> {
    let name = record.shift_remove("kind");
    let kind = KINDS.iter().find(|kind| name.as_ref().is_some_and(|name| name == kind.name));
    let kind = kind.context("a kind that nobody knows")?;
    let document = (kind.document)(Value::Object(record)).map_err(|_| anyhow!("not one of {}", kind.name))?;
    Ok((kind.collection, document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{queue::Queued, schema};
    use serde_json::json;

    /// A record of each kind, with all its fields.
    fn records() -> [Value; 5] {
        let at = "2026-01-01T00:00:00.123Z";
        [
            json!({"kind": "analytics", "id": "1", "promptId": "p", "event": "view", "metadata": {"$date": 1, "most": u64::MAX},
                "sessionId": "s", "occurredAt": at}),
            json!({"kind": "ai_usage", "id": "1", "userId": "u", "keyId": "k", "provider": "p", "model": "m", "promptTokens": 1,
                "completionTokens": 2, "costMicros": 3, "priced": true, "latencyMs": 4, "endpoint": "e", "success": false,
                "error": "e", "sessionId": "s", "occurredAt": at, "receivedAt": at}),
            json!({"kind": "api_key_usage", "id": "1", "userId": "u", "keyId": "k", "provider": "p", "status": "success",
                "occurredAt": at}),
            json!({"kind": "audit", "id": "1", "action": "a", "category": "c", "severity": "s", "outcome": "o", "actorId": "u",
                "actorRole": "r", "resource": "r", "ip": "i", "userAgent": "a", "requestId": "r", "details": {"a": [1, null]},
                "at": at, "expiresAt": at, "hash": "h"}),
            json!({"kind": "affiliate_click", "id": "1", "linkId": "l", "occurredAt": at}),
        ]
    }

    fn message(record: &Value) -> String {
        json!({"records": [record]}).to_string()
    }

    #[test]
    fn an_event_of_any_kind_is_stored_under_its_id_with_real_dates() {
        for (record, kind) in records().iter().zip(KINDS) {
            let (collection, document) = read(&message(record)).expect(kind.name).remove(0);
            assert_eq!((collection, document.get_str("_id").ok()), (kind.collection, Some("1")));
            assert!(!document.contains_key("kind") && !document.contains_key("id"));
            schema::tests::assert_expires(collection, &document);
            let fields = record.as_object().expect("an object");
            assert_eq!(document.len(), fields.len() - 1, "{collection}: all but its kind");
            for (field, _) in fields.iter().filter(|(_, value)| **value == "2026-01-01T00:00:00.123Z") {
                assert_eq!(
                    document.get_datetime(field).map(|at| at.timestamp_millis() % 1000).ok(),
                    Some(123),
                    "{field}"
                );
            }
        }
    }

    #[test]
    fn an_event_of_any_kind_is_sent_as_it_is_read() {
        fn sent<T: QueuedEvent>(mut record: Value) -> String {
            record.as_object_mut().expect("an object").shift_remove("kind");
            serde_json::to_string(&Queued(serde_json::from_value::<T>(record).expect("an event"))).expect("JSON")
        }
        let sent =
            [sent::<AnalyticsEvent>, sent::<AiUsage>, sent::<ApiKeyUsage>, sent::<AuditEntry>, sent::<AffiliateClick>];
        for (record, sent) in records().into_iter().zip(sent) {
            assert_eq!(sent(record.clone()), record.to_string());
        }
    }

    #[test]
    fn what_is_not_as_it_was_sent_is_refused_and_not_told() {
        let [analytics, usage, ..] = records();
        let with = |record: &Value, field: &str, value: Value| {
            let mut record = record.clone();
            record[field] = value;
            record
        };
        for record in [
            json!({"kind": "secret"}),
            json!({"kind": 1}),
            json!({}),
            json!({"kind": "affiliate_click"}),
            with(&analytics, "secret", json!(1)),
            with(&analytics, "event", json!("secret")),
            with(&analytics, "occurredAt", json!("secret")),
            // The driver would refuse the whole insert for it.
            with(&analytics, "metadata", json!({"secret\u{0}": 1})),
            with(&usage, "costMicros", json!(u64::MAX)),
            with(&usage, "promptTokens", json!(-1)),
        ] {
            let error = read(&message(&record)).expect_err("refused");
            assert!(format!("{error:#}").starts_with("record 0: "), "{error:#}");
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
        assert!(read(r#"{"records":[],"more":1}"#).is_err());
    }
}
