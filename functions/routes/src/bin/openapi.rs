//! `GET /api/openapi.json` and `GET /api/docs`: what the API offers, for programs and for people.
//!
//! The routes' own files are included as modules, so that the document is made of the very handlers.

// Of each route only the description is used here.
#![allow(dead_code, unreachable_pub, deprecated)]

#[path = "../document/mod.rs"]
mod document;

#[path = "affiliate-click.rs"]
mod affiliate_click;
#[path = "affiliate-links.rs"]
mod affiliate_links;
#[path = "ai-usage.rs"]
mod ai_usage;
#[path = "ai-usage-summary.rs"]
mod ai_usage_summary;
#[path = "analytics-counts.rs"]
mod analytics_counts;
#[path = "analytics-track.rs"]
mod analytics_track;
#[path = "api-key.rs"]
mod api_key;
#[path = "api-keys.rs"]
mod api_keys;
#[path = "audit-logs.rs"]
mod audit_logs;
#[path = "auth-account.rs"]
mod auth_account;
#[path = "auth-jwks.rs"]
mod auth_jwks;
#[path = "auth-login.rs"]
mod auth_login;
#[path = "auth-mfa.rs"]
mod auth_mfa;
#[path = "auth-password.rs"]
mod auth_password;
#[path = "auth-session.rs"]
mod auth_session;
#[path = "auth-signup.rs"]
mod auth_signup;
#[path = "bug-reports.rs"]
mod bug_reports;
#[path = "health.rs"]
mod health;
#[path = "health-ready.rs"]
mod health_ready;
#[path = "learning.rs"]
mod learning;
#[path = "patterns.rs"]
mod patterns;
#[path = "prompt.rs"]
mod prompt;
#[path = "prompt-audit.rs"]
mod prompt_audit;
#[path = "prompt-collections.rs"]
mod prompt_collections;
#[path = "prompt-create.rs"]
mod prompt_create;
#[path = "prompt-edit.rs"]
mod prompt_edit;
#[path = "prompt-revisions.rs"]
mod prompt_revisions;
#[path = "prompt-view.rs"]
mod prompt_view;
#[path = "prompts.rs"]
mod prompts;
#[path = "provider-keys.rs"]
mod provider_keys;
#[path = "stats.rs"]
mod stats;
#[path = "usage-alerts.rs"]
mod usage_alerts;
#[path = "usage-reports.rs"]
mod usage_reports;
#[path = "user-activity.rs"]
mod user_activity;
#[path = "user-preferences.rs"]
mod user_preferences;
#[path = "users-admin.rs"]
mod users_admin;
#[path = "workbench-run.rs"]
mod workbench_run;
#[path = "workbench-runs.rs"]
mod workbench_runs;

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock, OnceLock},
};

use axum::{Router, body::Body, response::Response, routing::get};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::header;
use serde_json::value::{RawValue, to_raw_value};
use shared::{
    http::{Path, Problem, ProblemDocument, Reply, etag},
    init,
    keys::sha256_bytes,
    lambda,
};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

