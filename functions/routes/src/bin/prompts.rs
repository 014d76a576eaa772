//! `GET /api/prompts`: public prompts, by filter, order and page.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    content::{Content, Filter, Kind, PromptPage, Sort, Store, backup, content_reply},
    http::{Page, Problem, Query, Reply},
    lambda,
    mongo::{Lifetime, Mongo},
};
use utoipa::{IntoParams, ToSchema};

/// How a list of prompts is narrowed and ordered.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PromptQuery {
    category: Option<String>,
    role: Option<String>,
    /// Id of a pattern.
    pattern: Option<String>,
    tag: Option<String>,
    /// Words that must all occur.
    search: Option<String>,
    featured: Option<bool>,
    /// `newest` (default) or `popular`.
    #[serde(default)]
    #[param(value_type = Option<SortQuery>, inline)]
    sort: SortQuery,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum SortQuery {
    #[default]
    Newest,
    Popular,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let mongo = Mongo::from_env(Lifetime::Invocation)?;
    let database = Store::new(mongo.clone()).fallback(Kind::Prompts);
    let content = Content::from_env(Kind::Prompts, Some(database), backup::PROMPTS)?;
    lambda::http(Router::new().route("/api/prompts", get(list)).with_state(Arc::new(content)), mongo).await
}

/// Public prompts, without their content.
#[utoipa::path(get, path = "/api/prompts", tag = "content", params(PromptQuery),
    responses((status = 200, body = PromptPage)))]
pub async fn list(State(content): State<Arc<Content>>, Query(query): Query<PromptQuery>) -> Result<Reply, Problem> {
    let sort = match query.sort {
        SortQuery::Newest => Sort::Newest,
        SortQuery::Popular => Sort::Popular,
    };
    let page = Page { limit: query.limit, cursor: query.cursor };
    let filter = Filter {
        category: query.category,
        role: query.role,
        pattern: query.pattern,
        tag: query.tag,
        search: query.search,
        featured: query.featured,
        level: None,
    };
    content_reply(&content, &filter, sort, &page).await
}
