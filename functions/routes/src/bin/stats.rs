//! `GET /api/stats`: what the platform holds, computed at most once an hour.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use shared::{
    cache::Cache,
    http::{Problem, ProblemDocument, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
    stats::{self, ServedStats},
};

/// What the handler needs.
pub struct App {
    mongo: Mongo,
    cache: Cache,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    // The database is needed once an hour: the client goes when its work is done.
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App { mongo: mongo.clone(), cache: cache.clone() };
    lambda::http(Router::new().route("/api/stats", get(show)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// Statistics of the platform.
#[utoipa::path(get, path = "/api/stats", tag = "statistics",
    responses((status = 200, body = ServedStats), (status = 503, body = ProblemDocument)))]
pub async fn show(State(app): State<Arc<App>>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&stats::serve(&app.mongo, &app.cache).await?))
}
