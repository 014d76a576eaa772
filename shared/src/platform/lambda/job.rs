//! The entry of a scheduled job.

use std::{future::Future, sync::Arc, time::Instant};

use futures_util::{FutureExt, future::LocalBoxFuture};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;

use super::{Error, begin, invocation_span, note_cold_start, unwound};
use crate::{
    clock::{self, Moment},
    connection::{Connection, SharedConnection},
};

/// What a job may be told. The schedule sends an empty object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobRequest {
    /// Run as if it were this instant (RFC 3339); now when absent.
    pub at: Option<Moment>,
    /// `export-content` only: publish even when the result is much smaller than before; an empty one never is.
    #[serde(default)]
    pub allow_shrink: bool,
}

impl JobRequest {
    /// The instant to run for.
    pub fn instant(&self) -> Moment {
        self.at.unwrap_or_else(clock::now)
    }
}

/// Runs `work` at each invocation and logs one summary line: what it returned, and how long it took.
///
/// An error is an invocation error: Lambda tries again, then keeps the event in the jobs' dead-letter queue.
pub async fn job<W, F, S>(work: W, connection: impl Connection) -> Result<(), Error>
where
    W: Fn(JobRequest) -> F,
    F: Future<Output = anyhow::Result<S>>,
    S: Serialize,
{
    let work = |request| {
        let summary = work(request);
        async { Ok(serde_json::to_value(summary.await?)?) }.boxed_local()
    };
    serve(&work, Arc::new(connection)).await
}

type Work<'a> = dyn Fn(JobRequest) -> LocalBoxFuture<'a, anyhow::Result<Value>> + 'a;

/// Boxed, so that it is compiled here and not again in every function.
fn serve<'a>(work: &'a Work<'a>, connection: SharedConnection) -> LocalBoxFuture<'a, Result<(), Error>> {
    let serve = async move {
        begin(Arc::clone(&connection)).await;
        let connection = &*connection;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
            let span = invocation_span(&event.context.request_id, &event.context);
            run(work, connection, event.payload).instrument(span).await
        }))
        .await
    };
    serve.boxed_local()
}

async fn run(work: &Work<'_>, connection: &dyn Connection, payload: Value) -> Result<Value, Error> {
    note_cold_start();
    let started = Instant::now();
    let outcome = match request(payload) {
        Ok(request) => unwound(work(request)).await.unwrap_or_else(|panic| Err(anyhow::anyhow!(panic))),
        Err(error) => Err(error),
    };
    connection.after_invocation().await;
    let duration_ms = started.elapsed().as_millis();
    match outcome {
        Ok(summary) => {
            tracing::info!(duration_ms, %summary, "job done");
            Ok(summary)
        }
        Err(error) => {
            tracing::error!(duration_ms, error = format!("{error:#}"), "job failed");
            Err(Error::from(error.to_string()))
        }
    }
}

fn request(payload: Value) -> anyhow::Result<JobRequest> {
    if payload.is_null() {
        return Ok(JobRequest::default());
    }
    serde_json::from_value(payload)
        .map_err(|error| anyhow::anyhow!("the event must be {{\"at\"?, \"allowShrink\"?}}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_may_name_another_instant_and_nothing_unknown() {
        assert!(request(json!({})).expect("empty").at.is_none());
        let at = request(json!({"at": "2026-03-01T00:00:00Z"})).expect("valid").instant();
        assert_eq!(clock::day(at), "2026-03-01");
        assert!(request(json!({"when": 1})).is_err());
    }
}
