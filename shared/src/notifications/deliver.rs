//! A batch of queue messages out to the people.

use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsMessage;
use futures_util::future::join_all;
use serde::Serialize;

use super::{
    Notification, Senders,
    counts::Asked,
    record::{self, Claim},
};
use crate::{
    clock,
    lambda::BatchOutcome,
    mongo::{self, Mongo},
};

/// When the database is so slow that claims take longer, the rest of the batch is handed back: the consumer has 20 s, and
/// needs 14 for a claim, the sending and the notes.
const CLAIMS_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    pub messages: usize,
    /// Accepted by the provider now.
    pub sent: usize,
    /// Sent before.
    pub skipped: usize,
    /// Refused for good: recorded, not tried again.
    pub failed: usize,
    /// Beyond a cap, or by SMS to somebody who gets none: counted, not tried again.
    pub suppressed: usize,
    /// Messages handed back: unreadable, being sent elsewhere, or not accepted for now.
    pub handed_back: usize,
}

enum End {
    Sent,
    Skipped,
    Failed,
    Suppressed,
    HandedBack,
}

/// Sends the notifications of a batch, side by side. A message that cannot be read or sent now is
/// handed back alone; an error means that the database is away, and that the whole batch must come
/// again.
///
/// Each is sent once, as far as we learn of it: when the provider's answer comes too late, or the
/// environment ends before it is noted, the notification is sent again rather than not at all.
pub async fn deliver_batch(
    mongo: &Mongo,
    senders: &Senders,
    messages: &[SqsMessage],
) -> Result<(Delivered, BatchOutcome), mongo::Error> {
    let notifications: Vec<Option<Notification>> = messages.iter().map(read).collect();
    // All claims come before the first sending: a database that is away stops the batch while nothing is sent. And one
    // after the other: side by side they would all write to the same counts.
    let (mut claims, started) = (Vec::new(), Instant::now());
    for notification in &notifications {
        claims.push(match notification {
            Some(notification) if started.elapsed() < CLAIMS_TIME => Some(claim(mongo, senders, notification).await?),
            _ => None,
        });
    }
    let ends = notifications.iter().zip(claims).map(async |(notification, claim)| match (notification, claim) {
        (Some(notification), Some(Claim::Ours)) => send(mongo, senders, notification).await,
        (_, Some(Claim::Sent)) => End::Skipped,
        (_, Some(Claim::Capped)) => End::Suppressed,
        _ => End::HandedBack,
    });

    let mut delivered = Delivered { messages: messages.len(), ..Delivered::default() };
    let mut outcome = BatchOutcome::default();
    for (message, end) in messages.iter().zip(join_all(ends).await) {
        match end {
            End::Sent => delivered.sent += 1,
            End::Skipped => delivered.skipped += 1,
            End::Failed => delivered.failed += 1,
            End::Suppressed => delivered.suppressed += 1,
            End::HandedBack => {
                delivered.handed_back += 1;
                outcome.failed.extend(message.message_id.clone());
            }
        }
    }
    Ok((delivered, outcome))
}

/// Each message is read by itself: one that cannot be must not fail the others.
fn read(message: &SqsMessage) -> Option<Notification> {
    let parsed = serde_json::from_str(message.body.as_deref().unwrap_or_default());
    parsed
        .inspect_err(|error| {
            // The error's own text may quote the body: the log gets only the place.
            let place = format!("line {} column {}", error.line(), error.column());
            tracing::error!(message_id = message.message_id, error = place, "a message cannot be read");
        })
        .ok()
}

/// Whether to send a notification; what is not to be sent at all is as good as beyond a cap.
async fn claim(mongo: &Mongo, senders: &Senders, notification: &Notification) -> Result<Claim, mongo::Error> {
    let (id, kind, channel) = (&notification.id, notification.template.kind(), notification.channel.kind());
    let suppressed = |reason: &str| {
        tracing::warn!(id, kind, channel, reason, "a notification is not sent");
        Ok(Claim::Capped)
    };
    let Some(asked) = Asked::of(notification, &*senders.recipients().await?, clock::now()) else {
        return suppressed("its kind is not sent on this channel");
    };
    if !senders.reach(&notification.channel) {
        return suppressed("its country is not among SMS_COUNTRIES");
    }
    if !record::is_to_a_proved_number(mongo, notification).await? {
        return suppressed("its account has not proved the number");
    }
    match record::claim(mongo, notification, asked).await? {
        Claim::Capped => {
            record::forget_link(mongo, notification).await;
            suppressed("its account, its recipient or everybody has had as many as may be")
        }
        claim => Ok(claim),
    }
}

async fn send(mongo: &Mongo, senders: &Senders, notification: &Notification) -> End {
    let (id, kind, channel) = (&notification.id, notification.template.kind(), notification.channel.kind());
    let (end, noted) = match senders.send(notification).await {
        Ok(()) => (End::Sent, record::finish(mongo, id, Ok(())).await),
        Err(refusal) => {
            let error = refusal.reason.as_str();
            let end = if refusal.permanent {
                tracing::error!(id, kind, channel, error, "a notification was refused for good");
                record::forget_link(mongo, notification).await;
                End::Failed
            } else {
                tracing::warn!(id, kind, channel, error, "a notification was not accepted and comes again");
                End::HandedBack
            };
            (end, record::finish(mongo, id, Err(error)).await)
        }
    };
    // What was sent must not come again only because its note failed.
    if let Err(error) = noted {
        tracing::warn!(id, kind, channel, %error, "what became of a notification could not be recorded");
    }
    end
}
