//! `GET /.well-known/jwks.json`: the public halves of the keys that sign access tokens.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use shared::{auth::Tokens, http::Reply, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let tokens = Arc::new(Tokens::from_env()?);
    lambda::http(Router::new().route("/.well-known/jwks.json", get(show)).with_state(tokens), ()).await
}

/// Today's key, and the one before during a rotation.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "getSigningKeys", tag = "accounts", responses((status = 200, description = "A JWK set (RFC 7517)", body = Object, headers(("etag")))))]
pub async fn show(State(tokens): State<Arc<Tokens>>) -> Reply {
    Reply::public(&tokens.jwks())
}
