//! `GET /api/openapi.json` and `GET /api/docs`: what the API offers, for programs and for people.
//!
//! The routes' own files are included as modules, so that the document is made of the very handlers.

// Of each route only the description is used here.
#![allow(dead_code, unreachable_pub, deprecated)]

#[path = "../responses.rs"]
mod responses;

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

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Body,
    response::{Redirect, Response},
    routing::get,
};
use http::{StatusCode, header};
use responses::Responses;
use shared::{
    http::{Path, Problem, ProblemDocument, Reply},
    lambda,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::Config;

const DOCUMENT: &str = "/api/openapi.json";
/// What the page is made of, and where it sends requests that somebody tries: the API itself. Its styles are set by
/// scripts.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[derive(OpenApi)]
#[openapi(
    info(title = "Prompt library", description = "Prompts, patterns, learning resources, accounts, and what people do with them."),
    servers((url = "/")),
    paths(
        prompts::list, prompt::show, patterns::list, patterns::show, learning::list, learning::show,
        prompt_create::create, prompt_edit::change, prompt_edit::remove, prompt_revisions::list,
        prompt_audit::show, prompt_audit::add,
        prompt_collections::list, prompt_collections::keep, prompt_collections::remove,
        prompt_view::count, analytics_track::track, stats::show, stats::invalidate,
        auth_signup::sign_up, auth_signup::complete, auth_login::login, auth_session::show, auth_session::refresh,
        auth_session::log_out, auth_session::list, auth_session::end_others, auth_session::end,
        auth_mfa::status, auth_mfa::send_code, auth_mfa::verify, auth_mfa::enable, auth_mfa::disable,
        auth_mfa::ask_reset, auth_mfa::begin_reset, auth_mfa::stop_reset,
        auth_password::forgot, auth_password::reset, auth_password::change, auth_password::verify_password,
        auth_password::send_proof, auth_password::verify_email, auth_jwks::show,
        user_activity::show, user_activity::show_by_old_name, user_activity::record,
        api_keys::list, api_keys::create, api_keys::usage, api_key::rotate, api_key::revoke,
        provider_keys::list, provider_keys::create, provider_keys::rotate, provider_keys::revoke,
        provider_keys::open, provider_keys::managed, provider_keys::manage, provider_keys::rotate_managed,
        provider_keys::revoke_managed, provider_keys::usage,
        ai_usage::report, ai_usage::left, ai_usage_summary::show, usage_alerts::list, usage_alerts::create,
        usage_alerts::change, usage_alerts::remove, user_preferences::show, user_preferences::replace,
        user_preferences::send_code, user_preferences::verify,
        usage_reports::daily, usage_reports::monthly, analytics_counts::show,
        workbench_runs::start, workbench_runs::list, workbench_run::show, workbench_run::complete,
        bug_reports::list, bug_reports::create, bug_reports::step,
        affiliate_links::list, affiliate_links::save, affiliate_links::remove, affiliate_click::follow,
        users_admin::list, users_admin::change, users_admin::end_sessions, users_admin::reset_mfa, audit_logs::list, health::show, health_ready::show, document,
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Security, &Responses),
)]
struct Api;

/// How callers show who they are.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let token = bearer().bearer_format("JWT").description(Some("An access token, from a sign-in"));
        let key = bearer().bearer_format("pk_…").description(Some("A platform key with the scope named"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(token.build()));
        components.add_security_scheme("apiKey", SecurityScheme::Http(key.build()));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let router = Router::new()
        .route(DOCUMENT, get(document))
        .route("/api/docs", get(async || Redirect::temporary("/api/docs/index.html")))
        .route("/api/docs/", get(async || Redirect::temporary("/api/docs/index.html")))
        .route("/api/docs/{*file}", get(page));
    lambda::http(router, ()).await
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "operations", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn document() -> Reply {
    static BUILT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Api::openapi);
    Reply::public(&*BUILT)
}

/// A file of the page that shows the document.
async fn page(Path(file): Path<String>) -> Result<Response, Problem> {
    let config = Arc::new(Config::from(DOCUMENT));
    let file = utoipa_swagger_ui::serve(&file, config).map_err(Problem::internal)?;
    let file = file.ok_or_else(|| Problem::not_found("There is no such page."))?;
    let mut response = Response::builder().status(StatusCode::OK).header(header::CONTENT_TYPE, file.content_type);
    if file.gzpipped {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let response = response
        .header(header::CACHE_CONTROL, "public, max-age=3600")
        .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    response.body(Body::from(file.bytes.into_owned())).map_err(Problem::internal)
}
