//! How a function starts, runs and ends: three kinds of entry ([`http`], [`sqs`], [`job`]) over one
//! way to start ([`start`]) and to shut down.

mod event;
mod http;
mod job;
mod public_app;
mod sqs;

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::FutureExt;

pub use self::{
    event::HttpEvent,
    http::{http, http_by_address},
    job::{JobRequest, job},
    public_app::PublicApp,
    sqs::{BatchOutcome, sqs},
};

use lambda_runtime::Context;
use tracing::Span;

use crate::{connection::SharedConnection, init, telemetry};

/// What `main` returns.
pub type Error = lambda_runtime::Error;

/// First line of every `main`: logs, and the one TLS provider of the process. Without an installed
/// provider the first `rediss://` connection panics.
pub fn start() {
    telemetry::init();
    // Err means that it was installed before: fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What an environment does before its first invocation, all at once.
async fn begin(connection: SharedConnection) {
    tokio::join!(init::run(), close_on_shutdown(connection));
}

/// Closes `connection` when Lambda retires the environment, so that no socket outlives it. Lambda
/// sends SIGTERM only where an extension is registered: the runtime registers one that does nothing.
async fn close_on_shutdown(connection: SharedConnection) {
    let registered =
        tokio::spawn(lambda_runtime::spawn_graceful_shutdown_handler(async move || connection.close().await));
    if registered.await.is_err() {
        tracing::warn!("the host has no extensions API: sockets will close with the process, not before");
    }
}

/// Awaits `work`; a panic is an error like any other, so that what follows an invocation follows it, too.
async fn unwound<T>(work: impl Future<Output = T>) -> Result<T, &'static str> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| "the function panicked")
}

/// Every log line of an invocation carries these: one log group holds the lines of all functions. The trace is the one
/// that Lambda tells of, whether it is recorded or not.
fn invocation_span(request_id: &str, context: &Context) -> Span {
    telemetry::begin_trace(context.xray_trace_id.as_deref());
    let (function, trace_id) = (telemetry::function_name(), telemetry::trace_id());
    tracing::info_span!("invocation", function, request.id = request_id, trace_id)
}

/// Says so at an environment's first invocation.
fn note_cold_start() {
    static WARM: AtomicBool = AtomicBool::new(false);
    if !WARM.swap(true, Ordering::Relaxed) {
        tracing::info!(cold_start = true, "a new environment");
    }
}
