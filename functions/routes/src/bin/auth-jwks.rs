//! `GET /.well-known/jwks.json`: the public halves of the keys that sign access tokens.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use shared::{
    auth::TokenKeys,
    http::{Problem, Reply},
    lambda,
    secrets::Secret,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let keys = Arc::new(TokenKeys::from_env()?);
    lambda::http(Router::new().route("/.well-known/jwks.json", get(show)).with_state(keys), ()).await
}

/// Today's key, and the one before during a rotation.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "getSigningKeys", tag = "accounts", responses((status = 200, description = "A JWK set (RFC 7517)", body = Object, headers(("etag")))))]
pub async fn show(State(keys): State<Arc<Secret<TokenKeys>>>) -> Result<Reply, Problem> {
    Ok(Reply::public(&*keys.get().await?))
}
