//! What a client is told when a request does not succeed: RFC 9457 `application/problem+json`.
//!
//! The type keeps the client's text and the log's apart, so that internal text cannot leave by
//! accident. Handlers return a [`Problem`]; the entry adds the request id, writes the body, and logs
//! once.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::secrets;
use utoipa::ToSchema;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, `events[0].promptId`.
    pub field: String,
    /// What it should be.
    pub message: String,
}

/// An answer other than success.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    // Boxed: seldom there, and every fallible function returns this type.
    members: Option<Box<Map<String, Value>>>,
    retry_after_s: Option<u64>,
    log: Option<String>,
}

/// The body of a problem, as a client reads it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `about:blank`: the status and the code say what it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs, `not_found`.
    pub code: &'static str,
    /// What to do about it, for a person.
    pub detail: String,
    /// The same sentence, where the front end looks for it.
    pub error: String,
    /// The fields at fault, if any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What this kind of problem tells besides, such as `matches`.
    #[serde(flatten)]
    #[schema(ignore)]
    pub members: Map<String, Value>,
    /// Quote this when asking for help.
    pub request_id: String,
}

/// How long a client should wait when a backing service is away.
const RETRY_AFTER_S: u64 = 5;

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), members: None, retry_after_s: None, log: None }
    }

    /// 400: the request cannot be read at all.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 401: sign in first.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: signed in or not, this caller may not.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 409: not as things stand. `code` says how they stand.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 412: it changed since the client read it.
    pub fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            "Somebody changed it since you read it: read it again, then repeat your change.",
        )
    }

    /// 428: without `If-Match` a change may overwrite one that its author has not seen.
    pub fn precondition_required() -> Self {
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match_required",
            "Send the header If-Match with the ETag of what you read.",
        )
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This route does not know that method.")
    }

    /// 413: over [`super::MAX_BODY_BYTES`].
    pub fn too_large(limit_bytes: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("The body may be {limit_bytes} bytes at most."))
    }

    /// 415: not of the media type `expected`.
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("Send the body with the header content-type: {expected}."),
        )
    }

    /// 422: readable, but these fields are not acceptable.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = format!("These fields are not acceptable: {}.", fields.join(", "));
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    /// 422 for one field.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// 429: wait this many seconds.
    pub fn too_many_requests(retry_after_s: u64) -> Self {
        let detail = format!("Too many requests: try again in {retry_after_s} s.");
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        }
    }

    /// 429: a limit other than of requests; `detail` says which.
    pub fn limit_reached(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "limit_reached", detail) }
    }

    /// 503: a backing service is away; what was asked for may or may not have been done, since its answer may be all
    /// that was lost. `log` says which and why.
    pub fn unavailable(log: impl Display) -> Self {
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            log: Some(log.to_string()),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot answer right now: try again shortly.",
            )
        }
    }

    /// 503: what this installation has not been set up for; waiting does not help, so it does not say how long.
    pub fn not_offered(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_offered", detail)
    }

    /// 500: our fault. `log` says what happened.
    pub fn internal(log: impl Display) -> Self {
        Self {
            log: Some(log.to_string()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.")
        }
    }

    /// Tells `value` too, as a member of its own (RFC 9457 §3.2).
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    /// The HTTP status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The text for the log, if the problem is one that an operator should see.
    pub(super) fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// The body that the client gets.
    pub(super) fn document(self, request_id: &str) -> ProblemDocument {
        ProblemDocument {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            error: self.detail.clone(),
            detail: self.detail,
            errors: self.errors,
            members: self.members.map(|members| *members).unwrap_or_default(),
            request_id: request_id.to_owned(),
        }
    }
}

/// Status and headers; the problem itself travels as an extension until the entry writes its body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

/// Without a secret that it needs, a function can only ask its caller to come again.
impl From<secrets::Unavailable> for Problem {
    fn from(error: secrets::Unavailable) -> Self {
        Self::unavailable(error)
    }
}

/// Only our own types are serialised: failing to is our fault.
impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}
