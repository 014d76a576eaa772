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

use axum::Router;
use shared::lambda;
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

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
    let docs = SwaggerUi::new("/api/docs").url("/api/openapi.json", Api::openapi());
    lambda::http(Router::new().merge(docs), ()).await
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "operations", responses((status = 200, description = "OpenAPI 3.1")))]
fn document() {}
