//! API Gateway's event of a request (payload format 2.0), and an answer as it is handed back.
//!
//! By hand, since `lambda_http` unwraps what a client wrote: the host, the forwarded scheme, base64; and it refuses a
//! whole event for one header that is not ASCII. Here a header that HTTP has no place for is left out, and the request's
//! address is its path and query alone.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::{http::Problem, text};

/// What of the event a route needs; a field that is missing is as good as an empty one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpEvent {
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
    pub(super) request_context: RequestContext,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// What API Gateway itself knows of the request.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RequestContext {
    pub(super) request_id: Option<String>,
    /// The API's host name: its own, or the custom domain by which it was called.
    pub(super) domain_name: Option<String>,
    pub(super) http: Connection,
}

/// Who has opened the connection.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Connection {
    method: String,
    pub(super) source_ip: Option<String>,
    pub(super) user_agent: Option<String>,
}

impl HttpEvent {
    /// 400 for a method, a path or a body that is none.
    pub fn into_request(mut self) -> Result<Request<Bytes>, Problem> {
        let mut request = Request::new(self.take_body()?);
        *request.method_mut() = Method::from_bytes(self.request_context.http.method.as_bytes())
            .map_err(|_| Problem::malformed("The request's method is none that HTTP knows."))?;
        *request.uri_mut() = self.uri()?;
        let cookies = self.cookies.map(|cookies| (header::COOKIE.to_string(), cookies.join("; ")));
        let headers = self.headers.into_iter().flatten().chain(cookies);
        *request.headers_mut() = headers.filter_map(|(name, value)| as_header(&name, &value)).collect();
        Ok(request)
    }

    /// An HTTP API hands the path over decoded: an id with a `#` or a `?` would end it, and no address can be made of a
    /// query with a quote. (Other hosts, the emulator among them, hand it over as it came, so what is encoded stays.)
    fn uri(&self) -> Result<Uri, Problem> {
        let path = text::nfc(self.raw_path.as_deref().unwrap_or_default());
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut uri = format!("{slash}{}", encode(&path, PATH));
        if let Some(query) = self.raw_query_string.as_deref().filter(|query| !query.is_empty()) {
            uri.push('?');
            uri.push_str(&encode(query, QUERY));
        }
        Uri::from_maybe_shared(uri).map_err(|_| Problem::malformed("The request's path or query is too long or none."))
    }

    fn take_body(&mut self) -> Result<Bytes, Problem> {
        let text = self.body.take().unwrap_or_default();
        if !self.is_base64_encoded {
            return Ok(text.into());
        }
        STANDARD.decode(text).map(Bytes::from).map_err(|_| Problem::malformed("The body is not valid base64."))
    }
}

/// `None` for what is no header in HTTP: a name with a space, a value with a line break.
fn as_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

/// What cannot stand for itself in a path; and in a query.
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'\\').add(b'`').add(b'{').add(b'}');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

fn encode(text: &str, set: &'static AsciiSet) -> String {
    let is_code = |text: &str| text.len() >= 2 && text.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default();
    parts.fold(utf8_percent_encode(first, set).to_string(), |text, part| {
        let percent = if is_code(part) { "%" } else { "%25" };
        text + percent + &utf8_percent_encode(part, set).to_string()
    })
}

/// An answer as API Gateway takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpAnswer {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

impl From<Response<Bytes>> for HttpAnswer {
    /// Text goes out as it is, anything else as base64.
    fn from(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
            Ok(text) => (text, false),
            Err(error) => (STANDARD.encode(error.as_bytes()), true),
        };
        Self { status_code: parts.status.as_u16(), headers: joined(&parts.headers), body, is_base64_encoded }
    }
}

/// Values of one name in one line, as RFC 9110 §5.3 allows of all that routes send (none sets two cookies).
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let values = |name: &HeaderName| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        values.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.as_str().to_owned(), values(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(change: impl FnOnce(&mut Value)) -> Result<Request<Bytes>, u16> {
        let mut event = json!({
            "version": "2.0", "rawPath": "/api/prompts", "rawQueryString": "limit=1", "headers": {"host": "api.example.com"},
            "requestContext": {"stage": "$default", "http": {"method": "GET", "path": "/api/prompts"}},
        });
        change(&mut event);
        let event: HttpEvent = serde_json::from_value(event).expect("an event");
        event.into_request().map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_path_that_comes_decoded_keeps_what_would_end_it() {
        for (path, is) in [
            ("/api/prompts/a#b?c", "/api/prompts/a%23b%3Fc"),
            ("/api/prompts/a\\b\nc %d", "/api/prompts/a%5Cb%0Ac%20%25d"),
            ("/api/prompts/日本", "/api/prompts/%E6%97%A5%E6%9C%AC"),
            ("/api/prompts/a%23b", "/api/prompts/a%23b"),
            ("/api/prompts/e\u{301}", "/api/prompts/%C3%A9"),
            ("/api/prompts/100%", "/api/prompts/100%25"),
            ("//evil.example/api", "//evil.example/api"),
            ("", "/"),
            ("*", "/*"),
        ] {
            let request = request(|event| event["rawPath"] = path.into()).expect("a request");
            assert_eq!((request.uri().path(), request.uri().query()), (is, Some("limit=1")), "{path}");
        }
    }

    #[test]
    fn a_query_that_nobody_encoded_is_no_crash() {
        let request = request(|event| event["rawQueryString"] = "search=<a \"b\">#\u{fffd}".into()).expect("a request");
        assert_eq!(request.uri().query(), Some("search=%3Ca%20%22b%22%3E%23%EF%BF%BD"));
    }

    #[test]
    fn whatever_a_client_writes_into_its_headers_is_a_request() {
        for (name, value) in [
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-proto", ";x"),
            ("x-forwarded-proto", ""),
            ("host", "no host"),
            ("host", "[::1"),
            ("host", "a:99999999"),
            ("host", ""),
            ("x-note", "é日本"),
            ("no name", "x"),
            ("x-note", "a\r\nb: c"),
            ("content-length", "-1"),
            ("", ""),
        ] {
            let request =
                request(|event| event["headers"] = json!({name: value, "x-other": "is kept"})).expect("a request");
            assert_eq!(
                (request.uri().path(), request.headers()["x-other"].as_bytes()),
                ("/api/prompts", &b"is kept"[..])
            );
            assert!(!request.headers().contains_key("b"));
        }
        let request = request(|event| event["cookies"] = json!(["a=1", "b=2"])).expect("a request");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
    }

    #[test]
    fn a_body_in_base64_is_its_bytes_and_what_is_none_is_refused() {
        let body = |text: &str| {
            request(|event| (event["body"], event["isBase64Encoded"]) = (text.into(), true.into()))
                .map(|request| request.into_body().to_vec())
        };
        assert_eq!(body("e30="), Ok(b"{}".to_vec()));
        for text in ["e30", "no base64!", "=", "e30=e30="] {
            assert_eq!(body(text), Err(400), "{text}");
        }
        assert_eq!(request(|event| event["requestContext"]["http"]["method"] = "G E T".into()).err(), Some(400));
        assert_eq!(request(|event| event["rawPath"] = "/".repeat(70_000).into()).err(), Some(400));
    }
}
