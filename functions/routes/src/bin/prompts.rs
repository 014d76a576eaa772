//! `GET /api/prompts`: public prompts, by filter, order and page.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use shared::{
    content::{Content, Filter, Order, PromptPage},
    http::{LongPage, Problem, Query, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let content = Arc::new(Content::prompts(&mongo)?);
    lambda::http(Router::new().route("/api/prompts", get(list)).with_state(content), mongo).await
}

/// Public prompts, without their content; in a page of more than 100, which is for scripts, with it.
#[utoipa::path(get, path = "/api/prompts", operation_id = "listPrompts", tag = "content", params(Filter, Order, LongPage),
    responses((status = 200, body = PromptPage, headers(("etag"), ("x-content-source")))))]
pub async fn list(
    State(content): State<Arc<Content>>,
    Query(filter): Query<Filter>,
    Query(order): Query<Order>,
    LongPage(page): LongPage,
) -> Result<Reply, Problem> {
    content.current().await.list(&filter, order.sort, &page)
}
