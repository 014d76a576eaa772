//! Sends records to an SQS queue, many to a message or each in its own.
//!
//! A message is `{"records": [...]}` or the record itself, at most [`MAX_MESSAGE_BYTES`]; a call
//! carries at most ten messages and the same number of bytes in all. Entries that SQS turns down are
//! sent again; what it did not accept in the end is an error, so that nothing is claimed that may be
//! lost.
//!
//! Environment: `EVENTS_QUEUE_URL`, `NOTIFICATIONS_QUEUE_URL`, and the AWS SDK's own variables.

use std::time::Duration;

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    Client, config::Builder, operation::send_message_batch::SendMessageBatchError, types::SendMessageBatchRequestEntry,
};
use serde::{Serialize, Serializer, de::DeserializeOwned};
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};

use crate::{aws, config, config::ConfigError, http::Problem, init};

/// Something that goes through the events queue into the store. It has an `id`, which becomes its `_id`.
pub trait QueuedEvent: Serialize + DeserializeOwned {
    /// Its kind's name in the queue.
    const KIND: &'static str;
    /// Where it is kept.
    const COLLECTION: &'static str;
}

/// An event as it goes through the queue: with the name of its kind.
#[derive(Clone, Debug)]
pub struct Queued<T>(pub T);

impl<T: QueuedEvent> Serialize for Queued<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tagged<'a, T> {
            kind: &'static str,
            #[serde(flatten)]
            event: &'a T,
        }
        Tagged { kind: T::KIND, event: &self.0 }.serialize(serializer)
    }
}

/// SQS takes 1 MiB for a message and for a call; the margin holds the call's own fields.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024 - 4096;
const MAX_ENTRIES: usize = 10;
const ENVELOPE_BYTES: usize = r#"{"records":[]}"#.len();
/// How often entries that SQS turned down are sent, the first time included.
const ATTEMPTS: u32 = 3;
/// Before what SQS turned down is sent again, as often as it was sent.
const PAUSE: Duration = Duration::from_millis(100);
/// A caller waits for SQS at most this long, calls and retries included.
const SEND_TIMEOUT: Duration = Duration::from_secs(4);
/// The longest pause before the SDK's own retry. Its default, a second, would show in how long a request for a link takes
/// whether there is an account.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// A call takes at most this long, the SDK's own retry included.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Records that were not accepted. Those before them may have been: resend all, under the same ids.
#[derive(Debug, thiserror::Error)]
#[error("the queue did not accept {rejected} of {total} messages: {reason}")]
pub struct SendError {
    rejected: usize,
    total: usize,
    reason: String,
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        Self::unavailable(error)
    }
}

/// A queue. Making one costs nothing; the SDK's client is built at the first send, or [ahead](Queue::made_ahead).
pub struct Queue {
    url: String,
}

impl Queue {
    /// The queue of usage, analytics and other events that can wait.
    pub fn events_from_env() -> Result<Self, ConfigError> {
        let url = config::required("EVENTS_QUEUE_URL", "the URL of the SQS queue for events")?;
        Ok(Self { url })
    }

    /// The queue of messages to people.
    pub fn notifications_from_env() -> Result<Self, ConfigError> {
        let url = config::required("NOTIFICATIONS_QUEUE_URL", "the URL of the SQS queue for notifications")?;
        Ok(Self { url })
    }

    /// Has the SDK's client made in the environment's start: for who sends at each request.
    #[must_use]
    pub fn made_ahead(self) -> Self {
        init::register(async {
            client().await;
        });
        self
    }

    /// Returns when SQS has accepted every record; as many share a message as it holds.
    pub async fn send<T: Serialize>(&self, records: &[T]) -> Result<(), SendError> {
        self.send_messages(pack(&serialise_all(records)?)).await
    }

    /// As [`Queue::send`], with each record in a message of its own, so that one that fails comes
    /// again alone.
    pub async fn send_each<T: Serialize>(&self, records: &[T]) -> Result<(), SendError> {
        self.send_messages(serialise_all(records)?).await
    }

    /// Whether SQS answers for this queue. A call without a message is refused, and changes nothing; the permission
    /// to send is all that it takes.
    pub async fn ping(&self) -> Result<(), SendError> {
        let client = client().await;
        match client.send_message_batch().queue_url(&self.url).set_entries(Some(Vec::new())).send().await {
            Err(error) if !error.as_service_error().is_some_and(SendMessageBatchError::is_empty_batch_request) => {
                let reason = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
                Err(SendError { rejected: 0, total: 0, reason })
            }
            _ => Ok(()),
        }
    }

