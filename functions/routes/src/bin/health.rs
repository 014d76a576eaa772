//! `GET /api/health`: the API is up. Touches nothing else: a check must not cost a connection.

use axum::{Router, routing::get};
use serde::Serialize;
use shared::{http::Reply, lambda};
use utoipa::ToSchema;

/// That the API answers.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: &'static str,
    /// The deployed version.
    version: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    lambda::http(Router::new().route("/api/health", get(show)), ()).await
}

/// Whether the API is up.
#[utoipa::path(get, path = "/api/health", operation_id = "getHealth", tag = "operations", responses((status = 200, body = Health)))]
pub async fn show() -> Reply {
    Reply::ok(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}
