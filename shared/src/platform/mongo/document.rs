//! Values in and out of the store. What has a type is stored by that, as serde says; what a client says in free form is
//! stored as the JSON that it is.
//!
//! A document has its id as `_id`, and as `id` in JSON.

use anyhow::bail;
use bson::{Bson, Document, RawArray, RawBsonRef, RawDocument, RawDocumentBuf};
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
        RawBsonRef::DateTime(at) => Moment::from(at).to_string().into(),
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
}
