//! `GET /api/admin/users`, `PATCH /api/admin/users/{id}`: accounts, for administrators.

use axum::{
    Router,
    extract::State,
    routing::{get, patch},
};
use shared::{
    audit::AuditLog,
    auth::{App, Signed},
    http::{JsonBody, Page, Path, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    roles::Permission,
    users::{
        Profile,
        admin::{self, UserChange, UserFilter, UserPage},
    },
};

pub struct Own {
    audit_log: AuditLog,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::Invocation, |clients| Ok(Own { audit_log: AuditLog::from_env(&clients.ledger)? }))?;
    let routes = Router::new().route("/api/admin/users", get(list)).route("/api/admin/users/{id}", patch(change));
    app.serve(routes).await
}

/// Accounts of the caller's organisation; all of them for a super admin.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", params(UserFilter, Page), security(("bearer" = [])),
    responses((status = 200, body = UserPage)))]
pub async fn list(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    Query(filter): Query<UserFilter>,
    page: Page,
) -> Result<Reply, Problem> {
    user.require(Permission::UsersRead)?;
    Ok(Reply::ok(&admin::list(&app.mongo, &user.account, &filter, page).await?))
}

/// Changes an account's role or status, in force everywhere within 30 seconds.
#[utoipa::path(patch, path = "/api/admin/users/{id}", tag = "administration", params(("id" = String, Path)), request_body = UserChange, security(("bearer" = [])),
    responses((status = 200, body = Profile), (status = 409)))]
pub async fn change(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UserChange>,
) -> Result<Reply, Problem> {
    user.require(Permission::UsersManageRoles)?;
    user.require_fresh_mfa()?;
    let outcome = admin::change(&app.mongo, &app.own.audit_log, &user.client, &user.account, &id, &request).await;
    // A failure may have changed it all the same: only the answer was lost.
    app.users.changed(&id).await;
    Ok(Reply::ok(&Profile::from(&outcome?)))
}
