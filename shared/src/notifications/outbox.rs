//! The sending side: notifications into the queue. Environment: `NOTIFICATIONS_QUEUE_URL`.

use super::{Channel, Notification, Template};
use crate::{
    config::ConfigError,
    id,
    queue::{Queue, SendError},
};

/// Where a route puts what somebody should be told.
pub struct Outbox(Queue);

impl Outbox {
    /// Reads the settings; opens nothing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self(Queue::notifications_from_env()?))
    }

    /// Returns when SQS has accepted every notification. Each travels alone, so that one that fails
    /// does not make its neighbours come again.
    pub async fn send(&self, notifications: &[Notification]) -> Result<(), SendError> {
        self.0.send_each(notifications).await
    }

    /// Tells an account's owner by e-mail of what is done. When that cannot be queued it is logged, and no error: an
    /// error's answer would deny what is done.
    pub async fn notify(&self, user_id: &str, email: &str, template: Template) {
        let (kind, channel) = (template.kind(), Channel::Email { to: email.to_owned() });
        let notification = Notification { id: id::new(), user_id: Some(user_id.to_owned()), channel, template };
        if let Err(error) = self.send(&[notification]).await {
            tracing::error!(user_id, kind, %error, "the owner of an account could not be told");
        }
    }

    /// Whether SQS answers, for whoever has nothing to send and must not be told apart by it.
    pub async fn ping(&self) -> Result<(), SendError> {
        self.0.ping().await
    }
}
