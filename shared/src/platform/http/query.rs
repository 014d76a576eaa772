//! The query string as a typed value. Unknown parameters are left alone (links carry trackers);
//! a known one that cannot be read is 422 with its name.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::Problem;

/// The request's query string as `T`.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let deserializer = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| Problem::invalid_field(error.path().to_string(), error.inner().to_string()))
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
        let problem = parse::<Filter>("limit=many").expect_err("not a number");
        let document = serde_json::to_value(problem.document("r")).expect("serialisable");
        assert_eq!(document["errors"][0]["field"], "limit");
    }
}
