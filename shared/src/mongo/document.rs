//! Values in and out of the store: JSON shapes outside, BSON dates inside.

use bson::{Bson, Document};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock;

/// `value` as a document in which the top-level fields named in `dates` are BSON dates.
///
/// A text that would not come back letter by letter (another precision, another zone) stays text,
/// so that nothing is lost on the way through the store.
pub fn to_document(value: &impl Serialize, dates: &[&str]) -> bson::error::Result<Document> {
    let mut document = bson::serialize_to_document(value)?;
    for field in dates {
        let Some(Bson::String(text)) = document.get(field) else { continue };
        if let Ok(at) = text.parse::<Timestamp>()
            && clock::rfc3339(at) == *text
        {
            document.insert(*field, clock::to_bson(at));
        }
    }
    Ok(document)
}

/// A document as the JSON object that it was made of: dates as text, `_id` as `id`.
pub fn to_json(mut document: Document) -> serde_json::Result<Map<String, Value>> {
    for (_, value) in document.iter_mut() {
        if let Bson::DateTime(at) = value {
            *value = Bson::String(clock::rfc3339(clock::from_bson(*at)));
        }
    }
    let id = document.remove("_id");
    let mut object = Map::new();
    if let Some(id) = id {
        object.insert("id".into(), serde_json::to_value(id)?);
    }
    for (key, value) in document {
        object.insert(key, serde_json::to_value(value)?);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_comes_back_as_it_went() {
        let value = json!({
            "id": "a", "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": "2026-01-02", "role": null,
            "example": {"before": "x", "$date": 1}, "views": 3, "rating": 4.5, "whole": 1.0, "big": 9_007_199_254_740_993_i64, "tags": ["&", "\"q\""],
        });
        let mut document = to_document(&value, &["createdAt", "updatedAt"]).expect("document");
        assert!(matches!(document.get("createdAt"), Some(Bson::DateTime(_))));
        assert!(matches!(document.get("updatedAt"), Some(Bson::String(_))));
        let id = document.remove("id").expect("id");
        document.insert("_id", id);
        assert_eq!(Value::Object(to_json(document).expect("JSON")), value);
    }
}