const DOCUMENT: &str = "/api/openapi.json";
/// Makes this program write the document instead of serving it: `cargo local openapi` keeps it in the repository.
const PRINT: &str = "--print";
/// The page that shows the document, with the one script that is a part of it.
const PAGE: &str = include_str!("../docs.html");
/// What the page is made of, and where it sends requests that somebody tries: the API itself. Its styles are set by
/// scripts.
static PAGE_POLICY: LazyLock<String> = LazyLock::new(|| {
    let script = PAGE.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>"));
    let hash = STANDARD.encode(sha256_bytes(script.map_or("", |(script, _)| script).as_bytes()));
    format!(
        "default-src 'none'; script-src 'self' 'sha256-{hash}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
});

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Prompt library",
        description = "Prompts, patterns, learning resources, accounts, and what people do with them."
    ),
    paths(
        prompts::list,
        prompt::show,
        patterns::list,
        patterns::show,
        learning::list,
        learning::show,
        prompt_create::create,
        prompt_edit::change,
        prompt_edit::remove,
        prompt_revisions::list,
        prompt_audit::show,
        prompt_audit::add,
        prompt_collections::list,
        prompt_collections::keep,
        prompt_collections::remove,
        prompt_view::count,
        analytics_track::track,
        stats::show,
        stats::invalidate,
        auth_signup::sign_up,
        auth_signup::complete,
        auth_login::login,
        auth_session::show,
        auth_session::refresh,
        auth_session::log_out,
        auth_session::list,
        auth_session::end_others,
        auth_session::end,
        auth_account::remove,
        auth_account::ask_for_export,
        auth_account::show_export,
        auth_account::read_export,
        auth_mfa::status,
        auth_mfa::send_code,
        auth_mfa::verify,
        auth_mfa::enable,
        auth_mfa::disable,
        auth_mfa::ask_reset,
        auth_mfa::begin_reset,
        auth_mfa::stop_reset,
        auth_password::forgot,
        auth_password::reset,
        auth_password::change,
        auth_password::verify_password,
        auth_password::send_proof,
        auth_password::verify_email,
        auth_jwks::show,
        user_activity::show,
        user_activity::show_by_old_name,
        user_activity::record,
        api_keys::list,
        api_keys::create,
        api_keys::usage,
        api_key::rotate,
        api_key::revoke,
        provider_keys::list,
        provider_keys::create,
        provider_keys::rotate,
        provider_keys::revoke,
        provider_keys::open,
        provider_keys::managed,
        provider_keys::manage,
        provider_keys::rotate_managed,
        provider_keys::revoke_managed,
        provider_keys::usage,
        ai_usage::report,
        ai_usage::left,
        ai_usage_summary::show,
        usage_alerts::list,
        usage_alerts::create,
        usage_alerts::change,
        usage_alerts::remove,
        user_preferences::show,
        user_preferences::replace,
        user_preferences::send_code,
        user_preferences::verify,
        usage_reports::daily,
        usage_reports::monthly,
        analytics_counts::show,
        workbench_runs::start,
        workbench_runs::list,
        workbench_run::show,
        workbench_run::complete,
        bug_reports::list,
        bug_reports::create,
        bug_reports::step,
        affiliate_links::list,
        affiliate_links::save,
        affiliate_links::remove,
        affiliate_click::follow,
        users_admin::list,
        users_admin::change,
        users_admin::end_sessions,
        users_admin::reset_mfa,
        audit_logs::list,
        health::show,
        health_ready::show,
        show,
    ),
    components(schemas(ProblemDocument))
)]
struct Api;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    if std::env::args().nth(1).as_deref() == Some(PRINT) {
        println!("{}", serde_json::to_string_pretty(&document::complete(Api::openapi())?)?);
        return Ok(());
    }
    lambda::start();
    init::register(async { drop(built()) });
    let router = Router::new()
        .route(DOCUMENT, get(show))
        .route("/api/docs", get(page))
        .route("/api/docs/", get(page))
        .route("/api/docs/{*file}", get(part));
    lambda::http(router, ()).await
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "getApiDocument", tag = "operations", responses((status = 200, description = "OpenAPI 3.1", body = Object, headers(("etag")))))]
async fn show() -> Result<Reply, Problem> {
    let (document, tag) = built()?;
    Ok(Reply::public_with_tag(document, tag))
}

/// The document and its ETag.
fn built() -> Result<&'static (Box<RawValue>, String), Problem> {
    static BUILT: OnceLock<(Box<RawValue>, String)> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built);
    }
    let document = to_raw_value(&document::complete(Api::openapi())?).map_err(Problem::internal)?;
    let tag = etag(document.get().as_bytes());
    Ok(BUILT.get_or_init(|| (document, tag)))
}

/// The page that shows the document.
async fn page() -> Result<Response, Problem> {
    file("text/html; charset=utf-8", Cow::Borrowed(PAGE.as_bytes()))
}

/// A file that the page loads.
async fn part(Path(name): Path<String>) -> Result<Response, Problem> {
    if name == "index.html" {
        return page().await;
    }
    let found = utoipa_swagger_ui::serve(&name, Arc::new(Config::from(DOCUMENT))).map_err(Problem::internal)?;
    let found = found.ok_or_else(|| Problem::not_found("There is no such page."))?;
    file(&found.content_type, found.bytes)
}

fn file(content_type: &str, bytes: Cow<'static, [u8]>) -> Result<Response, Problem> {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "public, max-age=3600")
        .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY.as_str())
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")
        .body(Body::from(bytes.into_owned()))
        .map_err(Problem::internal)
}
