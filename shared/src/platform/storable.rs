//! What JSON a document can hold: asked where a request is read, and again where it is stored.

use serde_json::Value;

/// Levels of nesting that a value may have: the store takes 100, of which a document's own come off.
const MAX_DEPTH: usize = 64;

/// The first part of `value` that no document can hold, by its path, and the rule that it breaks.
pub fn unstorable(value: &Value) -> Option<(String, &'static str)> {
    find_unstorable(value, 0).map(|(path, rule)| (path.trim_start_matches('.').to_owned(), rule))
}

fn find_unstorable(value: &Value, depth: usize) -> Option<(String, &'static str)> {
    if depth > MAX_DEPTH {
        return Some((String::new(), "must not be nested more than 64 levels deep"));
    }
    match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let (path, rule) = find_unstorable(item, depth + 1)?;
            Some((format!("[{index}]{path}"), rule))
        }),
        Value::Object(fields) => fields.iter().find_map(|(key, field)| {
            if key.contains('\0') {
                return Some((format!(".{}", key.replace('\0', "")), "must not have the character U+0000 in its name"));
            }
            let (path, rule) = find_unstorable(field, depth + 1)?;
            Some((format!(".{key}{path}"), rule))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_document_can_hold_is_named() {
        let deep = (0..100).fold(json!(1), |value, _| json!([value]));
        for (value, path) in [
            (json!({"a": [{"b\u{0}": 1}]}), "a[0].b"),
            (json!({"metadata": {"deep": deep}}), &format!("metadata.deep{}", "[0]".repeat(MAX_DEPTH - 1))),
        ] {
            assert_eq!(unstorable(&value).expect("unstorable").0, path);
        }
        assert_eq!(unstorable(&json!({"": "\u{0}", "$a.b": u64::MAX})), None);
    }
}
