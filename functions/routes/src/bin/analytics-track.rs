//! `POST /api/analytics/track`: takes events, through the queue. Never opens the database.

use axum::{Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, Intake, TrackRequest},
    cache::Cache,
    clock,
    http::{Counted, JsonBody, Problem, Reply},
    lambda::{self, PublicApp},
    rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = PublicApp::new(Cache::from_env()?, Intake::from_env()?);
    app.serve(Router::new().route("/api/analytics/track", post(track)), ()).await
}

/// Takes 1 to 50 events. Answered when they are safe; sent again under the same ids they count once.
#[utoipa::path(post, path = "/api/analytics/track", tag = "analytics", request_body = TrackRequest,
    responses((status = 202, body = Accepted)))]
pub async fn track(
    State(intake): State<PublicApp<Intake>>,
    _: Counted<rate_limits::Track>,
    JsonBody(request): JsonBody<TrackRequest>,
) -> Result<Reply, Problem> {
    let prompts = intake.prompts().await;
    intake.accept(&request.into_events(&prompts, clock::now())?).await
}
