//! Completes the API's document, which the handlers' own descriptions begin: what is the same for many operations is
//! said here, once.

mod codes;
mod examples;
mod headers;
mod operations;
mod responses;
mod unions;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// Tags, in the order in which somebody gets to know the product.
const TAGS: [(&str, &str); 10] = [
    ("content", "Prompts, patterns and learning resources: reading them, and writing prompts."),
    ("accounts", "Sign-up, sign-in, sessions, passwords, second factors, and what somebody did."),
    ("keys", "Platform keys, with which programs call this API, and the secrets of AI providers."),
    ("usage", "AI usage: reporting it, what is left of the plan, alerts."),
    ("workbench", "Runs of the workbench's tools, within their budgets."),
    ("analytics", "What is viewed, copied and followed."),
    ("statistics", "What the platform holds."),
    ("feedback", "Bug reports."),
    ("administration", "Accounts, the audit log, reports and affiliate links, for administrators."),
    ("operations", "Whether the API is up, and this document."),
];

/// The document as it is served.
pub fn complete(mut document: OpenApi) -> serde_json::Result<Value> {
    responses::complete(&mut document);
    let mut document = serde_json::to_value(document)?;
    document["tags"] =
        TAGS.into_iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
    document["servers"] = json!([
        {"url": "/", "description": "Where this document came from."},
        {
            "url": "{scheme}://{host}",
            "description": "Any deployment: the output `ApiUrl` of its stack, or its own domain.",
            "variables": {
                "scheme": {"default": "http", "enum": ["https", "http"]},
                "host": {"default": "127.0.0.1:3000", "description": "The local stack by default."},
            },
        },
    ]);
    codes::complete(&mut document);
    operations::complete(&mut document);
    unions::complete(&mut document);
    open_objects(&mut document["components"]["schemas"]);
    open_objects(&mut document["paths"]);
    headers::complete(&mut document);
    examples::complete(&mut document);
    Ok(document)
}

/// Each operation with its path and method.
fn operations(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Map<String, Value>)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object_mut().into_iter().flatten();
        methods.filter_map(|(method, operation)| Some((path.as_str(), method.as_str(), operation.as_object_mut()?)))
    })
}

/// An object of which nothing is said may hold anything; tools take it for an empty one otherwise.
fn open_objects(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(open_objects),
        Value::Object(parts) => {
            parts.iter_mut().filter(|(name, _)| *name != "example").for_each(|(_, part)| open_objects(part));
            let is_object = parts.get("type").is_some_and(|kind| {
                kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("object")))
            });
            if is_object && !parts.contains_key("properties") {
                parts.entry("additionalProperties").or_insert(json!(true));
            }
        }
        _ => {}
    }
}
