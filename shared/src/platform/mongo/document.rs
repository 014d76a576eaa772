//! Values in and out of the store. What has a type is stored by that, as serde says; what a client says in free form is
//! stored as the JSON that it is.
//!
//! A document has its id as `_id`, and as `id` in JSON.

use anyhow::{bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf};
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::Error};
use serde_json::{Map, Value};

use crate::{clock::Moment, storable::unstorable};

/// A typed value as a document. Where a field is a [`Moment`], the document has a date.
///
/// As the driver writes it, which is not what `bson::serialize_to_document` does: that takes itself for human-readable,
/// and would make texts of the dates.
pub fn to_document(value: &impl Serialize) -> bson::error::Result<Document> {
    let raw = RawDocumentBuf::from_bytes(bson::serialize_to_vec(value)?)?;
    Ok(with_id(Document::try_from(raw)?))
}

/// An object of free form, such as an item of the content, as a document. No text becomes a date.
///
/// Not by the library's serialiser: it refuses whole numbers above 2⁶³. Here they become the nearest floating-point
/// number.
pub fn from_json(object: &Map<String, Value>) -> anyhow::Result<Document> {
    match checked(&Value::Object(object.clone()))? {
        Bson::Document(document) => Ok(with_id(document)),
        other => bail!("{other} is no object"),
    }
}

/// To serialise a field of free form: as the JSON that it is, in JSON; as [`from_json`] does, in a document.
pub fn free_form<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return value.serialize(serializer);
    }
    let value = serde_json::to_value(value).map_err(S::Error::custom)?;
    checked(&value).map_err(S::Error::custom)?.serialize(serializer)
}

fn with_id(mut document: Document) -> Document {
    if let Some(id) = document.remove("id") {
        document.insert("_id", id);
    }
    document
}

fn checked(value: &Value) -> anyhow::Result<Bson> {
    match unstorable(value) {
        Some((path, why)) => bail!("{path} {why}"),
        None => Ok(bson(value)),
    }
}

fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().map_or(Bson::Null, Bson::Double),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.iter().map(bson).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            fields.iter().map(|(key, field)| (key.clone(), bson(field))).collect::<Document>().into()
        }
    }
}

/// A document as the JSON object that it was made of: dates as text, `_id` as `id`, in front.
///
/// Read from the raw bytes: on the way through [`Document`] an object with a key like `$date` would
/// be taken for extended JSON, and lost.
pub fn to_json(document: &RawDocument) -> anyhow::Result<Map<String, Value>> {
    let mut odd = Vec::new();
    let object = to_json_leniently(document, &mut odd)?;
    ensure!(odd.is_empty(), "{} has no place in JSON", odd.join(", "));
    Ok(object)
}

/// As [`to_json`], of a document that another tool may have made. What JSON has no form for becomes what comes nearest: an
/// id of MongoDB's own its digits, a decimal its number, bytes their base64; else null. The fields are added to `odd`,
/// but for an `_id`, of which nothing is lost. An error is a document that is none.
pub fn to_json_leniently(document: &RawDocument, odd: &mut Vec<String>) -> anyhow::Result<Map<String, Value>> {
    let mut object = Map::new();
    for element in document {
        let (key, value) = element?;
        let (key, before) = (if key.as_str() == "_id" { "id" } else { key.as_str() }, odd.len());
        let value = json(value, odd)?;
        if key == "id" && !value.is_null() {
            odd.truncate(before);
        }
        odd[before..].iter_mut().for_each(|path| path.insert_str(0, key));
        object.insert(key.to_owned(), value);
    }
    Ok(object)
}

/// The paths of what is odd begin after the value's own.
fn json(value: RawBsonRef<'_>, odd: &mut Vec<String>) -> anyhow::Result<Value> {
    Ok(match value {
        RawBsonRef::Null => Value::Null,
        RawBsonRef::Boolean(flag) => flag.into(),
        RawBsonRef::Int32(number) => number.into(),
        RawBsonRef::Int64(number) => number.into(),
        RawBsonRef::Double(number) if number.is_finite() => number.into(),
        RawBsonRef::String(text) => text.into(),
        RawBsonRef::DateTime(at) if Timestamp::from_millisecond(at.timestamp_millis()).is_ok() => {
            Moment::from(at).to_string().into()
        }
        RawBsonRef::Array(items) => {
            let mut values = Vec::new();
            for (index, item) in items.into_iter().enumerate() {
                values.push(nested(&format!("[{index}]"), item?, odd)?);
            }
            values.into()
        }
        RawBsonRef::Document(document) => {
            let mut fields = Map::new();
            for element in document {
                let (key, field) = element?;
                fields.insert(key.as_str().to_owned(), nested(&format!(".{key}"), field, odd)?);
            }
            fields.into()
        }
        other => {
            odd.push(String::new());
            nearest(other)
        }
    })
}

