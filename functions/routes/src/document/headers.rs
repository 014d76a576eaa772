//! The headers of answers, each described once.

use serde_json::{Map, Value, json};

/// Name, name of the component, description, schema.
type Header = (&'static str, &'static str, &'static str, fn() -> Value);

const HEADERS: [Header; 10] = [
    ("x-request-id", "RequestId", "Finds the request in the logs; a problem's `requestId`.", text),
    (
        "ratelimit-policy",
        "RateLimitPolicy",
        "The limit that counts the caller: its name, requests (`q`), and seconds of its window (`w`). Absent where \
         nothing is counted.",
        || json!({"type": "string", "examples": ["\"account\";q=300;w=60"]}),
    ),
    (
        "ratelimit",
        "RateLimit",
        "What is left of that limit: requests (`r`), and seconds until there are more (`t`).",
        || json!({"type": "string", "examples": ["\"account\";r=299;t=60"]}),
    ),
    (
        "retry-after",
        "RetryAfter",
        "Seconds to wait before the request is sent again. Absent where API Gateway refused it (its throttle, or a \
         function at its cap), and where waiting does not help.",
        || json!({"type": "integer", "minimum": 0}),
    ),
    (
        "etag",
        "ETag",
        "The version of what is answered: for `If-None-Match`; of a prompt, as its editors get it, for `If-Match`.",
        || json!({"type": "string", "pattern": "^(W/)?\".*\"$"}),
    ),
    ("location", "Location", "Where it leads.", || json!({"type": "string", "format": "uri"})),
    (
        "x-content-source",
        "ContentSource",
        "Where the content came from: the published file, MongoDB, or the backup that the function carries. Absent \
         from what editors get.",
        || json!({"type": "string", "enum": ["json", "mongodb", "backup"]}),
    ),
    (
        "deprecation",
        "Deprecation",
        "Since when the operation is deprecated (RFC 9745).",
        || json!({"type": "string", "pattern": "^@[0-9]+$"}),
    ),
    ("link", "Link", "What takes the place of a deprecated operation (`rel=\"successor-version\"`).", text),
    ("www-authenticate", "WwwAuthenticate", "The scheme to authenticate with: `Bearer`.", text),
];

/// What every answer may carry.
const ALL: [&str; 3] = ["x-request-id", "ratelimit-policy", "ratelimit"];

const NOT_MODIFIED: &str = "It is what `If-None-Match` names.";

fn text() -> Value {
    json!({"type": "string"})
}

/// Handlers name the headers of their answers; here they are described, and those are added that follow from a status.
pub(super) fn complete(document: &mut Value) {
    let described = HEADERS.iter().map(|(_, component, description, schema)| {
        ((*component).to_owned(), json!({"description": description, "schema": schema()}))
    });
    document["components"]["headers"] = described.collect::<Map<_, _>>().into();
    for (status, response) in document["components"]["responses"].as_object_mut().into_iter().flatten() {
        complete_response(status.trim_start_matches("Problem"), response);
    }
    for (_, method, operation) in super::operations(document) {
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        let has_tag = method == "get" && responses.get("200").is_some_and(|read| !read["headers"]["etag"].is_null());
        if has_tag {
            responses.insert("304".into(), json!({"description": NOT_MODIFIED, "headers": {"etag": {}}}));
            responses.sort_keys();
        }
        responses.iter_mut().for_each(|(status, response)| complete_response(status, response));
        if has_tag && let Some(parameters) = operation.entry("parameters").or_insert(json!([])).as_array_mut() {
            parameters.push(json!({
                "name": "if-none-match", "in": "header", "required": false, "schema": {"type": "string"},
                "description": "ETags of what the caller has: 304 if one of them is still right.",
            }));
        }
    }
}

fn complete_response(status: &str, response: &mut Value) {
    if response.get("$ref").is_some() {
        return;
    }
    let of_status: &[&str] = match status {
        "401" => &["www-authenticate"],
        "429" | "503" => &["retry-after"],
        _ => &[],
    };
    let own = response["headers"].as_object().cloned().unwrap_or_default();
    let names = ALL.iter().chain(of_status).copied().chain(own.keys().map(String::as_str));
    let references = names.map(|name| {
        let known = HEADERS.iter().find(|(header, ..)| *header == name);
        let reference = known.map(|(_, component, ..)| json!({"$ref": format!("#/components/headers/{component}")}));
        (name.to_owned(), reference.unwrap_or_else(|| own[name].clone()))
    });
    response["headers"] = references.collect::<Map<_, _>>().into();
}
