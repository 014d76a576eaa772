//! An example of each request and of each success, made of its schema: what a schema or a field says of itself, else
//! the word that `examples.json` has for a field of that name, else what its type allows. Of a body without a schema of
//! its own, `examples.json` has the whole, by the operation's id.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// By `Schema.field`, by the field's name alone, or by `operationId`.
static WORDS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

pub(super) fn complete(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let complete = |body: &mut Value, whole: Option<&Value>| {
        let media = body.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten();
        for (_, media) in media.filter(|(kind, _)| kind.starts_with("application/json")) {
            let made = || Schemas(&schemas).example(&media["schema"], "", "");
            media["example"] = whole.cloned().unwrap_or_else(made);
        }
    };
    for (_, _, operation) in super::operations(document) {
        let whole = operation.get("operationId").and_then(Value::as_str).and_then(|id| WORDS.get(id));
        operation.get_mut("requestBody").into_iter().for_each(|body| complete(body, None));
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten();
        let successes = responses.filter(|(status, _)| status.starts_with('2'));
        successes.for_each(|(_, response)| complete(response, whole));
    }
}

struct Schemas<'a>(&'a Value);

impl Schemas<'_> {
    /// Of a schema that is the `field` of `owner`, or by itself if that is empty.
    fn example(&self, schema: &Value, owner: &str, field: &str) -> Value {
        if let Some(example) = schema.get("example").or_else(|| WORDS.get(&format!("{owner}.{field}"))) {
            return example.clone();
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            let target = &self.0[name];
            return if target.get("properties").is_none() && target["type"] == "string" {
                self.example(target, owner, field)
            } else {
                self.example(target, name, "")
            };
        }
        if let Some(only) = schema["enum"].get(0) {
            return only.clone();
        }
        let variants = schema["oneOf"].as_array().into_iter().flatten();
        if let Some(variant) = variants.into_iter().find(|variant| variant["type"] != "null") {
            return self.example(variant, owner, field);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().map(|part| self.example(part, owner, ""));
            let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
            return Value::Object(fields.collect());
        }
        match kind(schema) {
            "object" => self.object(schema, owner, field),
            "array" => json!([self.example(&schema["items"], owner, field)]),
            kind => {
                let word = WORDS.get(field).filter(|word| fits(kind, word));
                word.cloned().unwrap_or_else(|| scalar(kind, schema))
            }
        }
    }

    /// What is sent is short: what must be said. What is answered is whole.
    fn object(&self, schema: &Value, owner: &str, field: &str) -> Value {
        let is_request = schema["additionalProperties"] == false;
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        let shown = |name: &str| !is_request || required.is_empty() || required.contains(&json!(name));
        let fields = schema["properties"].as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| shown(name));
        let mut fields: Map<_, _> =
            fields.map(|(name, schema)| (name.clone(), self.example(schema, owner, name))).collect();
        if let Some(more) = schema.get("additionalProperties").filter(|more| more.get("type").is_some()) {
            fields.insert("debugging".into(), self.example(more, owner, field));
        }
        fields.into()
    }
}

/// The type of a schema, null aside.
fn kind(schema: &Value) -> &str {
    let kinds = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
    kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("object")
}

fn fits(kind: &str, word: &Value) -> bool {
    match kind {
        "string" => word.is_string(),
        "integer" => word.is_u64(),
        "number" => word.is_number(),
        _ => word.is_boolean(),
    }
}

fn scalar(kind: &str, schema: &Value) -> Value {
    match (kind, schema["format"].as_str()) {
        ("string", Some("date-time")) => "2026-11-22T09:30:00.000Z".into(),
        ("string", Some("date")) => "2026-11-22".into(),
        ("string", Some("uuid")) => "0193531a-8c40-7c3e-9f6a-2b7d5e8f1a90".into(),
        ("string", Some("email")) => "ada@example.com".into(),
        ("string", Some("uri")) => "https://app.example.com/prompts/1".into(),
        ("string", Some("password")) => "blue lantern by the mill".into(),
        ("string", _) => "text".into(),
        ("boolean", _) => true.into(),
        _ => schema.get("minimum").filter(|minimum| minimum.as_f64() > Some(0.0)).cloned().unwrap_or(json!(12)),
    }
}
