//! The sending side: notifications into the queue. Environment: `NOTIFICATIONS_QUEUE_URL`.

use super::{Channel, Notification, Template};
use crate::{
    config::ConfigError,
    id,
    queue::{Queue, SendError},
    users::ProvedEmail,
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

    /// Mails a link that does something for whoever owns the mailbox; to be called with the templates of such links
    /// alone, since the address may be anybody's.
    pub async fn send_link(
        &self,
        id: &str,
        user_id: Option<&str>,
        email: &str,
        template: Template,
    ) -> Result<(), SendError> {
        let channel = Channel::Email { to: email.to_owned() };
        self.send(&[Notification { id: id.to_owned(), user_id: user_id.map(str::to_owned), channel, template }]).await
    }

    /// Tells an account's owner by e-mail of what is done; nothing to an address that nobody has proved. When it cannot
    /// be queued it is logged, and no error: an error's answer would deny what is done.
    pub async fn notify(&self, user_id: &str, email: Option<&ProvedEmail>, template: Template) {
        let Some(email) = email else { return };
        let (kind, channel) = (template.kind(), Channel::Email { to: email.as_str().to_owned() });
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
