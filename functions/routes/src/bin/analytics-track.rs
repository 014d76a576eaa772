//! `POST /api/analytics/track`: takes events, through the queue. Never opens the database.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, Intake, TrackRequest},
    cache::Cache,
    clock,
    http::{Caller, JsonBody, Problem, Reply},
    lambda, limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let cache = Cache::from_env()?;
    let intake = Intake::from_env(cache.clone(), limits::TRACK)?;
    lambda::http(Router::new().route("/api/analytics/track", post(track)).with_state(Arc::new(intake)), cache).await
}

/// Takes 1 to 50 events. Answered when they are safe; sent again under the same ids they count once.
#[utoipa::path(post, path = "/api/analytics/track", tag = "analytics", request_body = TrackRequest,
    responses((status = 202, body = Accepted)))]
pub async fn track(
    State(intake): State<Arc<Intake>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<TrackRequest>,
) -> Result<Reply, Problem> {
    let prompts = intake.admit(&caller).await?;
    intake.accept(&request.into_events(&prompts, clock::now())?).await
}
