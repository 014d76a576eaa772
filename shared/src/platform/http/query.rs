//! The query string as a typed value. Unknown parameters are left alone (links carry trackers);
//! a known one that cannot be read is 422 with its name.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::{Problem, refusal::refusal};
use crate::text;

/// The request's query string as `T`.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name, text::nfc(&value)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let deserializer = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| Problem::invalid(vec![refusal(&error.path().to_string(), &error.inner().to_string())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Filter {
        limit: Option<u8>,
        search: Option<String>,
    }

    #[test]
    fn an_unreadable_parameter_is_named_and_an_unknown_one_ignored() {
        let filter: Filter = parse("search=a%20%26b&utm_source=x").unwrap_or_else(|_| panic!("valid"));
        assert_eq!((filter.search.as_deref(), filter.limit), (Some("a &b"), None));
        for (query, message) in [
            ("limit=many", "must be a whole number"),
            ("limit=", "must be a whole number"),
            ("limit=-1", "must be a whole number"),
            ("limit=1.0", "must be a whole number"),
            ("limit=300", "is too large a number"),
            ("limit=1&limit=2", "is given more than once"),
        ] {
            let problem = parse::<Filter>(query).expect_err(query);
            let document = serde_json::to_value(problem.document("r")).expect("serialisable");
            let error = &document["errors"][0];
            assert_eq!((&error["field"], &error["message"]), (&"limit".into(), &message.into()), "{query}");
        }
        assert!(parse::<Filter>("utm_source=a&utm_source=b").is_ok(), "what is not known may be there twice");
    }
}
