//! `GET /api/prompts`: public prompts, by filter, order and page.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use shared::{
    cache::Cache,
    content::{Content, Filter, Order, PromptPage},
    http::{ClientInfo, Limit, LongPage, MAX_LIMIT, Problem, Query, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
    rate_limits,
};

pub struct Own {
    content: Content,
    /// In memory: it counts this environment's long pages, which bounds what a flood of them costs.
    cache: Cache,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let own = Arc::new(Own { content: Content::prompts(&mongo)?, cache: Cache::in_process() });
    lambda::http(Router::new().route("/api/prompts", get(list)).with_state(own), mongo).await
}

/// Public prompts, without their content; in a page of more than 100, which is for scripts, with it.
#[utoipa::path(get, path = "/api/prompts", operation_id = "listPrompts", tag = "content", params(Filter, Order, LongPage),
    responses((status = 200, body = PromptPage, headers(("etag"), ("x-content-source")))))]
pub async fn list(
    State(own): State<Arc<Own>>,
    Extension(client): Extension<ClientInfo>,
    Query(filter): Query<Filter>,
    Query(order): Query<Order>,
    LongPage(page): LongPage,
) -> Result<Reply, Problem> {
    if page.limit > MAX_LIMIT {
        rate_limits::LongPages::POLICY.check(&own.cache, &client, "everybody").await?;
    }
    own.content.current().await.list(&filter, order.sort, &page)
}
