//! `GET`, `POST`, `DELETE /api/admin/affiliate-links`: affiliate links and the talks about them.

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use shared::{
    affiliates::{self, AffiliateEntry, Kind, Links, Listing},
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    clock,
    http::{JsonBody, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::Permission,
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

pub struct Own {
    links: Links,
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            links: Links::new(clients.mongo.clone(), clients.cache.clone()),
            audit_log: AuditLog::from_env(&clients.ledger)?,
        })
    })?;
    let routes = Router::new().route("/api/admin/affiliate-links", get(list).post(save).delete(remove));
    app.serve(routes).await
}

/// Every link with its clicks, and every talk.
#[utoipa::path(get, path = "/api/admin/affiliate-links", operation_id = "listAffiliateEntries", tag = "administration", security(("bearer" = [])),
    responses((status = 200, body = Listing)))]
pub async fn list(State(app): State<App<Own>>, user: Signed<rate_limits::Admin>) -> Result<Reply, Problem> {
    user.require(Permission::SystemAdmin)?;
    Ok(Reply::ok(&affiliates::list(&app.mongo, clock::now()).await?))
}

/// Keeps a link or a talk. There is one for each tool, or company: again, it is replaced and keeps its id and clicks.
#[utoipa::path(post, path = "/api/admin/affiliate-links", operation_id = "saveAffiliateEntry", tag = "administration", request_body = AffiliateEntry, security(("bearer" = [])),
    responses((status = 200, description = "As it is kept", body = Object)))]
pub async fn save(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    JsonBody(entry): JsonBody<AffiliateEntry>,
) -> Result<Reply, Problem> {
    user.require(Permission::SystemAdmin)?;
    let kept = affiliates::save(&app.mongo, &entry).await?;
    let id = kept["_id"].as_str().unwrap_or_default();
    app.own.links.changed(id).await;
    let event = AuditEvent::new(Action::AffiliateSaved).by(&user.account).on(entry.kind().name(), id);
    app.own.audit_log.record(&user.client, event).await?;
    Ok(Reply::ok(&kept))
}

/// Removes a link or a talk.
#[utoipa::path(delete, path = "/api/admin/affiliate-links", operation_id = "removeAffiliateEntry", tag = "administration", params(RemoveQuery), security(("bearer" = [])),
    responses((status = 204), (status = 404)))]
pub async fn remove(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    query: Result<Query<RemoveQuery>, Problem>,
) -> Result<Reply, Problem> {
    user.require(Permission::SystemAdmin)?;
    let Query(RemoveQuery { kind, id }) = query?;
    if !affiliates::remove(&app.mongo, kind, &id).await? {
        return Err(Problem::not_found("There is no such entry."));
    }
    app.own.links.changed(&id).await;
    let event = AuditEvent::new(Action::AffiliateRemoved).by(&user.account).on(kind.name(), &id);
    app.own.audit_log.record(&user.client, event).await?;
    Ok(Reply::no_content())
}
