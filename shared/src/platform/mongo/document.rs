//! Values in and out of the store: JSON shapes outside, BSON dates inside.

use anyhow::{anyhow, bail};
use bson::{Bson, Document, RawArray, RawBsonRef, RawDocument};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{clock, storable::unstorable};

/// `value`, which is an object in JSON, as a document whose top-level fields named in `dates`, where they are
/// instants, are BSON dates; digits below the millisecond are dropped.
///
/// Not by the library's serialiser: it refuses whole numbers above 2⁶³, and takes an object with a key like
/// `$date` for extended JSON.
pub fn to_document(value: &impl Serialize, dates: &[&str]) -> anyhow::Result<Document> {
    let value = serde_json::to_value(value)?;
    if let Some((path, why)) = unstorable(&value) {
        bail!("{path} {why}");
    }
    let Bson::Document(mut document) = bson(value) else { return Err(anyhow!("only an object is a document")) };
    for field in dates {
        if let Ok(at) = document.get_str(field).unwrap_or_default().parse::<Timestamp>() {
            document.insert(*field, Bson::DateTime(clock::to_bson(at)));
        }
    }
    Ok(document)
}

/// Whole numbers above 2⁶³ become the nearest floating-point number.
fn bson(value: Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(flag) => flag.into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().map_or(Bson::Null, Bson::Double),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.into_iter().map(bson).collect::<Vec<_>>().into(),
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (key, bson(field))).collect::<Document>().into(),
    }
}

/// A document as the JSON object that it was made of: dates as text, `_id` as `id`, in front.
///
/// Read from the raw bytes: on the way through [`Document`] an object with a key like `$date` would
/// be taken for extended JSON, and lost.
pub fn to_json(document: &RawDocument) -> anyhow::Result<Map<String, Value>> {
    let mut object = Map::new();
    for element in document {
        let (key, value) = element?;
        let key = if key.as_str() == "_id" { "id" } else { key.as_str() };
        object.insert(key.to_owned(), json(value)?);
    }
    Ok(object)
}

fn json(value: RawBsonRef<'_>) -> anyhow::Result<Value> {
    Ok(match value {
        RawBsonRef::Null => Value::Null,
        RawBsonRef::Boolean(flag) => flag.into(),
        RawBsonRef::Int32(number) => number.into(),
        RawBsonRef::Int64(number) => number.into(),
        RawBsonRef::Double(number) => number.into(),
        RawBsonRef::String(text) => text.into(),
        RawBsonRef::DateTime(at) => clock::rfc3339(clock::from_bson(at)).into(),
        RawBsonRef::Array(items) => array(items)?,
        RawBsonRef::Document(document) => {
            let fields = document.iter().map(|element| {
                let (key, value) = element?;
                Ok((key.as_str().to_owned(), json(value)?))
            });
            Value::Object(fields.collect::<anyhow::Result<_>>()?)
        }
        other => bail!("a {:?} has no place in content", other.element_type()),
    })
}

fn array(items: &RawArray) -> anyhow::Result<Value> {
    Ok(Value::Array(items.into_iter().map(|item| json(item?)).collect::<anyhow::Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::RawDocumentBuf;
    use serde_json::json;

    #[test]
    fn every_value_comes_back_as_it_went() {
        let value = json!({
            "id": "a", "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": "2026-01-02", "role": null,
            "example": {"before": "x", "$date": 1}, "oid": {"$oid": "x"}, "views": 3, "rating": 4.5, "whole": 1.0,
            "big": 9_007_199_254_740_993_i64, "extended": [{"$date": 1}, {"$numberLong": "1"}, {"$oid": "x"}], "tags": ["&", "\"q\"", [null, {"deep": true}]],
        });
        let document = to_document(&value, &["createdAt", "updatedAt"]).expect("document");
        assert!(matches!(document.get("createdAt"), Some(Bson::DateTime(_))));
        assert!(matches!(document.get("updatedAt"), Some(Bson::String(_))), "not an instant");
        let raw = RawDocumentBuf::try_from(&document).expect("raw");
        assert_eq!(Value::Object(to_json(&raw).expect("JSON")), value);
    }

    #[test]
    fn a_whole_number_that_bson_lacks_becomes_the_nearest_and_what_it_cannot_hold_is_refused() {
        let document = to_document(&json!({"most": u64::MAX}), &[]).expect("document");
        assert!(matches!(document.get("most"), Some(Bson::Double(_))));
        assert!(to_document(&json!({"a": [{"b\u{0}": 1}]}), &[]).is_err());
    }

    #[test]
    fn an_instant_of_any_precision_is_a_date() {
        for text in ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789Z", "2026-01-02T04:04:05.1+01:00"] {
            let document = to_document(&json!({"at": text}), &["at"]).expect("document");
            assert!(matches!(document.get("at"), Some(Bson::DateTime(_))), "{text}");
        }
    }
}
