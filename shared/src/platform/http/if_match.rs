//! `If-Match`: which version of a thing the client has seen, so that nobody overwrites what they did not read.

use axum::extract::FromRequestParts;
use http::{HeaderValue, header, request::Parts};

use super::Problem;

/// The revision that the client has seen, from the ETag it was given: `"7"`.
///
/// What compressing proxies make of it (`W/"7"`, `"7-gzip"`) is as good: it counts revisions, not bytes. 428 without the
/// header, 400 for anything but one such tag: `*` would mean "whatever it is now".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub i64);

impl IfMatch {
    /// The ETag of a revision.
    pub fn etag(revision: i64) -> HeaderValue {
        // Digits between quotes are a header's value, always.
        HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let value = parts.headers.get(header::IF_MATCH).ok_or_else(Problem::precondition_required)?;
        let tag = value.to_str().unwrap_or_default().trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag).replace("-gzip\"", "\"");
        let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| Problem::malformed("If-Match must be the ETag that you were given, such as \"7\"."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(tag: &'static str) -> Result<i64, u16> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.headers.insert(header::IF_MATCH, HeaderValue::from_static(tag));
        let read = IfMatch::from_request_parts(&mut parts, &()).await;
        read.map(|revision| revision.0).map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn a_tag_that_a_proxy_made_weak_is_the_same_tag() {
        for tag in ["\"7\"", "W/\"7\"", " W/\"7\" ", "\"7-gzip\""] {
            assert_eq!(read(tag).await, Ok(7), "{tag}");
        }
        for tag in ["*", "7", "W/7", "w/\"7\"", "\"7\", \"8\"", "\"7-x\"", ""] {
            assert_eq!(read(tag).await, Err(400), "{tag}");
        }
    }
}
