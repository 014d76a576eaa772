//! The HTTP entry: API Gateway's event in, an axum router, its answer out.

use std::{convert::Infallible, panic::AssertUnwindSafe};

use axum::{Router, body::Body};
use futures_util::FutureExt;
use http::request::Parts;
use http_body_util::BodyExt;
use lambda_http::{Request, RequestExt, Response, request::RequestContext, service_fn};
use tower::ServiceExt;
use tracing::Instrument;

use super::{Connection, Error, close_on_shutdown, count_cold_start, invocation_span};
use crate::http::{Caller, Problem, finish};

/// A client may call itself anything; sessions and the audit trail keep this much of it.
const MAX_USER_AGENT_CHARS: usize = 200;

/// Serves a route until Lambda ends the environment.
pub async fn http(router: Router, connection: impl Connection) -> Result<(), Error> {
    let router = router
        .fallback(async || Problem::not_found("There is no such route."))
        .method_not_allowed_fallback(async || Problem::method_not_allowed());
    close_on_shutdown(connection.clone()).await;
    lambda_http::run(service_fn(move |request: Request| {
        let (router, connection) = (router.clone(), connection.clone());
        let (parts, body) = request.into_parts();
        let caller = caller(&parts);
        let span = invocation_span(&caller.request_id);
        let work = async move {
            count_cold_start();
            let answer = answer(router, parts, body, caller).await;
            connection.after_invocation().await;
            Ok::<_, Infallible>(answer)
        };
        work.instrument(span)
    }))
    .await
}

/// Never an error: a handler that panics answers 500, and its environment lives on.
async fn answer(
    router: Router,
    mut parts: Parts,
    body: lambda_http::Body,
    caller: Caller,
) -> Response<lambda_http::Body> {
    parts.extensions.insert(caller.clone());
    let exchange = finish::Exchange::new(&parts, caller);
    let request = http::Request::from_parts(parts, Body::from(bytes(body)));
    let response = match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => Problem::internal("the handler panicked").into(),
    };
    let (parts, body) = exchange.finish(response).into_parts();
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
fn caller(parts: &Parts) -> Caller {
    let request_id =
        parts.extensions.lambda_context_ref().map_or_else(crate::id::new, |context| context.request_id.clone());
    let Some(RequestContext::ApiGatewayV2(context)) = parts.extensions.request_context_ref() else {
        return Caller { request_id, ..Caller::default() };
    };
    Caller {
        request_id: context.request_id.clone().unwrap_or(request_id),
        source_ip: context.http.source_ip.clone().unwrap_or_default(),
        user_agent: context.http.user_agent.as_deref().unwrap_or_default().chars().take(MAX_USER_AGENT_CHARS).collect(),
        ..Caller::default()
    }
}
