//! `GET /api/auth/session`, `POST /api/auth/refresh`, `POST /api/auth/logout`: the life of a session.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, post},
};
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use shared::{
    accounts::{Guard, Guarded, Principal, Profile, Refreshed, Reused, Sessions, SignedIn, Tokens, sign_in_again},
    audit::{Action, Fact, Trail},
    cache::Cache,
    http::{Caller, JsonBody, Problem, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
    notifications::{Outbox, Template},
};
use utoipa::ToSchema;

/// A refresh token.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshRequest {
    /// From the last sign-in or refresh: good for one use.
    #[garde(skip)]
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// What the handlers need.
pub struct App {
    cache: Cache,
    guard: Guard,
    sessions: Sessions,
    trail: Trail,
    outbox: Outbox,
}

impl Guarded for App {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let (mongo, cache) = (Mongo::from_env(Lifetime::Environment)?, Cache::from_env()?);
    let app = App {
        guard: Guard::from_env(&mongo, &cache)?,
        sessions: Sessions::new(mongo.clone(), Tokens::from_env()?),
        trail: Trail::from_env(&mongo)?,
        outbox: Outbox::from_env()?,
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/auth/session", get(show))
        .route("/api/auth/refresh", post(refresh))
        .route("/api/auth/logout", post(log_out))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/auth/session", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = Profile)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    Ok(Reply::ok(&Profile::from(&*principal.account)))
}

/// Exchanges a refresh token for new tokens. One that is used twice ends its session.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "accounts", request_body = RefreshRequest,
    responses((status = 200, body = SignedIn), (status = 401)))]
pub async fn refresh(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<Reply, Problem> {
    limits::REFRESH.check_address(&app.cache, &caller).await?;
    match app.sessions.refresh(&app.guard.users, &request.refresh_token, &caller).await? {
        Refreshed::Done(signed_in) => Ok(Reply::ok(&signed_in)),
        Refreshed::Refused(user_id) => {
            app.trail.record(&caller, Fact::new(Action::RefreshRefused).on_user(user_id.as_deref())).await?;
            Err(sign_in_again())
        }
        Refreshed::Reused(Reused { user_id, family_id }) => {
            let fact = Fact::new(Action::RefreshReused).on("user", &user_id).with("session", family_id);
            app.trail.record(&caller, fact).await?;
            // The session is over, whether its owner hears of it or not.
            if let Ok(Some(account)) = app.guard.users.find(&user_id).await {
                app.outbox.tell(&user_id, &account.email, Template::RefreshTokenReused).await;
            }
            Err(sign_in_again())
        }
    }
}

/// Ends this session: its refresh token at once, its access token within 30 seconds everywhere.
#[utoipa::path(post, path = "/api/auth/logout", tag = "accounts", security(("bearer" = [])),
    responses((status = 204)))]
pub async fn log_out(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
) -> Result<Reply, Problem> {
    limits::ACCOUNT.check(&app.cache, &caller, principal.id()).await?;
    app.sessions.end(&app.guard.users, principal.id(), &principal.session_id).await?;
    app.trail.record(&caller, Fact::new(Action::SignOut).by(&principal.account)).await?;
    Ok(Reply::no_content())
}
