//! Why a value could not be read, in the words of who wrote it: of the field and of JSON's types, never of Rust's.

use super::FieldError;

/// The field and the rule it breaks, of what serde says of the value at `path` (`.` is the whole).
pub(super) fn refusal(path: &str, message: &str) -> FieldError {
    let parent = path.trim_start_matches(['.', '?']);
    let child = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    let of = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
    let (field, message) = if let Some(name) = of("missing field `") {
        (child(name), "is required".to_owned())
    } else if let Some(name) = of("duplicate field `") {
        // The path may or may not end with the name already.
        let field = if parent.rsplit('.').next() == Some(name) { parent.to_owned() } else { child(name) };
        (field, "is given more than once".to_owned())
    } else {
        let whole = if parent.is_empty() { "body" } else { parent };
        (whole.to_owned(), rule(message))
    };
    FieldError { field, message }
}

fn rule(message: &str) -> String {
    // `serde_json` ends its messages with a line and a column; the field's path says it better.
    let message = message.split(" at line ").next().unwrap_or(message);
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => "must be a whole number".into(),
        "number too large to fit in target type" => "is too large a number".into(),
        "number too small to fit in target type" => "is too small a number".into(),
        "invalid float literal" => "must be a number".into(),
        // What serde_json says of a number where a word is wanted.
        "expected value" => "must be one of the known values".into(),
        "provided string was not `true` or `false`" => "must be true or false".into(),
        _ => {
            let is_of_type = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
            match message.rsplit_once(", expected ") {
                Some((what, expected)) if is_of_type.iter().any(|start| what.starts_with(start)) => {
                    format!("must be {}", in_json(expected))
                }
                _ => message.to_owned(),
            }
        }
    }
}

/// A type as JSON has it.
fn in_json(expected: &str) -> String {
    let known = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "string" | "a string" | "str" | "a character" => "text",
        "bool" | "a boolean" => "true or false",
        "unit" => "null",
        "a sequence" => "a list",
        "a map" => "an object",
        "variant identifier" | "string or map" => "one of the known values",
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged enum ") => "an object",
        _ if expected.starts_with("enum ") => "one of the known values",
        _ if expected.starts_with("tuple ") || expected.starts_with("a tuple ") => "a list",
        _ => expected,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Body {
        count: u64,
        small: Option<u8>,
        share: Option<f64>,
        name: Option<String>,
        kind: Option<Kind>,
        items: Option<Vec<Item>>,
        on: Option<bool>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read into")]
    struct Item {
        prompt_id: String,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        View,
        Copy,
    }

    fn refused(body: &str) -> (String, String) {
        let mut json = serde_json::Deserializer::from_str(body);
        let error = serde_path_to_error::deserialize::<_, Body>(&mut json).expect_err("must be refused");
        let path = error.path().to_string();
        let FieldError { field, message } = refusal(&path, &error.into_inner().to_string());
        (field, message)
    }

    #[test]
    fn a_refusal_speaks_of_the_field_and_of_json() {
        for (body, field, message) in [
            ("{}", "count", "is required"),
            (r#"{"count": 1, "items": [{}]}"#, "items[0].promptId", "is required"),
            (r#"{"count": -1}"#, "count", "must be a whole number, 0 or more"),
            (r#"{"count": 1.5}"#, "count", "must be a whole number, 0 or more"),
            (r#"{"count": "1"}"#, "count", "must be a whole number, 0 or more"),
            (r#"{"count": null}"#, "count", "must be a whole number, 0 or more"),
            (r#"{"count": 1e30}"#, "count", "must be a whole number, 0 or more"),
            (r#"{"count": 1, "small": 256}"#, "small", "must be a whole number from 0 to 255"),
            (r#"{"count": 1, "share": "half"}"#, "share", "must be a number"),
            (r#"{"count": 1, "name": 5}"#, "name", "must be text"),
            (r#"{"count": 1, "on": "yes"}"#, "on", "must be true or false"),
            (r#"{"count": 1, "items": {}}"#, "items", "must be a list"),
            (r#"{"count": 1, "items": [7]}"#, "items[0]", "must be an object"),
            (r#"{"count": 1, "kind": "run"}"#, "kind", "must be `view` or `copy`"),
            (r#"{"count": 1, "kind": 5}"#, "kind", "must be one of the known values"),
            (r#"{"count": 1, "count": 2}"#, "count", "is given more than once"),
            ("[]", "body", "must be an object"),
            ("7", "body", "must be an object"),
        ] {
            assert_eq!(refused(body), (field.into(), message.into()), "{body}");
        }
        let (field, message) = refused(r#"{"count": 1, "cuont": 2}"#);
        assert!(field == "cuont" && message.starts_with("unknown field `cuont`"), "{field} {message}");
    }
}
