//! What a document must have at the least, where a wrong one would do harm that nobody sees: accounts, keys, and what
//! the queue writes. The store refuses others, whoever writes them. Content has none: it is kept as it comes.

use bson::{Document, doc};

/// A field and its BSON type; `number` is any kind of number.
type Field = (&'static str, &'static str);

const REQUIRED: &[(&str, &[Field])] = &[
    ("users", &[("email", "string"), ("role", "string"), ("createdAt", "date")]),
    ("sessions", &[("userId", "string"), ("familyId", "string"), ("refreshHash", "string"), ("expiresAt", "date")]),
    ("api_keys", &[("publicId", "string"), ("userId", "string"), ("secretHmac", "string"), ("scopes", "array")]),
    (
        "ai_usage",
        &[
            ("userId", "string"),
            ("provider", "string"),
            ("model", "string"),
            ("promptTokens", "number"),
            ("completionTokens", "number"),
            ("costMicros", "number"),
            ("occurredAt", "date"),
        ],
    ),
    ("model_prices", &[("model", "string"), ("from", "date"), ("input", "number"), ("output", "number")]),
    ("api_key_usage", &[("userId", "string"), ("keyId", "string"), ("status", "string"), ("occurredAt", "date")]),
    ("analytics_events", &[("promptId", "string"), ("event", "string"), ("occurredAt", "date")]),
    ("affiliate_clicks", &[("linkId", "string"), ("occurredAt", "date")]),
    ("audit_logs", &[("action", "string"), ("at", "date"), ("expiresAt", "date"), ("hash", "string")]),
];

/// The rule for a collection's documents, if it has one.
pub(super) fn validator(collection: &str) -> Option<Document> {
    let (_, fields) = REQUIRED.iter().find(|(name, _)| *name == collection)?;
    let required: Vec<_> = fields.iter().map(|(field, _)| *field).collect();
    let properties: Document =
        fields.iter().map(|(field, kind)| ((*field).to_owned(), doc! {"bsonType": *kind}.into())).collect();
    Some(doc! {"$jsonSchema": {"bsonType": "object", "required": required, "properties": properties}})
}

/// What the documents match that the rule of their collection refuses.
pub(super) fn contradicts(collection: &str) -> Option<Document> {
    let (_, fields) = REQUIRED.iter().find(|(name, _)| *name == collection)?;
    let is_not = |(field, kind): &Field| doc! {*field: {"$not": {"$type": *kind}}};
    Some(doc! {"$or": fields.iter().map(is_not).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::COLLECTIONS;

    #[test]
    fn every_rule_is_of_a_declared_collection() {
        for (name, _) in REQUIRED {
            assert!(COLLECTIONS.iter().any(|collection| collection.name == *name), "{name}");
            assert!(validator(name).is_some());
        }
        assert!(validator("prompts").is_none());
    }
}
