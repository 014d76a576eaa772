//! Pages for people, made here: they run no script and fetch nothing.

use axum::response::{IntoResponse, Response};
use http::header;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Problem, Reply};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:4rem auto;padding:0 1rem;color:#1f2937}\
h1{font-size:1.5rem}label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;\
padding:.5rem;border:1px solid #6b7280;border-radius:4px}button{font:inherit;padding:.5rem 1rem;border:0;\
border-radius:4px;background:#1d4ed8;color:#fff}";

/// A page with this title, and what stands below it.
pub fn page(title: &str, body: &Markup) -> Reply {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                // Browsers ask for one otherwise.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    Reply::page(page.into_string())
}

/// Shows a problem as a page, to whoever sent a form: a layer for the routes of pages.
pub async fn show_problems(mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    if let Some(reason) = problem.log() {
        tracing::error!(reason, "request failed");
    }
    let status = problem.status();
    let document = problem.document("");
    let body = html! {
        @if document.errors.is_empty() { p { (document.detail) } }
        @for error in &document.errors { p role="alert" { "The " (error.field) " " (error.message) "." } }
        @if !document.errors.is_empty() { p { "Go back one page to correct it." } }
    };
    let mut page = page("That did not work", &body).into_response();
    *page.status_mut() = status;
    if let Some(wait) = response.headers_mut().remove(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    page
}
