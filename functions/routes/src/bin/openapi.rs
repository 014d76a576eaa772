//! `GET /api/openapi.json` and `GET /api/docs`: what the API offers, for programs and for people.
//!
//! The routes' own files are included as modules, so that the document is made of the very handlers.

// Of each route only the description is used here.
#![allow(dead_code, unreachable_pub)]

#[path = "analytics-track.rs"]
mod analytics_track;
#[path = "health.rs"]
mod health;
#[path = "learning.rs"]
mod learning;
#[path = "patterns.rs"]
mod patterns;
#[path = "prompt.rs"]
mod prompt;
#[path = "prompt-view.rs"]
mod prompt_view;
#[path = "prompts.rs"]
mod prompts;
#[path = "stats.rs"]
mod stats;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    response::{Redirect, Response},
    routing::get,
};
use http::{StatusCode, header};
use shared::{
    http::{Path, Problem, Reply},
    lambda,
};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

const DOCUMENT: &str = "/api/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(title = "Prompt library", description = "Prompts, patterns, learning resources and what people do with them."),
    servers((url = "/")),
    paths(
        prompts::list, prompt::show, patterns::list, patterns::show, learning::list, learning::show,
        prompt_view::count, analytics_track::track, stats::show, health::show, document,
    ),
)]
struct Api;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let router = Router::new()
        .route(DOCUMENT, get(document))
        .route("/api/docs", get(async || Redirect::temporary("/api/docs/index.html")))
        .route("/api/docs/{*file}", get(page));
    lambda::http(router, ()).await
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "operations", responses((status = 200, description = "OpenAPI 3.1")))]
async fn document() -> Reply {
    Reply::public(&Api::openapi())
}

/// A file of the page that shows the document.
async fn page(Path(file): Path<String>) -> Result<Response, Problem> {
    let config = Arc::new(Config::from(DOCUMENT));
    let file = utoipa_swagger_ui::serve(&file, config).map_err(Problem::internal)?;
    let file = file.ok_or_else(|| Problem::not_found("There is no such page."))?;
    let mut response = Response::builder().status(StatusCode::OK).header(header::CONTENT_TYPE, file.content_type);
    if file.gzpipped {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let response = response.header(header::CACHE_CONTROL, "public, max-age=3600");
    response.body(Body::from(file.bytes.into_owned())).map_err(Problem::internal)
}
