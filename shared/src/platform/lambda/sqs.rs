//! The SQS entry: a batch in, the ids of the messages that failed out.

use std::{future::Future, sync::Arc};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{FutureExt, future::LocalBoxFuture};
use lambda_runtime::{LambdaEvent, service_fn};
use tracing::Instrument;

use super::{Error, begin, invocation_span, note_cold_start, unwound};
use crate::connection::{Connection, SharedConnection};

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
pub async fn sqs<H, F>(handle: H, connection: impl Connection) -> Result<(), Error>
where
    H: Fn(Vec<SqsMessage>) -> F,
    F: Future<Output = Result<BatchOutcome, Error>>,
{
    consume(&|messages| handle(messages).boxed_local(), Arc::new(connection)).await
}

type Handle<'a> = dyn Fn(Vec<SqsMessage>) -> LocalBoxFuture<'a, Result<BatchOutcome, Error>> + 'a;

/// Boxed, so that it is compiled here and not again in every function.
fn consume<'a>(handle: &'a Handle<'a>, connection: SharedConnection) -> LocalBoxFuture<'a, Result<(), Error>> {
    let work = async move {
        begin(Arc::clone(&connection)).await;
        let connection = &connection;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            let span = invocation_span(&event.context.request_id, &event.context);
            let work = async {
                note_cold_start();
                let outcome = unwound(handle(event.payload.records)).await.unwrap_or_else(|panic| Err(panic.into()));
                connection.after_invocation().await;
                outcome.map(response).inspect_err(|error| tracing::error!(%error, "the batch goes back to the queue"))
            };
            work.instrument(span).await
        }))
        .await
    };
    work.boxed_local()
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
