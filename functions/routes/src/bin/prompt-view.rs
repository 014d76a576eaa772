//! `POST /api/prompts/{id}/view`: counts a view, through the queue. Never opens the database.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, VIEW_POLICY, view_event},
    cache::Cache,
    clock,
    content::{Content, Kind, PublishedContent, backup},
    http::{Caller, Path, Problem, ProblemDocument, RateLimiter, Reply},
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
        limiter: RateLimiter::new(cache.clone(), VIEW_POLICY),
    };
    lambda::http(Router::new().route("/api/prompts/{id}/view", post(count)).with_state(Arc::new(app)), cache).await
}

/// Counts a view.
#[utoipa::path(post, path = "/api/prompts/{id}/view", tag = "analytics", params(("id" = String, Path, description = "Id or slug")),
    responses((status = 202, body = Accepted), (status = 404, body = ProblemDocument), (status = 429, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub async fn count(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    app.limiter.check(&caller).await?;
    let library = app.content.current().await.library;
    let events = [view_event(&library, &id, clock::now())?];
    app.queue.send(&events).await?;
    Ok(Reply::accepted(&Accepted::from(&events[..])))
}
