//! The API on a port that stays: the emulator tells APIs apart by host name, which not every client
//! resolves.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

/// The emulator hands a function 6 MB at most, as Lambda does.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

/// Where to, and under which name.
#[derive(Clone)]
pub struct Upstream {
    /// `http://127.0.0.1:4566`.
    pub url: String,
    /// The API's host name at the emulator.
    pub host: String,
}

/// Serves until its task ends.
pub async fn serve(port: u16, upstream: Upstream) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let router = Router::new().fallback(pass_on).with_state((upstream, reqwest::Client::new()));
    Ok(axum::serve(listener, router).await?)
}

async fn pass_on(State((upstream, client)): State<(Upstream, reqwest::Client)>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", upstream.url);
    parts.headers.remove(header::HOST);
    let sent = client.request(parts.method, url).headers(parts.headers).header(header::HOST, &upstream.host).body(body).send().await;
    match sent {
        Ok(answer) => {
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove(header::TRANSFER_ENCODING);
            let body = answer.bytes().await.unwrap_or_default();
            (status, headers, Body::from(body)).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("the emulator does not answer: {error}\n")).into_response(),
    }
}
