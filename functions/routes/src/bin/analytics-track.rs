//! `POST /api/analytics/track`: takes events, through the queue. Never opens the database.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, TRACK_POLICY, TrackRequest},
    cache::Cache,
    clock,
    content::{Content, Kind, PublishedContent, backup},
    http::{Caller, JsonBody, Problem, ProblemDocument, RateLimiter, Reply},
    lambda,
    queue::Queue,
};

/// What the handler needs.
pub struct App {
    content: Content,
    queue: Queue,
    limiter: RateLimiter,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let cache = Cache::from_env()?;
    let app = App {
        content: Content::new(Kind::Prompts, PublishedContent::from_env()?, None, backup::PROMPTS),
        queue: Queue::events_from_env()?,
        limiter: RateLimiter::new(cache.clone(), TRACK_POLICY),
    };
    lambda::http(Router::new().route("/api/analytics/track", post(track)).with_state(Arc::new(app)), cache).await
}

/// Takes 1 to 50 events. Answered when they are safe; sent again under the same ids they count once.
#[utoipa::path(post, path = "/api/analytics/track", tag = "analytics", request_body = TrackRequest,
    responses((status = 202, body = Accepted), (status = 400, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument),
        (status = 422, body = ProblemDocument), (status = 429, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub async fn track(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<TrackRequest>,
) -> Result<Reply, Problem> {
    app.limiter.check(&caller).await?;
    let library = app.content.current().await.library;
    let events = request.into_events(&library, clock::now())?;
    app.queue.send(&events).await?;
    Ok(Reply::accepted(&Accepted::from(&events[..])))
}
