//! The API on a port that stays: at the emulator its address changes with each deploy.

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

/// Serves until its task ends; `upstream` is the API's address at the emulator.
pub async fn serve(port: u16, upstream: String) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    // A redirect is the caller's to follow.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let router = Router::new().fallback(pass_on).with_state((upstream, client));
    Ok(axum::serve(listener, router).await?)
}

async fn pass_on(State((upstream, client)): State<(String, reqwest::Client)>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{upstream}{path}");
    parts.headers.remove(header::HOST);
    let sent = client.request(parts.method, url).headers(parts.headers).body(body).send().await;
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
