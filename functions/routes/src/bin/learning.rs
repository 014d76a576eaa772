//! `GET /api/learning` and `GET /api/learning/{slug}`: the learning resources.

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    content::{Content, Filter, LearningResource, ResourcePage, Sort},
    http::{Page, Path, Problem, Query, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// How the list of resources is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LearningQuery {
    /// Equal to its category.
    category: Option<String>,
    /// Equal to its level.
    level: Option<String>,
    /// Only featured resources, or only others.
    featured: Option<bool>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let content = Content::learning(&mongo)?;
    let routes = Router::new().route("/api/learning", get(list)).route("/api/learning/{slug}", get(show));
    lambda::http(routes.with_state(content), mongo).await
}

/// The learning resources, without their text.
#[utoipa::path(get, path = "/api/learning", operation_id = "listLearningResources", tag = "content", params(LearningQuery, Page),
    responses((status = 200, body = ResourcePage, headers(("etag"), ("x-content-source")))))]
pub async fn list(
    State(content): State<Content>,
    Query(query): Query<LearningQuery>,
    page: Page,
) -> Result<Reply, Problem> {
    let filter = Filter { category: query.category, level: query.level, featured: query.featured, ..Filter::default() };
    content.current().await.list(&filter, Sort::Newest, &page)
}

/// A learning resource.
///
/// Public ones alone: this route does not ask who is calling, and anything else is a 404.
#[utoipa::path(get, path = "/api/learning/{slug}", operation_id = "getLearningResource", tag = "content", params(("slug" = String, Path, description = "Slug or id")),
    responses((status = 200, body = LearningResource, headers(("etag"), ("x-content-source")))))]
pub async fn show(State(content): State<Content>, Path(slug): Path<String>) -> Result<Reply, Problem> {
    content.current().await.public_item(&slug)
}