    async fn send_messages(&self, messages: Vec<String>) -> Result<(), SendError> {
        let total = messages.len();
        let client = client().await;
        let send = async {
            for call in calls(messages) {
                self.send_call(client, call).await?;
            }
            Ok(())
        };
        let late = |_| Err(SendError { rejected: total, total, reason: "no answer in time".into() });
        timeout(SEND_TIMEOUT, send).await.unwrap_or_else(late)
    }

    async fn send_call(&self, client: &Client, mut messages: Vec<String>) -> Result<(), SendError> {
        let total = messages.len();
        let mut reason = String::new();
        for attempt in 0..ATTEMPTS {
            sleep(attempt * PAUSE).await;
            let answer = client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries(&messages)))
                .send()
                .await
                .map_err(|error| SendError {
                    rejected: messages.len(),
                    total,
                    reason: aws_sdk_sqs::error::DisplayErrorContext(&error).to_string(),
                })?;
            if answer.failed.is_empty() {
                return Ok(());
            }
            reason.clone_from(&answer.failed[0].code);
            let failed: Vec<usize> = answer.failed.iter().filter_map(|entry| entry.id.parse().ok()).collect();
            messages =
                messages.into_iter().enumerate().filter(|(index, _)| failed.contains(index)).map(|(_, m)| m).collect();
        }
        Err(SendError { rejected: messages.len(), total, reason })
    }
}

/// The environment's client: all its queues share it.
async fn client() -> &'static Client {
    static CLIENT: OnceCell<Client> = OnceCell::const_new();
    let connect = async || {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(CALL_TIMEOUT)
            .operation_attempt_timeout(Duration::from_millis(1200))
            .connect_timeout(Duration::from_millis(800))
            .build();
        let config = Builder::from(aws::config().await)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(RETRY_AFTER));
        Client::from_conf(config.build())
    };
    CLIENT.get_or_init(connect).await
}

fn entries(messages: &[String]) -> Vec<SendMessageBatchRequestEntry> {
    messages
        .iter()
        .enumerate()
        .filter_map(|(index, body)| {
            SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build().ok()
        })
        .collect()
}

fn serialise_all<T: Serialize>(records: &[T]) -> Result<Vec<String>, SendError> {
    let total = records.len();
    let texts: serde_json::Result<_> = records.iter().map(serialise).collect();
    texts.map_err(|error| SendError { rejected: total, total, reason: error.to_string() })
}

/// A record as it goes out. SQS takes no text with U+FFFE or U+FFFF, which would come back refused for ever: they go
/// escaped, as JSON allows in a string, the only place where they can be.
fn serialise(record: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(record)?.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
}

/// Puts records into as few messages as hold them.
fn pack(records: &[String]) -> Vec<String> {
    let mut messages: Vec<Vec<&str>> = Vec::new();
    let mut size = 0;
    for record in records {
        let length = record.len() + ",".len();
        match messages.last_mut() {
            Some(message) if size + length <= MAX_MESSAGE_BYTES => {
                size += length;
                message.push(record);
            }
            _ => {
                size = ENVELOPE_BYTES + length;
                messages.push(vec![record]);
            }
        }
    }
    messages.into_iter().map(|records| format!(r#"{{"records":[{}]}}"#, records.join(","))).collect()
}

/// Puts messages into calls of at most ten entries and [`MAX_MESSAGE_BYTES`] in all.
fn calls(messages: Vec<String>) -> Vec<Vec<String>> {
    let mut calls: Vec<Vec<String>> = Vec::new();
    let mut size = 0;
    for message in messages {
        match calls.last_mut() {
            Some(call) if call.len() < MAX_ENTRIES && size + message.len() <= MAX_MESSAGE_BYTES => {
                size += message.len();
                call.push(message);
            }
            _ => {
                size = message.len();
                calls.push(vec![message]);
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_share_a_message_until_it_is_full() {
        let messages = pack(&vec![format!("\"{}\"", "x".repeat(100_000)); 25]);
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message.len() <= MAX_MESSAGE_BYTES));
        let records = messages.iter().map(|message| {
            let message: serde_json::Value = serde_json::from_str(message).expect("JSON");
            message["records"].as_array().expect("list").len()
        });
        assert_eq!(records.sum::<usize>(), 25);
    }

    #[test]
    fn what_sqs_refuses_to_carry_goes_escaped_and_comes_back_as_it_was() {
        let text = "\u{fffe} and \u{ffff}, \\ufffe spelt out, \u{fffd} and \u{1f600}";
        let sent = serialise(&text).expect("serialisable");
        assert!(!sent.contains(['\u{fffe}', '\u{ffff}']));
        assert_eq!(serde_json::from_str::<String>(&sent).expect("JSON"), text);
    }

    #[test]
    fn a_call_holds_ten_messages_and_a_mebibyte_at_most() {
        let small = calls(vec!["m".into(); 25]);
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        let large = calls(vec!["m".repeat(600_000); 3]);
        assert_eq!(large.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
