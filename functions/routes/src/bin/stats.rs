//! `GET /api/stats`, `POST /api/stats/invalidate`: what the platform holds, computed at most once an hour.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use shared::{
    accounts::{Guard, Guarded, Permission, Principal},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    stats::{self, ServedStats},
};

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
    trail: Trail,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    // The database is needed once an hour: the client goes when its work is done.
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        trail: Trail::from_env(&mongo)?,
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/stats", get(show))
        .route("/api/stats/invalidate", post(invalidate))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// Statistics of the platform.
#[utoipa::path(get, path = "/api/stats", tag = "statistics",
    responses((status = 200, body = ServedStats)))]
pub async fn show(State(app): State<Arc<App>>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&stats::serve(&app.mongo, &app.cache).await?))
}

/// Makes the next reader compute the statistics anew; until then the old ones are kept for outages.
#[utoipa::path(post, path = "/api/stats/invalidate", tag = "statistics", security(("bearer" = [])),
    responses((status = 204)))]
pub async fn invalidate(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<Reply, Problem> {
    principal.require(Permission::SystemMaintenance)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    app.trail.record(&caller, Fact::new(Action::StatsInvalidated).by(&principal.account)).await?;
    stats::invalidate(&app.cache).await;
    Ok(Reply::no_content())
}
