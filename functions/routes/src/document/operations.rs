//! Who may call each operation, and what the parts of its path are.

use serde_json::{Map, Value, json};

/// What handlers call a platform key that they accept, with the scope that it needs. In a request it is sent as an
/// access token is, so both are one scheme.
const PLATFORM_KEY: &str = "apiKey";

const BEARER: &str = "An access token from a sign-in (15 minutes, then `refreshSession`), or where an operation says so \
    a platform key (`pk_…`) with the scope that it names in `x-platform-key-scopes`. Both are sent in the same way.";

/// Parts of paths that mean the same wherever they stand; what a handler says of one counts more.
const PATH_PARTS: [(&str, &str); 6] = [
    ("id", "Its id."),
    ("keyId", "The key's id."),
    ("part", "Which part of the export, from 1 on."),
    ("runId", "The run's id."),
    ("collectionId", "The kept prompt's id."),
    ("linkId", "The link's id."),
];

pub(super) fn complete(document: &mut Value) {
    document["components"]["securitySchemes"] =
        json!({"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or pk_…", "description": BEARER}});
    super::operations(document).for_each(|(_, _, operation)| {
        secure(operation);
        operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten().for_each(describe);
    });
}

fn describe(parameter: &mut Value) {
    let known = PATH_PARTS.iter().find(|(name, _)| parameter["in"] == "path" && parameter["name"] == *name);
    if let Some((_, text)) = known
        && parameter.get("description").is_none()
    {
        parameter["description"] = (*text).into();
    }
}

fn secure(operation: &mut Map<String, Value>) {
    let (mut scopes, mut keys_alone) = (Vec::new(), false);
    // Nothing said means that anybody may.
    if let Some(ways) = operation.entry("security").or_insert(json!([])).as_array_mut() {
        ways.retain(|way| {
            let of_key = way[PLATFORM_KEY].as_array();
            scopes.extend(of_key.into_iter().flatten().cloned());
            of_key.is_none()
        });
        keys_alone = ways.is_empty() && !scopes.is_empty();
        if keys_alone {
            ways.push(json!({"bearer": []}));
        }
    }
    if scopes.is_empty() {
        return;
    }
    let names: Vec<_> = scopes.iter().filter_map(Value::as_str).map(|scope| format!("`{scope}`")).collect();
    let before = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let (who, too) = if keys_alone { ("Only a", "") } else { ("A", ", too") };
    let text = format!("{before}\n\n{who} platform key with the scope {} may call it{too}.", names.join(" or "));
    operation.insert("description".into(), text.trim().into());
    operation.insert("x-platform-key-scopes".into(), scopes.into());
}
