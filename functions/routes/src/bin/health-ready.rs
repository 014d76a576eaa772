//! `GET /api/health/ready`: whether each part behind the API answers.

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::{HeaderValue, StatusCode, header};
use shared::{
    auth::{App, Signed},
    http::{Problem, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    ready::{Parts, Readiness},
    roles::Permission,
};

pub struct Own {
    parts: Parts,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app =
        App::with(Lifetime::Invocation, |clients| Ok(Own { parts: Parts::from_env(&clients.mongo, &clients.cache)? }))?;
    let routes = Router::new().route("/api/health/ready", get(show));
    app.serve(routes).await
}

/// Asks each part for a ping: 200 when all answer, else 503, and either way which does.
#[utoipa::path(get, path = "/api/health/ready", operation_id = "getReadiness", tag = "operations", security(("bearer" = [])),
    responses((status = 200, body = Readiness), (status = 503, description = "A part is away", body = Readiness)))]
pub async fn show(State(app): State<App<Own>>, user: Signed<rate_limits::Admin>) -> Result<impl IntoResponse, Problem> {
    user.require(Permission::SystemMaintenance)?;
    let readiness = app.own.parts.ask().await;
    let reply = Reply::ok(&readiness);
    if readiness.ready {
        return Ok((StatusCode::OK, reply));
    }
    Ok((StatusCode::SERVICE_UNAVAILABLE, reply.with(header::RETRY_AFTER, HeaderValue::from_static("5"))))
}