fn nested(step: &str, value: RawBsonRef<'_>, odd: &mut Vec<String>) -> anyhow::Result<Value> {
    let before = odd.len();
    let value = json(value, odd)?;
    odd[before..].iter_mut().for_each(|path| path.insert_str(0, step));
    Ok(value)
}

fn nearest(value: RawBsonRef<'_>) -> Value {
    match value {
        RawBsonRef::ObjectId(id) => id.to_hex().into(),
        RawBsonRef::Decimal128(decimal) => serde_json::from_str(&decimal.to_string()).unwrap_or_default(),
        RawBsonRef::Binary(binary) => STANDARD.encode(binary.bytes).into(),
        RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => text.into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;
    use serde_json::json;

    #[derive(Serialize)]
    struct Typed {
        id: String,
        at: Moment,
        #[serde(serialize_with = "free_form")]
        free: Option<Value>,
        count: u64,
    }

    fn typed(free: Value) -> Typed {
        Typed { id: "a".into(), at: Moment::default(), free: Some(free), count: 1 }
    }

    fn raw(document: &Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(document).expect("raw")
    }

    #[test]
    fn every_value_comes_back_as_it_went() {
        let value = json!({
            "id": "a", "updatedAt": "2026-01-02T03:04:05.678Z", "role": null, "": 1, "a.b": "\0", "least": i64::MIN,
            "example": {"before": "x", "$date": 1}, "oid": {"$oid": "x"}, "views": 3, "rating": 4.5, "whole": 1.0,
            "big": 9_007_199_254_740_993_i64, "extended": [{"$date": 1}, {"$numberLong": "1"}, {"$oid": "x"}], "tags": ["&", "\"q\"", [null, {"deep": true}]],
        });
        let document = from_json(value.as_object().expect("an object")).expect("a document");
        assert_eq!(document.get_str("_id").ok(), Some("a"));
        assert_eq!(Value::Object(to_json(&raw(&document)).expect("JSON")), value);
        let document = to_document(&typed(value.clone())).expect("a document");
        assert_eq!(to_json(&raw(&document)).expect("JSON")["free"], value);
    }

    #[test]
    fn a_typed_document_has_its_id_and_dates() {
        let document = to_document(&typed(json!({"at": "1970-01-01T00:00:00.000Z"}))).expect("a document");
        let free = doc! {"at": "1970-01-01T00:00:00.000Z"};
        assert_eq!(document, doc! {"at": Moment::default(), "free": free, "count": 1_i64, "_id": "a"});
        let json = serde_json::to_value(typed(json!({"$date": u64::MAX}))).expect("JSON");
        assert_eq!(json, json!({"id": "a", "at": Moment::default(), "free": {"$date": u64::MAX}, "count": 1}));
    }

    #[test]
    fn a_whole_number_that_bson_lacks_becomes_the_nearest_where_it_is_free_and_is_refused_where_it_is_typed() {
        let document = to_document(&typed(json!(u64::MAX))).expect("a document");
        assert!(matches!(document.get("free"), Some(Bson::Double(_))));
        assert!(to_document(&Typed { count: u64::MAX, ..typed(json!(1)) }).is_err());
    }

    #[test]
    fn what_a_document_cannot_hold_is_refused() {
        let value = json!({"a": [{"b\u{0}": 1}]});
        assert!(to_document(&typed(value.clone())).is_err());
        assert!(from_json(value.as_object().expect("an object")).is_err());
        assert!(from_json(json!({"b\u{0}": 1}).as_object().expect("an object")).is_err());
    }

    #[test]
    fn what_json_has_no_form_for_becomes_what_comes_nearest_and_is_named() {
        let id = bson::oid::ObjectId::from_bytes([7; 12]);
        let document = doc! {
            "_id": id, "title": "kept", "rating": "4.5".parse::<bson::Decimal128>().expect("a number"), "score": f64::NAN,
            "list": [1, f64::INFINITY], "deep": {"at": bson::DateTime::MAX}, "bytes": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2] },
            "createdAt": bson::DateTime::from_millis(0),
        };
        let raw = RawDocumentBuf::try_from(&document).expect("raw");
        let mut odd = Vec::new();
        let object = to_json_leniently(&raw, &mut odd).expect("readable");
        let expected = json!({
            "id": id.to_hex(), "title": "kept", "rating": 4.5, "score": null, "list": [1, null], "deep": {"at": null},
            "bytes": "AQI=", "createdAt": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(Value::Object(object), expected);
        assert_eq!(odd, ["rating", "score", "list[1]", "deep.at", "bytes"]);
        assert!(to_json(&raw).is_err_and(|error| error.to_string().starts_with("rating, score")));
    }
}
