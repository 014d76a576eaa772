//! The HTTP entry: API Gateway's event in, an axum router, its answer out.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body};
use futures_util::{FutureExt, future::LocalBoxFuture};
use http::request::Parts;
use http_body_util::BodyExt;
use lambda_http::{
    Adapter, LambdaEvent, Request, RequestExt, Response,
    request::{LambdaRequest, RequestContext},
    service_fn,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tower::ServiceExt;
use tracing::Instrument;

use super::{Error, close_on_shutdown, count_cold_start, invocation_span, unwound};
use crate::{
    connection::{Connection, SharedConnection},
    http::{ClientInfo, Problem, response_finisher},
};

/// A client may call itself anything; sessions and the audit log keep this much of it.
const MAX_USER_AGENT_CHARS: usize = 200;

/// Serves a route until Lambda ends the environment.
pub async fn http(router: Router, connection: impl Connection) -> Result<(), Error> {
    serve(router, Arc::new(connection)).await
}

/// Boxed, so that it is compiled here and not again in every function.
fn serve(router: Router, connection: SharedConnection) -> LocalBoxFuture<'static, Result<(), Error>> {
    serve_requests(router, connection).boxed_local()
}

async fn serve_requests(router: Router, connection: SharedConnection) -> Result<(), Error> {
    let router = router
        .fallback(async || Problem::not_found("There is no such route."))
        .method_not_allowed_fallback(async || Problem::method_not_allowed());
    close_on_shutdown(Arc::clone(&connection)).await;
    let service = service_fn(move |request: Request| {
        let (router, connection) = (router.clone(), Arc::clone(&connection));
        let (parts, body) = request.into_parts();
        let client = client(&parts);
        let span = invocation_span(&client.request_id);
        let work = async move {
            count_cold_start();
            let answer = answer(router, parts, body, client).await;
            connection.after_invocation().await;
            Ok::<_, Infallible>(answer)
        };
        work.instrument(span)
    });
    lambda_runtime::run(Adapter::from(service).map_request(encoded)).await
}

/// What cannot stand for itself in a path; and in a query.
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'\\').add(b'`').add(b'{').add(b'}');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// An HTTP API hands the path over decoded: an id with a `#` or a `?` would end it, and no address can be made of a
/// query with a quote. (Other hosts, the emulator among them, hand it over as it came, so what is encoded stays.)
fn encoded(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.raw_path = request.raw_path.take().map(|path| encode(&path, PATH));
        request.raw_query_string = request.raw_query_string.take().map(|query| encode(&query, QUERY));
    }
    event
}

fn encode(text: &str, set: &'static AsciiSet) -> String {
    let is_code = |text: &str| text.len() >= 2 && text.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default();
    parts.fold(utf8_percent_encode(first, set).to_string(), |text, part| {
        let percent = if is_code(part) { "%" } else { "%25" };
        text + percent + &utf8_percent_encode(part, set).to_string()
    })
}

/// Never an error: a handler that panics answers 500, and its environment lives on.
async fn answer(
    router: Router,
    mut parts: Parts,
    body: lambda_http::Body,
    client: ClientInfo,
) -> Response<lambda_http::Body> {
    parts.extensions.insert(client.clone());
    let finisher = response_finisher::ResponseFinisher::new(&parts, client);
    let request = http::Request::from_parts(parts, Body::from(bytes(body)));
    let response = match unwound(router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => Problem::internal(panic).into(),
    };
    let (parts, body) = finisher.finish(response).into_parts();
    // Bodies are built in memory: collecting one cannot fail.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Response::from_parts(parts, lambda_body(&body))
}

fn bytes(body: lambda_http::Body) -> Vec<u8> {
    match body {
        lambda_http::Body::Text(text) => text.into_bytes(),
        lambda_http::Body::Binary(bytes) => bytes,
        _ => Vec::new(),
    }
}

/// Text goes out as it is; anything else as base64.
fn lambda_body(bytes: &[u8]) -> lambda_http::Body {
    match std::str::from_utf8(bytes) {
        Ok("") => lambda_http::Body::Empty,
        Ok(text) => lambda_http::Body::Text(text.to_owned()),
        Err(_) => lambda_http::Body::Binary(bytes.to_vec()),
    }
}

/// Who is calling, from API Gateway's own knowledge of the connection: `X-Forwarded-For` is the
/// client's claim.
fn client(parts: &Parts) -> ClientInfo {
    let request_id =
        parts.extensions.lambda_context_ref().map_or_else(crate::id::new, |context| context.request_id.clone());
    let Some(RequestContext::ApiGatewayV2(context)) = parts.extensions.request_context_ref() else {
        return ClientInfo { request_id, ..ClientInfo::default() };
    };
    ClientInfo {
        request_id: context.request_id.clone().unwrap_or(request_id),
        source_ip: context.http.source_ip.clone().unwrap_or_default(),
        user_agent: context.http.user_agent.as_deref().unwrap_or_default().chars().take(MAX_USER_AGENT_CHARS).collect(),
        ..ClientInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::Context;

    fn uri(path: &str, query: &str) -> http::Uri {
        let event = serde_json::json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": {"host": "api.example.com"},
            "requestContext": {"stage": "$default", "http": {"method": "GET", "path": path}},
        });
        let payload: LambdaRequest = serde_json::from_value(event).expect("an event");
        Request::from(encoded(LambdaEvent::new(payload, Context::default())).payload).uri().clone()
    }

    #[test]
    fn a_path_that_comes_decoded_keeps_what_would_end_it() {
        for (path, is) in [
            ("/api/prompts/a#b?c", "/api/prompts/a%23b%3Fc"),
            ("/api/prompts/a\\b\nc %d", "/api/prompts/a%5Cb%0Ac%20%25d"),
            ("/api/prompts/日本", "/api/prompts/%E6%97%A5%E6%9C%AC"),
            ("/api/prompts/a%23b", "/api/prompts/a%23b"),
            ("/api/prompts/100%", "/api/prompts/100%25"),
        ] {
            let uri = uri(path, "limit=1");
            assert_eq!((uri.path(), uri.query()), (is, Some("limit=1")), "{path}");
        }
    }

    #[test]
    fn a_query_that_nobody_encoded_is_no_crash() {
        assert_eq!(uri("/api/prompts", "search=<a \"b\">#").query(), Some("search=%3Ca%20%22b%22%3E%23"));
    }
}
