//! `GET`, `POST`, `DELETE /api/admin/affiliate-links`: affiliate links and the talks about them.

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    accounts::{Guard, Guarded, Permission, Principal},
    affiliates::{self, AffiliateEntry, Kind, Links, Listing},
    audit::{Action, Fact, Trail},
    cache::Cache,
    clock,
    http::{Caller, JsonBody, Problem, Query, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// What to remove.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// `link` or `outreach`.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Kind,
    /// Its id.
    id: String,
}

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
    links: Links,
    trail: Trail,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Invocation)?, Cache::from_env()?);
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        links: Links::new(mongo.clone(), cache.clone()),
        trail: Trail::from_env(&mongo)?,
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/admin/affiliate-links", get(list).post(save).delete(remove))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// Every link with its clicks, and every talk.
#[utoipa::path(get, path = "/api/admin/affiliate-links", tag = "administration", security(("bearer" = [])),
    responses((status = 200, body = Listing)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<Reply, Problem> {
    principal.require(Permission::SystemAdmin)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    Ok(Reply::ok(&affiliates::list(&app.mongo, clock::now()).await?))
}

/// Keeps a link or a talk. There is one for each tool, or company: again, it is replaced and keeps its id and clicks.
#[utoipa::path(post, path = "/api/admin/affiliate-links", tag = "administration", request_body = AffiliateEntry, security(("bearer" = [])),
    responses((status = 200, description = "As it is kept", body = Object)))]
pub async fn save(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    JsonBody(entry): JsonBody<AffiliateEntry>,
) -> Result<Reply, Problem> {
    principal.require(Permission::SystemAdmin)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let kept = affiliates::save(&app.mongo, &entry).await?;
    let id = kept["id"].as_str().unwrap_or_default();
    app.links.changed(id).await;
    let fact = Fact::new(Action::AffiliateSaved).by(&principal.account).on(entry.kind().name(), id);
    app.trail.record(&caller, fact).await?;
    Ok(Reply::ok(&kept))
}

/// Removes a link or a talk.
#[utoipa::path(delete, path = "/api/admin/affiliate-links", tag = "administration", params(RemoveQuery), security(("bearer" = [])),
    responses((status = 204), (status = 404)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    query: Result<Query<RemoveQuery>, Problem>,
) -> Result<Reply, Problem> {
    principal.require(Permission::SystemAdmin)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let Query(RemoveQuery { kind, id }) = query?;
    if !affiliates::remove(&app.mongo, kind, &id).await? {
        return Err(Problem::not_found("There is no such entry."));
    }
    app.links.changed(&id).await;
    let fact = Fact::new(Action::AffiliateRemoved).by(&principal.account).on(kind.name(), &id);
    app.trail.record(&caller, fact).await?;
    Ok(Reply::no_content())
}
