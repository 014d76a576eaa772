//! `GET /api/admin/users`, `PATCH /api/admin/users/{id}`: accounts, for administrators.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    routing::{get, patch},
};
use serde::Deserialize;
use shared::{
    accounts::{
        Guard, Guarded, Permission, Principal, Profile, Role, Status,
        admin::{self, Changed, UserChange, UserFilter, UserPage},
    },
    audit::Trail,
    cache::Cache,
    http::{Caller, JsonBody, Page, Path, Problem, Query, Reply},
    lambda, limits,
    mongo::{Lifetime, Mongo},
};
use utoipa::IntoParams;

/// How the list is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    role: Option<Role>,
    status: Option<Status>,
    /// A super admin's choice; everybody else sees their own.
    organization_id: Option<String>,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// What the handlers need.
pub struct App {
    mongo: Mongo,
    cache: Cache,
    guard: Guard,
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
        trail: Trail::from_env(&mongo)?,
        mongo: mongo.clone(),
        cache: cache.clone(),
    };
    let router = Router::new()
        .route("/api/admin/users", get(list))
        .route("/api/admin/users/{id}", patch(change))
        .with_state(Arc::new(app));
    lambda::http(router, (mongo, cache)).await
}

/// Accounts of the caller's organisation; all of them for a super admin.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", params(UserQuery), security(("bearer" = [])),
    responses((status = 200, body = UserPage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Query(query): Query<UserQuery>,
) -> Result<Reply, Problem> {
    principal.require(Permission::UsersRead)?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    let filter = UserFilter { role: query.role, status: query.status, organization_id: query.organization_id };
    Ok(Reply::ok(&admin::list(&app.mongo, &principal, &filter, page.limit()?, page.cursor()?).await?))
}

/// Changes an account's role or status, in force everywhere within 30 seconds.
#[utoipa::path(patch, path = "/api/admin/users/{id}", tag = "administration", params(("id" = String, Path)), request_body = UserChange, security(("bearer" = [])),
    responses((status = 200, body = Profile), (status = 409)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UserChange>,
) -> Result<Reply, Problem> {
    principal.require(Permission::UsersManageRoles)?;
    principal.require_fresh_mfa()?;
    limits::ADMIN.check(&app.cache, &caller, principal.id()).await?;
    let outcome = admin::change(&app.mongo, &app.trail, &caller, &principal, &id, &request).await;
    // A failure may have changed it all the same: only the answer was lost.
    app.guard.users.changed(&id).await;
    let account = match outcome? {
        Changed::Done(account) => account,
        Changed::Absent => return Err(Problem::not_found("There is no such account in your reach.")),
        Changed::LastSuperAdmin => {
            return Err(Problem::conflict("last_super_admin", "The last active super admin stays."));
        }
    };
    Ok(Reply::ok(&Profile::from(&*account)))
}
