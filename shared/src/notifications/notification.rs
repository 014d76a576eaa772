//! One message to one person, as it is in the queue.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One message to one person.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notification {
    /// Sent once under this id, however often it is put into the queue.
    pub id: String,
    /// Whom it is for, if it is a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    pub channel: Channel,
    pub template: Template,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Channel {
    Email {
        to: String,
    },
    Sms {
        /// The number in E.164 form, `+41791234567`.
        to: String,
    },
}

/// What a message says. Numbers and amounts come as they are to be printed.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Template {
    /// The second step of a sign-in.
    MfaCode {
        code: String,
        /// How long it is valid.
        minutes: u64,
    },
    /// To prove a second factor that is being set up.
    FactorCode {
        code: String,
        /// How long it is valid.
        minutes: u64,
    },
    /// To prove that somebody reads what a phone number gets.
    NumberCode {
        code: String,
        /// How long it is valid.
        minutes: u64,
    },
    /// The way to a new password.
    PasswordReset {
        link: String,
        /// How long it is valid.
        minutes: u64,
    },
    /// The way to an account.
    SignUp {
        link: String,
        /// How long it is valid.
        hours: u64,
    },
    /// Somebody signed up with the address of an account: the way to a new password.
    AddressTaken {
        link: String,
        /// How long it is valid.
        minutes: u64,
    },
    /// The proof of an address whose account is there already.
    VerifyEmail { link: String },
    /// The way to an account whose second factor is lost.
    FactorReset { link: String },
    /// A second factor will be off soon.
    FactorResetBegun {
        /// The way to stop it.
        link: String,
    },
    /// Wrong codes stopped a second factor.
    FactorStopped,
    /// The password is another one now.
    PasswordChanged,
    /// A sign-in takes a second step from now on.
    MfaEnabled,
    /// A sign-in takes no second step any more.
    MfaDisabled,
    /// Somebody asked for all that is kept about the account.
    ExportAsked,
    /// The account is gone.
    AccountDeleted,
    /// A refresh token came back after its use: somebody may have copied it.
    RefreshTokenReused,
    /// Usage reached a share of its limit.
    UsageAlert {
        /// What is counted, in lower case: `tokens`.
        metric: String,
        /// The time it is counted over: `November 2026`.
        period: String,
        level_percent: u64,
        /// Used so far.
        used: String,
        limit: String,
    },
    Report {
        title: String,
        /// Its content as HTML, goes into the body as it is: whoever makes it escapes its values.
        html: String,
        /// The same as plain text.
        text: String,
    },
}

impl Channel {
    /// Its name in the store and in the logs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Sms { .. } => "sms",
        }
    }
}

impl Template {
    /// Its name in the queue, in the store and in the logs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MfaCode { .. } => "mfa_code",
            Self::FactorCode { .. } => "factor_code",
            Self::NumberCode { .. } => "number_code",
            Self::PasswordReset { .. } => "password_reset",
            Self::SignUp { .. } => "sign_up",
            Self::AddressTaken { .. } => "address_taken",
            Self::VerifyEmail { .. } => "verify_email",
            Self::FactorReset { .. } => "factor_reset",
            Self::FactorResetBegun { .. } => "factor_reset_begun",
            Self::FactorStopped => "factor_stopped",
            Self::PasswordChanged => "password_changed",
            Self::MfaEnabled => "mfa_enabled",
            Self::MfaDisabled => "mfa_disabled",
            Self::ExportAsked => "export_asked",
            Self::AccountDeleted => "account_deleted",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::UsageAlert { .. } => "usage_alert",
            Self::Report { .. } => "report",
        }
    }
}

// By hand: a derived one would print the address, the code and the link.

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("channel", &self.channel)
            .field("template", &self.template)
            .finish()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::message;
    use serde_json::json;

    #[test]
    fn a_notification_has_one_form_in_the_queue() {
        let notification = Notification {
            id: "1".into(),
            user_id: Some("u".into()),
            channel: Channel::Sms { to: "+41790000000".into() },
            template: Template::UsageAlert {
                metric: "tokens".into(),
                period: "today".into(),
                level_percent: 80,
                used: "80".into(),
                limit: "100".into(),
            },
        };
        let expected = json!({
            "id": "1", "userId": "u", "channel": {"kind": "sms", "to": "+41790000000"},
            "template": {"kind": "usage_alert", "metric": "tokens", "period": "today", "levelPercent": 80, "used": "80", "limit": "100"},
        });
        assert_eq!(serde_json::to_value(&notification).expect("JSON"), expected);
        let mut unknown = expected.clone();
        unknown["cc"] = json!("other@example.com");
        assert!(serde_json::from_value::<Notification>(expected).is_ok());
        assert!(serde_json::from_value::<Notification>(unknown).is_err());
    }

    #[test]
    fn a_kind_is_what_the_queue_calls_it() {
        for template in message::samples() {
            assert_eq!(serde_json::to_value(&template).expect("JSON")["kind"], template.kind());
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        for template in message::samples() {
            let channel = Channel::Email { to: "ada@example.com".into() };
            let kind = template.kind();
            let notification = Notification { id: "1".into(), user_id: None, channel, template };
            let expected = format!("Notification {{ id: \"1\", user_id: None, channel: email, template: {kind} }}");
            assert_eq!(format!("{notification:?}"), expected);
        }
    }
}
