//! `GET /api/admin/users`, `PATCH /api/admin/users/{id}`, `DELETE …/{id}/sessions`, `DELETE …/{id}/mfa`: accounts, for
//! administrators.

use axum::{
    Router,
    extract::State,
    routing::{delete, get, patch},
};
use shared::{
    audit::{Action, AuditLog},
    auth::{App, Signed, forget_sessions},
    http::{JsonBody, Page, Path, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    notifications::{Outbox, Template},
    rate_limits,
    roles::Permission,
    users::{
        Profile, User,
        admin::{self, UserChange, UserFilter, UserPage},
    },
};

pub struct Own {
    audit_log: AuditLog,
    outbox: Outbox,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own { audit_log: AuditLog::from_env(&clients.ledger)?, outbox: Outbox::from_env()? })
    })?;
    let routes = Router::new()
        .route("/api/admin/users", get(list))
        .route("/api/admin/users/{id}", patch(change))
        .route("/api/admin/users/{id}/sessions", delete(end_sessions))
        .route("/api/admin/users/{id}/mfa", delete(reset_mfa));
    app.serve(routes).await
}

/// Accounts of the caller's organisation; all of them for a super admin.
#[utoipa::path(get, path = "/api/admin/users", operation_id = "listUsers", tag = "administration", params(UserFilter, Page), security(("bearer" = [])),
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
#[utoipa::path(patch, path = "/api/admin/users/{id}", operation_id = "changeUser", tag = "administration", params(("id" = String, Path)), request_body = UserChange, security(("bearer" = [])),
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

/// Ends every session of an account.
#[utoipa::path(delete, path = "/api/admin/users/{id}/sessions", operation_id = "endUserSessions", tag = "administration", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn end_sessions(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    intervene(&app, &user, &id, Action::UserSessionsEnded).await?;
    Ok(Reply::no_content())
}

/// Takes a lost second factor off an account, whose sessions end; its owner is told.
#[utoipa::path(delete, path = "/api/admin/users/{id}/mfa", operation_id = "removeUserMfa", tag = "administration", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 204)))]
pub async fn reset_mfa(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Admin>,
    Path(id): Path<String>,
) -> Result<Reply, Problem> {
    let owner = intervene(&app, &user, &id, Action::UserMfaReset).await?;
    app.own.outbox.notify(&owner.id, owner.proved_email().as_ref(), Template::MfaDisabled).await;
    Ok(Reply::no_content())
}

/// What an administrator does to somebody's sign-in; every session of theirs ends with it.
async fn intervene(
    app: &App<Own>,
    admin: &Signed<rate_limits::Admin>,
    id: &str,
    action: Action,
) -> Result<User, Problem> {
    admin.require(Permission::UsersManageRoles)?;
    admin.require_fresh_mfa()?;
    let outcome = admin::intervene(&app.mongo, &app.own.audit_log, &admin.client, &admin.account, id, action).await;
    app.users.changed(id).await;
    let owner = outcome?;
    forget_sessions(&app.mongo, id).await;
    Ok(owner)
}
