//! How many messages may be sent: to one recipient, because of one account, and to everybody, whoever asks for them.
//!
//! Counted where a notification is [claimed](super::record), in UTC hours and days.

use super::{Channel, Template};

/// What messages are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Codes of a factor that is on.
    Code,
    /// Codes to an address or a number that nobody has proved: none of them takes from the codes of who signs in.
    Proof,
    /// Links to a new password: whatever else is mailed, these arrive.
    Link,
    /// Links that somebody with the password asks for, and the one that stops what such a link began.
    OwnLink,
    /// Links to addresses that have no account.
    SignUp,
    /// What happened to an account.
    Warning,
    /// Usage that reached a level.
    Alert,
    /// For operators.
    Report,
}

/// The most messages of a class on a channel.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    /// `email` or `sms`, see [`Channel::kind`].
    pub channel: &'static str,
    pub class: Class,
    /// To one recipient in an hour; and as many because of one account.
    pub hour: i64,
    /// The same in a day.
    pub day: i64,
    /// To all recipients in a day.
    pub everybody: i64,
}

/// Every cap. What is not in the table is not sent: an SMS holds a code, or says that usage reached a level.
///
/// Mails bother a recipient long before they cost anything: what everybody gets is far above what users need, lest a few
/// accounts use up the codes and warnings of all. An SMS costs a thousand times as much, and whoever is paid for those to
/// a number would have them sent.
pub const CAPS: [Cap; 11] = [
    Cap { channel: "email", class: Class::Code, hour: 10, day: 30, everybody: 10_000 },
    Cap { channel: "email", class: Class::Proof, hour: 10, day: 30, everybody: 3_000 },
    // As many in a day as links to a new password can count one after the other: whoever asks for all of them keeps the
    // owner from none.
    Cap { channel: "email", class: Class::Link, hour: 4, day: 80, everybody: 3_000 },
    Cap { channel: "email", class: Class::OwnLink, hour: 6, day: 20, everybody: 2_000 },
    Cap { channel: "email", class: Class::SignUp, hour: 5, day: 10, everybody: 3_000 },
    Cap { channel: "email", class: Class::Warning, hour: 6, day: 20, everybody: 10_000 },
    Cap { channel: "email", class: Class::Alert, hour: 12, day: 40, everybody: 5_000 },
    Cap { channel: "email", class: Class::Report, hour: 10, day: 20, everybody: 100 },
    Cap { channel: "sms", class: Class::Code, hour: 5, day: 10, everybody: 150 },
    Cap { channel: "sms", class: Class::Proof, hour: 5, day: 10, everybody: 50 },
    Cap { channel: "sms", class: Class::Alert, hour: 3, day: 6, everybody: 100 },
];

impl Cap {
    /// That of such a message; `None` if it is not sent on this channel.
    pub(super) fn of(channel: &Channel, template: &Template) -> Option<&'static Self> {
        CAPS.iter().find(|cap| cap.channel == channel.kind() && cap.class == template.class())
    }
}

impl Class {
    /// Its name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Proof => "proof",
            Self::Link => "link",
            Self::OwnLink => "own-link",
            Self::SignUp => "sign-up",
            Self::Warning => "warning",
            Self::Alert => "alert",
            Self::Report => "report",
        }
    }
}

impl Template {
    /// A kind that is not named here is a warning.
    pub(super) const fn class(&self) -> Class {
        match self {
            Self::MfaCode { .. } => Class::Code,
            Self::FactorCode { .. } | Self::NumberCode { .. } => Class::Proof,
            Self::PasswordReset { .. } | Self::AddressTaken { .. } => Class::Link,
            Self::VerifyEmail { .. } | Self::FactorReset { .. } | Self::FactorResetBegun { .. } => Class::OwnLink,
            Self::SignUp { .. } => Class::SignUp,
            Self::UsageAlert { .. } => Class::Alert,
            Self::Report { .. } => Class::Report,
            _ => Class::Warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message, *};

    #[test]
    fn every_message_has_a_cap_by_mail_and_by_sms_only_codes_and_alerts_have_one() {
        let (mail, sms) = (Channel::Email { to: String::new() }, Channel::Sms { to: String::new() });
        for template in message::samples() {
            let cap = Cap::of(&mail, &template).expect("a cap");
            assert!(0 < cap.hour && cap.hour < cap.day && cap.day < cap.everybody, "{cap:?}");
            let by_sms = matches!(template.class(), Class::Code | Class::Proof | Class::Alert);
            assert_eq!(Cap::of(&sms, &template).is_some(), by_sms, "{template:?}");
            assert_eq!(template.sms().is_some(), by_sms, "{template:?}");
        }
    }
}
