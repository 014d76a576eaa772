//! A successful JSON answer and how long others may keep it.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Problem;
use crate::keys::sha256_bytes;

/// Public content: a minute in every cache, then revalidated by its ETag; a cache may serve it for
/// a day while it does so.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=60, stale-while-revalidate=86400");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The ETag of a body: a part of its SHA-256, in quotes.
pub fn etag(body: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256_bytes(body).as_ref()[..12]))
}

/// A JSON answer.
pub struct Reply(Response);

/// What a request to create something gave. Sent again, it gets what is there.
#[derive(Debug)]
pub enum Created<T> {
    New(T),
    Known(T),
}

impl<T: Serialize> From<Created<T>> for Reply {
    fn from(created: Created<T>) -> Self {
        match created {
            Created::New(body) => Self::created(&body),
            Created::Known(body) => Self::ok(&body),
        }
    }
}

impl Reply {
    /// 200 that nobody may keep.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// The same with a cookie for the caller's browser, if there is one to give.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        cookie.map(|cookie| self.0.headers_mut().insert(header::SET_COOKIE, cookie));
        self
    }

    /// 201: made.
    pub fn created(body: &impl Serialize) -> Self {
        Self::json(StatusCode::CREATED, body)
    }

    /// 204: done, and there is nothing to say.
    pub fn no_content() -> Self {
        let mut reply = Self::bytes(StatusCode::NO_CONTENT, Vec::new());
        reply.0.headers_mut().remove(header::CONTENT_TYPE);
        reply
    }

    /// 202: accepted, and already safe.
    pub fn accepted(body: &impl Serialize) -> Self {
        Self::json(StatusCode::ACCEPTED, body)
    }

    /// 202 that says no more.
    pub fn accepted_without_body() -> Self {
        let mut reply = Self::no_content();
        *reply.0.status_mut() = StatusCode::ACCEPTED;
        reply
    }

    /// 200 with lines of JSON, to be kept as a file, that nobody else may keep.
    pub fn json_lines(lines: Vec<u8>) -> Self {
        let reply = Self::bytes(StatusCode::OK, lines);
        let reply = reply.with(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
        reply.with(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"account.jsonl\""))
    }

    /// 200 that every cache may keep, with an ETag by which it is revalidated.
    pub fn public(body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => {
                let tag = etag(&bytes);
                Self::public_bytes(bytes, &tag)
            }
            Err(error) => Self(Problem::internal(error).into()),
        }
    }

    /// As [`Reply::public`], of a body whose ETag is known: the [`etag`] of its bytes.
    pub fn public_with_tag(body: &RawValue, tag: &str) -> Self {
        Self::public_bytes(body.get().as_bytes().to_vec(), tag)
    }

    fn public_bytes(bytes: Vec<u8>, tag: &str) -> Self {
        let mut reply = Self::bytes(StatusCode::OK, bytes);
        let headers = reply.0.headers_mut();
        headers.insert(header::CACHE_CONTROL, PUBLIC);
        if let Ok(tag) = HeaderValue::from_str(tag) {
            headers.insert(header::ETAG, tag);
        }
        reply
    }

    /// 200 with a page that nobody may keep. It runs no script and fetches nothing: nor could one that got in. Its
    /// forms lead to the API alone, no other page may frame it, and where it leads is not told where it was.
    pub fn page(html: String) -> Self {
        const POLICY: HeaderValue = HeaderValue::from_static(
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        );
        let mut reply = Self::bytes(StatusCode::OK, html.into_bytes());
        let headers = reply.0.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        reply
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => Self::bytes(status, bytes),
            Err(error) => Self(Problem::internal(error).into()),
        }
    }

    fn bytes(status: StatusCode, bytes: Vec<u8>) -> Self {
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
        Self(response)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.0
    }
}
