//! The SQS entry: a batch in, the ids of the messages that failed out.

use std::future::Future;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{LambdaEvent, service_fn};
use tracing::Instrument;

use super::{Connection, Error, close_on_shutdown, count_cold_start, invocation_span, unwound};

/// The messages of a batch that must be delivered again, by id.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    /// `messageId`s.
    pub failed: Vec<String>,
}

/// Hands each batch to `handle` until Lambda ends the environment.
///
/// An error from `handle` is an invocation error: the whole batch comes back, and the poller backs
/// off. That is right when the database is away; a bad message belongs into [`BatchOutcome`].
pub async fn sqs<C, H, F>(handle: H, connection: C) -> Result<(), Error>
where
    C: Connection,
    H: Fn(Vec<SqsMessage>) -> F,
    F: Future<Output = Result<BatchOutcome, Error>>,
{
    close_on_shutdown(connection.clone()).await;
    let (handle, connection) = (&handle, &connection);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let span = invocation_span(&event.context.request_id);
        let work = async {
            count_cold_start();
            let outcome = unwound(handle(event.payload.records)).await.unwrap_or_else(|panic| Err(panic.into()));
            connection.after_invocation().await;
            outcome.map(response).inspect_err(|error| tracing::error!(%error, "the batch goes back to the queue"))
        };
        work.instrument(span).await
    }))
    .await
}

fn response(outcome: BatchOutcome) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = outcome
        .failed
        .into_iter()
        // An empty identifier would fail the whole batch.
        .filter(|id| !id.is_empty())
        .map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        })
        .collect();
    response
}
