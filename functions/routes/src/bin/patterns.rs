//! `GET /api/patterns` and `GET /api/patterns/{id}`: the prompt patterns.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    content::{Content, ContentItem, Filter, Kind, PatternPage, Sort, Store, backup, content_reply, open_public_item},
    http::{Page, Path, Problem, Query, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// How the list of patterns is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PatternQuery {
    category: Option<String>,
    level: Option<String>,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let database = Store::new(mongo.clone()).fallback(Kind::Patterns);
    let content = Content::from_env(Kind::Patterns, Some(database), backup::PATTERNS)?;
    let router = Router::new().route("/api/patterns", get(list)).route("/api/patterns/{id}", get(show));
    lambda::http(router.with_state(Arc::new(content)), mongo).await
}

/// The patterns.
#[utoipa::path(get, path = "/api/patterns", tag = "content", params(PatternQuery),
    responses((status = 200, body = PatternPage)))]
pub async fn list(State(content): State<Arc<Content>>, Query(query): Query<PatternQuery>) -> Result<Reply, Problem> {
    let page = Page { limit: query.limit, cursor: query.cursor };
    let filter = Filter { category: query.category, level: query.level, ..Filter::default() };
    content_reply(&content, &filter, Sort::Newest, &page).await
}

/// A pattern.
///
/// Public ones alone: this route does not ask who is calling, and anything else is a 404.
#[utoipa::path(get, path = "/api/patterns/{id}", tag = "content", params(("id" = String, Path, description = "Id")),
    responses((status = 200, body = ContentItem)))]
pub async fn show(State(content): State<Arc<Content>>, Path(id): Path<String>) -> Result<Reply, Problem> {
    open_public_item(&content, &id).await
}
