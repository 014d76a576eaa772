//! The last step of every answer: request id, problem body, 304, one log line.

use std::time::Instant;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};

use super::{ClientInfo, Problem, Quota};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What must be remembered of a request until its answer is ready.
pub(crate) struct ResponseFinisher {
    client: ClientInfo,
    method: Method,
    path: String,
    if_none_match: Option<HeaderValue>,
    started: Instant,
}

impl ResponseFinisher {
    /// Without a request where there was none to read.
    pub(crate) fn new(request: Option<&Request<Bytes>>, client: ClientInfo) -> Self {
        Self {
            client,
            method: request.map(|request| request.method().clone()).unwrap_or_default(),
            path: request.map_or_else(String::new, |request| request.uri().path().to_owned()),
            if_none_match: request.and_then(|request| request.headers().get(header::IF_NONE_MATCH).cloned()),
            started: Instant::now(),
        }
    }

    pub(crate) fn finish(self, mut response: Response) -> Response {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            response = self.write_problem(response, problem);
        } else if self.is_unchanged(&response) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.client.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        for (name, value) in self.client.quota.get().into_iter().flat_map(Quota::fields) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        tracing::info!(
            http.method = %self.method,
            http.path = self.path,
            http.status = response.status().as_u16(),
            duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "{} {} answered {}", self.method, self.path, response.status().as_u16(),
        );
        response
    }

    fn write_problem(&self, mut response: Response, problem: Problem) -> Response {
        if let Some(reason) = problem.log() {
            tracing::error!(reason, "request failed");
        }
        let body = serde_json::to_vec(&problem.document(&self.client.request_id)).unwrap_or_default();
        *response.body_mut() = Body::from(body);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    fn is_unchanged(&self, response: &Response) -> bool {
        let reads = self.method == Method::GET || self.method == Method::HEAD;
        reads && response.status() == StatusCode::OK && matches(self.if_none_match.as_ref(), response.headers())
    }
}

/// Weak comparison, as RFC 9110 §13.1.2 asks of If-None-Match.
fn matches(if_none_match: Option<&HeaderValue>, headers: &HeaderMap) -> bool {
    let (Some(Ok(wanted)), Some(Ok(tag))) =
        (if_none_match.map(HeaderValue::to_str), headers.get(header::ETAG).map(HeaderValue::to_str))
    else {
        return false;
    };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    wanted.trim() == "*" || wanted.split(',').any(|candidate| opaque(candidate) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_takes_lists_weak_tags_and_a_star() {
        let headers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"b\""))]);
        let matching = |value: &'static str| matches(Some(&HeaderValue::from_static(value)), &headers);
        assert!(matching("\"b\"") && matching("W/\"b\"") && matching("\"a\", \"b\"") && matching("*"));
        assert!(!matching("\"c\"") && !matches(None, &headers));
    }
}
