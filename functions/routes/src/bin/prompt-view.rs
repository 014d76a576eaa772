//! `POST /api/prompts/{id}/view`: counts a view, through the queue. Never opens the database.

use axum::{Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, Intake, view_event},
    cache::Cache,
    clock,
    http::{Counted, Path, Problem, Reply},
    lambda::{self, PublicApp},
    rate_limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let cache = Cache::from_env()?;
    let app = PublicApp::new(cache.clone(), Intake::from_env(&cache)?);
    app.serve(Router::new().route("/api/prompts/{id}/view", post(count)), ()).await
}

/// Counts a view.
#[utoipa::path(post, path = "/api/prompts/{id}/view", operation_id = "countPromptView", tag = "analytics", params(("id" = String, Path, description = "Id or slug")),
    responses((status = 202, body = Accepted)))]
pub async fn count(
    State(intake): State<PublicApp<Intake>>,
    client: Counted<rate_limits::View>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let prompts = intake.prompts().await;
    let now = clock::now();
    intake.accept(&client, &[view_event(&prompts, &id, now)?], now).await
}
