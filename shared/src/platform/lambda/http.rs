//! The HTTP entry: API Gateway's event in, an axum router, its answer out.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, response::IntoResponse};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use lambda_runtime::{LambdaEvent, service_fn};
use tower::ServiceExt;
use tracing::Instrument;

use super::{
    Error, begin,
    event::{HttpAnswer, HttpEvent, RequestContext},
    invocation_span, note_cold_start, unwound,
};
use crate::{
    connection::{Connection, SharedConnection},
    http::{ClientInfo, Problem, proxy::TrustedProxies, response_finisher::ResponseFinisher},
};

/// A client may call itself anything; sessions and the audit log keep this much of it.
const MAX_USER_AGENT_CHARS: usize = 200;

/// Serves a route until Lambda ends the environment: one that needs nobody's address.
pub async fn http(router: Router, connection: impl Connection) -> Result<(), Error> {
    serve(router, Arc::new(connection), TrustedProxies::default()).await
}

/// As [`http`], for a route that tells its callers apart by their addresses. Reads which proxies are believed.
pub async fn http_by_address(router: Router, connection: impl Connection) -> Result<(), Error> {
    serve(router, Arc::new(connection), TrustedProxies::from_env()?).await
}

/// Boxed, so that it is compiled here and not again in every function.
fn serve(
    router: Router,
    connection: SharedConnection,
    proxies: TrustedProxies,
) -> LocalBoxFuture<'static, Result<(), Error>> {
    serve_requests(router, connection, proxies).boxed_local()
}

async fn serve_requests(router: Router, connection: SharedConnection, proxies: TrustedProxies) -> Result<(), Error> {
    let router = router
        .fallback(async || Problem::not_found("There is no such route."))
        .method_not_allowed_fallback(async || Problem::method_not_allowed());
    let proxies = Arc::new(proxies);
    begin(Arc::clone(&connection)).await;
    let service = service_fn(move |event: LambdaEvent<HttpEvent>| {
        let (router, connection, proxies) = (router.clone(), Arc::clone(&connection), Arc::clone(&proxies));
        let client = client(&event.payload.request_context, &event.context.request_id);
        let span = invocation_span(&client.request_id, &event.context);
        let work = async move {
            note_cold_start();
            let answer = answer(router, &proxies, event.payload, client).await;
            connection.after_invocation().await;
            Ok::<_, Infallible>(HttpAnswer::from(answer))
        };
        work.instrument(span)
    });
    lambda_runtime::run(service).await
}

/// Never an error: a handler that panics answers 500, and its environment lives on.
async fn answer(router: Router, proxies: &TrustedProxies, event: HttpEvent, mut client: ClientInfo) -> Response<Bytes> {
    let mut request = event.into_request();
    if let Ok(request) = &mut request {
        client.source_ip = proxies.client_address(request.headers_mut(), &client.source_ip).await;
    }
    let finisher = ResponseFinisher::new(request.as_ref().ok(), client.clone());
    let response = match request {
        // API Gateway answers preflights itself, and adds its headers where it asks us.
        Ok(request) if request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(request) => handle(router, request, client).await,
        Err(problem) => problem.into(),
    };
    let (parts, body) = finisher.finish(response).into_parts();
    // Bodies are built in memory: collecting one cannot fail.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Response::from_parts(parts, body)
}

async fn handle(router: Router, request: Request<Bytes>, client: ClientInfo) -> Response<Body> {
    let mut request = request.map(Body::from);
    request.extensions_mut().insert(client);
    match unwound(router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => Problem::internal(panic).into(),
    }
}

/// Who has opened the connection, from API Gateway's own knowledge of it.
fn client(context: &RequestContext, request_id: &str) -> ClientInfo {
    let user_agent =
        context.http.user_agent.as_deref().unwrap_or_default().chars().take(MAX_USER_AGENT_CHARS).collect();
    ClientInfo {
        request_id: context.request_id.clone().unwrap_or_else(|| request_id.to_owned()),
        source_ip: context.http.source_ip.clone().unwrap_or_default(),
        user_agent,
        host: context.domain_name.clone().unwrap_or_default(),
        ..ClientInfo::default()
    }
}
