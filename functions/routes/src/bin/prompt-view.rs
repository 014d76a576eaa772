//! `POST /api/prompts/{id}/view`: counts a view, through the queue. Never opens the database.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::post};
use shared::{
    analytics::{Accepted, Intake, view_event},
    cache::Cache,
    clock,
    http::{Caller, Path, Problem, Reply},
    lambda, limits,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let cache = Cache::from_env()?;
    let intake = Intake::from_env(cache.clone(), limits::VIEW)?;
    lambda::http(Router::new().route("/api/prompts/{id}/view", post(count)).with_state(Arc::new(intake)), cache).await
}

/// Counts a view.
#[utoipa::path(post, path = "/api/prompts/{id}/view", tag = "analytics", params(("id" = String, Path, description = "Id or slug")),
    responses((status = 202, body = Accepted)))]
pub async fn count(
    State(intake): State<Arc<Intake>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let prompts = intake.admit(&caller).await?;
    intake.accept(&[view_event(&prompts, &id, clock::now())?]).await
}
