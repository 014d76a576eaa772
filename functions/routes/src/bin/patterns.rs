//! `GET /api/patterns` and `GET /api/patterns/{id}`: the prompt patterns.

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    content::{Content, Filter, Pattern, PatternPage, Sort},
    http::{Page, Path, Problem, Query, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// How the list of patterns is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PatternQuery {
    /// Equal to its category.
    category: Option<String>,
    /// Equal to its level.
    level: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let content = Content::patterns(&mongo)?;
    let routes = Router::new().route("/api/patterns", get(list)).route("/api/patterns/{id}", get(show));
    lambda::http(routes.with_state(content), mongo).await
}

/// The patterns.
#[utoipa::path(get, path = "/api/patterns", operation_id = "listPatterns", tag = "content", params(PatternQuery, Page),
    responses((status = 200, body = PatternPage, headers(("etag"), ("x-content-source")))))]
pub async fn list(
    State(content): State<Content>,
    Query(query): Query<PatternQuery>,
    page: Page,
) -> Result<Reply, Problem> {
    let filter = Filter { category: query.category, level: query.level, ..Filter::default() };
    content.current().await.list(&filter, Sort::Newest, &page)
}

/// A pattern.
///
/// Public ones alone: this route does not ask who is calling, and anything else is a 404.
#[utoipa::path(get, path = "/api/patterns/{id}", operation_id = "getPattern", tag = "content", params(("id" = String, Path, description = "Id")),
    responses((status = 200, body = Pattern, headers(("etag"), ("x-content-source")))))]
pub async fn show(State(content): State<Content>, Path(id): Path<String>) -> Result<Reply, Problem> {
    content.current().await.public_item(&id)
}
