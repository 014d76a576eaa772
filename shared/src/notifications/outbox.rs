//! The sending side: notifications into the queue. Environment: `NOTIFICATIONS_QUEUE_URL`.

use super::Notification;
use crate::{
    config::ConfigError,
    queue::{NotAccepted, Queue},
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
    pub async fn send(&self, notifications: &[Notification]) -> Result<(), NotAccepted> {
        self.0.send_each(notifications).await
    }
}
