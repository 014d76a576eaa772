//! `GET /api/health/ready`: whether each part behind the API answers.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, response::IntoResponse, routing::get};
use http::{HeaderValue, StatusCode, header};
use shared::{
    accounts::{Guard, Guarded, Permission, Principal},
    cache::Cache,
    http::{Caller, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    ready::{Parts, Readiness},
};

/// What the handler needs.
pub struct App {
    cache: Cache,
    guard: Guard,
    parts: Parts,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app =
        App { guard: Guard::from_env(&mongo, &cache)?, parts: Parts::from_env(&mongo, &cache)?, cache: cache.clone() };
    lambda::http(Router::new().route("/api/health/ready", get(show)).with_state(Arc::new(app)), (mongo, cache)).await
}

/// Asks each part for a sign of life: 200 when all answer, else 503, and either way which does.
#[utoipa::path(get, path = "/api/health/ready", tag = "operations", security(("bearer" = [])),
    responses((status = 200, body = Readiness), (status = 503, description = "A part is away", body = Readiness)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<impl IntoResponse, Problem> {
    principal.require(Permission::SystemMaintenance)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let readiness = app.parts.ask().await;
    let reply = Reply::ok(&readiness);
    if readiness.ready {
        return Ok((StatusCode::OK, reply));
    }
    Ok((StatusCode::SERVICE_UNAVAILABLE, reply.with(header::RETRY_AFTER, HeaderValue::from_static("5"))))
}
