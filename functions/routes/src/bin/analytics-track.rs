//! `POST /api/analytics/track`: takes events, through the queue. Never opens the database.

use axum::{Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, Intake, TrackRequest},
    cache::Cache,
    clock,
    http::{Counted, Problem, Reply, SmallBody},
    lambda::{self, PublicApp},
    rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let cache = Cache::from_env()?;
    let app = PublicApp::new(cache.clone(), Intake::from_env(&cache)?);
    app.serve(Router::new().route("/api/analytics/track", post(track)), ()).await
}

/// Takes 1 to 10 events, in a body of 4 KiB. Answered when they are safe; sent again under the same ids they count once.
#[utoipa::path(post, path = "/api/analytics/track", operation_id = "trackEvents", tag = "analytics", request_body = TrackRequest,
    responses((status = 202, body = Accepted)))]
pub async fn track(
    State(intake): State<PublicApp<Intake>>,
    client: Counted<rate_limits::Track>,
    SmallBody(request): SmallBody<TrackRequest>,
) -> Result<Reply, Problem> {
    let prompts = intake.prompts().await;
    let now = clock::now();
    intake.accept(&client, &request.into_events(&prompts, now)?, now).await
}
