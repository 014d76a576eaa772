//! `DELETE /api/auth/account`, `/api/auth/account/export`: an account's owner leaves, or takes a copy along.

use axum::{
    Router,
    extract::State,
    routing::{delete, get},
};
use shared::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{App, Signed},
    http::{Limit, Path, Problem, Reply},
    lambda,
    leaving::{Deletions, ExportFiles, ExportView, Exports},
    mongo::Lifetime,
    notifications::{Outbox, Template},
    rate_limits,
};

pub struct Own {
    exports: Exports,
    deletions: Deletions,
    audit_log: AuditLog,
    outbox: Outbox,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        let audit_log = AuditLog::from_env(&clients.ledger)?;
        Ok(Own {
            exports: Exports::new(clients.mongo.clone(), ExportFiles::from_env()?),
            deletions: Deletions::new(clients.mongo.clone(), audit_log.clone()),
            audit_log,
            outbox: Outbox::from_env()?,
        })
    })?;
    let routes = Router::new()
        .route("/api/auth/account", delete(remove))
        .route("/api/auth/account/export", get(show_export).post(ask_for_export))
        .route("/api/auth/account/export/{part}", get(read_export));
    app.serve(routes).await
}

/// Deletes the caller's account, which is gone at once, with all that is kept about it: that is erased within a quarter
/// of an hour. Asks for the second factor, or the password, again.
#[utoipa::path(delete, path = "/api/auth/account", operation_id = "deleteAccount", tag = "accounts", security(("bearer" = [])),
    responses((status = 202, description = "The account is gone"), (status = 409)))]
pub async fn remove(State(app): State<App<Own>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    user.require_fresh_sign_in()?;
    app.own.deletions.delete(&app.users, &user.client, &user.account).await?;
    app.own.outbox.notify(user.id(), user.account.proved_email().as_ref(), Template::AccountDeleted).await;
    Ok(Reply::accepted_without_body())
}

/// Asks for a copy of everything that is kept about the caller's account; it is ready within a quarter of an hour. Asks
/// for the second factor, or the password, again.
#[utoipa::path(post, path = "/api/auth/account/export", operation_id = "requestAccountExport", tag = "accounts", security(("bearer" = [])),
    responses((status = 202, body = ExportView)))]
pub async fn ask_for_export(State(app): State<App<Own>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    user.require_fresh_sign_in()?;
    rate_limits::Export::POLICY.check(&app.cache, &user.client, user.id()).await?;
    let event = AuditEvent::new(Action::AccountExported).by(&user.account).on("user", user.id());
    app.own.audit_log.record(&user.client, event).await?;
    let export = app.own.exports.ask(user.id()).await?;
    app.own.outbox.notify(user.id(), user.account.proved_email().as_ref(), Template::ExportAsked).await;
    Ok(Reply::accepted(&export))
}

/// The last export that the caller asked for.
#[utoipa::path(get, path = "/api/auth/account/export", operation_id = "getAccountExport", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = ExportView), (status = 404)))]
pub async fn show_export(State(app): State<App<Own>>, user: Signed<rate_limits::Account>) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.exports.status(user.id()).await?))
}

/// A part of that export: lines of JSON, `{"collection": …, "document": …}`. Asks for the second factor, or the password,
/// again.
#[utoipa::path(get, path = "/api/auth/account/export/{part}", operation_id = "readAccountExport", tag = "accounts", params(("part" = u32, Path, minimum = 1)),
    security(("bearer" = [])),
    responses((status = 200, content_type = "application/jsonl", body = String), (status = 404)))]
pub async fn read_export(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::ExportParts>,
    Path(part): Path<String>,
) -> Result<Reply, Problem> {
    user.require_fresh_sign_in()?;
    // Parts begin with 1: what is no number is none of them.
    Ok(Reply::json_lines(app.own.exports.read(user.id(), part.parse().unwrap_or(0)).await?))
}
