//! A JSON body, checked in the order in which a client can act on it: type of content, size, syntax,
//! fields, rules.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
};
use garde::Validate;
use http::header;
use serde::{Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{FieldError, Problem, refusal::refusal};
use crate::{number, storable::unstorable, text};

/// The largest body that any route takes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The largest body of a [`SmallBody`].
const MAX_SMALL_BODY_BYTES: usize = 4 * 1024;

/// The request's body as `T`, valid by `T`'s own rules.
///
/// 415 for another content type, 413 over [`MAX_BODY_BYTES`], 400 for what is not JSON, 422 with the
/// field's path for the rest.
pub struct JsonBody<T>(pub T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_body(request, MAX_BODY_BYTES).await.map(Self)
    }
}

/// As [`JsonBody`], of at most [`MAX_SMALL_BODY_BYTES`]: from callers who need not be signed in.
pub struct SmallBody<T>(pub T);

impl<T, S> FromRequest<S> for SmallBody<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_body(request, MAX_SMALL_BODY_BYTES).await.map(Self)
    }
}

async fn read_body<T>(request: Request, limit: usize) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate<Context: Default>,
{
    if !is_json(&request) {
        return Err(Problem::unsupported_media_type("application/json"));
    }
    let bytes = to_bytes(request.into_body(), limit).await.map_err(|_| Problem::too_large(limit))?;
    parse(&bytes)
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse<T: DeserializeOwned + Validate<Context: Default>>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::malformed("The body is not UTF-8 text."))?;
    // Some editors and scripts put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The whole must be JSON, and such as the store can hold, before any field of it is judged.
    let mut whole: Value = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if let Some((field, rule)) = unstorable(&whole) {
        return Err(Problem::invalid_field(if field.is_empty() { "body" } else { &field }, rule));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let first = read(&mut json);
    // A second reading, since the first one tells a field that is given twice.
    let is_normal = !text::normalise(&mut whole);
    let value: T = match first {
        Ok(value) if is_normal => value,
        Ok(_) => read(whole)?,
        // Some clients write 12.0 for 12.
        Err(problem) if number::without_fractions(&mut whole) => read(whole).map_err(|_| problem)?,
        Err(problem) => return Err(problem),
    };
    value.validate().map_err(|report| Problem::invalid(field_errors(&report)))?;
    Ok(value)
}

/// 422 with the field's path for what is no `T`.
fn read<'de, T: DeserializeOwned, D: Deserializer<'de>>(json: D) -> Result<T, Problem> {
    serde_path_to_error::deserialize(json)
        .map_err(|error| Problem::invalid(vec![refusal(&error.path().to_string(), &error.inner().to_string())]))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!("The body is not valid JSON: {error}."))
}

/// The rules' own words, by the field's path.
pub(super) fn field_errors(report: &garde::Report) -> Vec<FieldError> {
    let error = |(path, error): &(garde::Path, garde::Error)| FieldError {
        field: camel_case(&path.to_string()),
        message: error.message().to_owned(),
    };
    report.iter().map(error).collect()
}

/// The rules know fields by their Rust names; JSON has them in camelCase.
fn camel_case(path: &str) -> String {
    let mut upper = false;
    let mut name = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '_' => upper = true,
            _ if std::mem::take(&mut upper) => name.extend(character.to_uppercase()),
            _ => name.push(character),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Item {
        #[garde(length(min = 1, max = 3))]
        prompt_id: String,
    }

    #[derive(Debug, Deserialize, Validate)]
    struct Batch {
        #[garde(dive, length(max = 2))]
        events: Vec<Item>,
    }

    #[derive(Debug, Deserialize, Validate)]
    struct Counted {
        #[garde(range(max = 100))]
        count: u64,
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_nothing() {
        for body in ["{\"count\": 12}", "{\"count\": 12.0}", "{\"count\": 1.2e1}"] {
            assert_eq!(parse::<Counted>(body.as_bytes()).ok().map(|counted| counted.count), Some(12), "{body}");
        }
        for body in ["{\"count\": 12.5}", "{\"count\": -1.0}", "{\"count\": \"12\"}", "{\"count\": 101.0}"] {
            assert!(parse::<Counted>(body.as_bytes()).is_err(), "{body}");
        }
    }

    /// Whole as two characters a letter, too short as one.
    #[derive(Debug, Validate)]
    #[garde(allow_unvalidated)]
    struct Long {}

    impl<'de> Deserialize<'de> for Long {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let long = String::deserialize(deserializer)?.chars().count() > 1;
            long.then_some(Self {}).ok_or_else(|| serde::de::Error::custom("is too short"))
        }
    }

    #[test]
    fn what_is_too_short_in_its_normal_form_is_refused_and_no_defect() {
        let refused = parse::<Long>("\"e\u{301}\"".as_bytes()).expect_err("must be refused");
        assert_eq!(refused.status(), 422);
    }

    fn problem(body: &[u8]) -> serde_json::Value {
        let problem = parse::<Batch>(body).expect_err("must be refused");
        serde_json::to_value(problem.document("r")).expect("serialisable")
    }

    #[test]
    fn a_refusal_names_the_field() {
        let wrong_type = problem(br#"{"events":[{"promptId":1}]}"#);
        assert_eq!(
            (&wrong_type["status"], &wrong_type["errors"][0]["field"]),
            (&422.into(), &"events[0].promptId".into())
        );
        let unknown = problem(br#"{"events":[{"promptId":"a","x":1}]}"#);
        assert!(unknown["errors"][0]["message"].as_str().expect("text").contains("unknown field `x`"));
        let too_long = problem(br#"{"events":[{"promptId":"long"}]}"#);
        assert_eq!(too_long["errors"][0]["field"], "events[0].promptId");
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = "[".repeat(10_000);
        for body in [&b"{"[..], b"\xff", b"{\"events\":[]} x", deep.as_bytes()] {
            assert_eq!(problem(body)["status"], 400, "{:?}", String::from_utf8_lossy(&body[..body.len().min(20)]));
        }
        assert!(parse::<Batch>(br#"{"events":[]}"#).is_ok());
        assert!(parse::<Batch>("\u{feff}{\"events\":[]}".as_bytes()).is_ok(), "a byte order mark is none of it");
    }
}
