//! Whom reports are mailed to.
//!
//! Environment: `OPERATORS_EMAIL` (none when unset), `NOTIFICATIONS_QUEUE_URL`.

use super::{UsageReport, render};
use crate::{
    config,
    config::ConfigError,
    notifications::{Channel, Notification, Outbox, Template},
    queue::SendError,
    users::Email,
};

/// The operators' address.
pub struct ReportMailer {
    email: Option<Email>,
    outbox: Outbox,
}

impl ReportMailer {
    pub fn from_env() -> Result<Self, ConfigError> {
        let email = match config::optional("OPERATORS_EMAIL") {
            Some(text) => {
                Some(Email::parse(&text).ok_or_else(|| ConfigError::new("OPERATORS_EMAIL", "an e-mail address"))?)
            }
            None => None,
        };
        Ok(Self { email, outbox: Outbox::from_env()? })
    }

    /// Mails a report; made again, the same one is not mailed again.
    pub async fn notify(&self, report: &UsageReport) -> Result<(), SendError> {
        let Some(email) = &self.email else { return Ok(()) };
        let notification = Notification {
            id: format!("report/{}/{}", report.kind, report.period),
            user_id: None,
            channel: Channel::Email { to: email.as_str().to_owned() },
            template: Template::Report {
                title: render::title(report),
                html: render::fragment(report),
                text: render::plain(report),
            },
        };
        self.outbox.send(&[notification]).await
    }
}
