//! `GET /api/affiliate/{linkId}`: follows an affiliate link, and counts it.

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::{Method, StatusCode, header};
use shared::{
    affiliates::{ClickCounter, Links},
    cache::Cache,
    clock,
    http::{Counted, Path, Problem},
    lambda::{self, PublicApp},
    mongo::{Lifetime, Mongo},
    rate_limits,
};

pub struct Own {
    links: Links,
    counter: ClickCounter,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::FromStart)?, Cache::from_env()?);
    let own = Own { links: Links::new(mongo.clone(), cache.clone()), counter: ClickCounter::from_env(&cache)? };
    let routes = Router::new().route("/api/affiliate/{linkId}", get(follow));
    PublicApp::new(cache, own).serve(routes, mongo).await
}

/// Leads to where the link was set to, once the click is counted. Nothing of the request changes where.
#[utoipa::path(get, path = "/api/affiliate/{linkId}", operation_id = "followAffiliateLink", tag = "analytics", params(("linkId" = String, Path)),
    responses((status = 302, headers(("location")))))]
pub async fn follow(
    State(app): State<PublicApp<Own>>,
    client: Counted<rate_limits::Clicks>,
    method: Method,
    Path(link_id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let link = app.links.find(&link_id).await?;
    let target = link.as_ref().and_then(|link| link.target());
    let target = target.ok_or_else(|| Problem::not_found("There is no such link."))?;
    // HEAD asks where it leads, and follows nothing.
    if method == Method::GET {
        app.counter.count(&client, &link_id, clock::now()).await?;
    }
    // Kept by no cache, or the next click would not come here.
    let headers = [(header::LOCATION, target.as_str().to_owned()), (header::CACHE_CONTROL, "no-store".into())];
    Ok((StatusCode::FOUND, headers))
}
