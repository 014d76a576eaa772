//! Documents that cannot be read: made by hand, by another tool, or by an older version. A list goes on without them, and
//! the log names each.

use bson::{RawDeserializer, RawDocument, RawDocumentBuf};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::to_json_leniently;
use crate::telemetry::Incident;

/// Those of a collection's documents that are what they should be, in their order.
pub fn readable<T: DeserializeOwned>(collection: &str, documents: &[RawDocumentBuf]) -> Vec<T> {
    let read = |document: &RawDocumentBuf| {
        let value = bson::deserialize_from_slice(document.as_bytes());
        value.inspect_err(|_| note_odd(collection, document, &reason::<T>(document))).ok()
    };
    documents.iter().filter_map(read).collect()
}

/// The field, by a second reading, and what is expected there: never what is there, which may be nobody's to log.
fn reason<T: DeserializeOwned>(document: &RawDocumentBuf) -> String {
    let read = RawDeserializer::new(document.as_bytes()).map(serde_path_to_error::deserialize::<_, T>);
    let Ok(Err(error)) = read else { return "cannot be read".into() };
    let message = error.inner().to_string().trim_end_matches('.').to_owned();
    let rule = match (message.find("missing field"), message.rsplit_once(", expected ")) {
        (Some(start), _) => &message[start..],
        (None, Some((_, expected))) => &format!("expected {expected}"),
        (None, None) => "cannot be read",
    };
    format!("{}: {rule}", error.path())
}

/// As [`readable`], as JSON, in which an odd field is what comes nearest.
pub fn readable_json(collection: &str, documents: &[RawDocumentBuf]) -> Vec<Map<String, Value>> {
    let read = |document: &RawDocumentBuf| {
        let mut odd = Vec::new();
        let object = to_json_leniently(document, &mut odd);
        match &object {
            Err(error) => note_odd(collection, document, &error.to_string()),
            Ok(_) if !odd.is_empty() => note_odd(collection, document, &format!("no JSON: {}", odd.join(", "))),
            Ok(_) => {}
        }
        object.ok()
    };
    documents.iter().filter_map(read).collect()
}

/// Names an odd document in the log, and counts it.
pub fn note_odd(collection: &str, document: &RawDocument, reason: &str) {
    let id = document.get("_id").ok().flatten().map(|id| format!("{id:?}")).unwrap_or_default();
    tracing::error!(collection, id, reason, "a document is odd: it was made by hand or by another tool");
    Incident::OddDocument.count();
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{doc, oid::ObjectId};

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Named {
        name: String,
    }

    #[test]
    fn an_odd_document_does_not_take_the_others_down() {
        let documents =
            [doc! {"_id": "a", "name": "Ada"}, doc! {"_id": ObjectId::new(), "name": 7}, doc! {"name": "Eve"}];
        let raw = documents.map(|document| RawDocumentBuf::try_from(&document).expect("raw"));
        let names: Vec<Named> = readable("people", &raw);
        assert_eq!(names.iter().map(|named| named.name.as_str()).collect::<Vec<_>>(), ["Ada", "Eve"]);
        assert_eq!(readable_json("people", &raw).len(), 3);
    }

    #[test]
    fn the_field_is_named_and_what_it_holds_is_not() {
        let reason_of = |document: bson::Document| reason::<Named>(&RawDocumentBuf::try_from(&document).expect("raw"));
        assert_eq!(reason_of(doc! {"name": {"secret": "$argon2id$"}}), "name: expected a string");
        assert_eq!(reason_of(doc! {"name": 7}), "name: expected a string");
        assert!(reason_of(doc! {"other": "ada@example.com"}).contains("missing field `name`"));
    }
}
