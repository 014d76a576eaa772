//! Accounts as stored, and the part of them that every request needs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Method, MfaRecord, ProvedEmail};
use crate::{
    audit::Actor,
    clock::{self, Moment},
    http::Problem,
    ledger::Payer,
    plans::Plan,
    roles::Role,
    text::line,
};

/// How long an access token counts, in seconds: so long an account remembers a session that ended.
pub const ACCESS_S: i64 = 15 * 60;

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountStatus)]
pub enum AccountStatus {
    /// Yes.
    #[default]
    Active,
    /// Not until an administrator says so.
    Suspended,
}

/// `users`. Never leaves the bundle: it holds hashes.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    #[serde(rename = "_id")]
    pub id: String,
    /// In the form of [`super::Email`]; of an account from before that form, lower case and as it was written.
    pub email: String,
    /// As the person wrote it.
    pub name: String,
    /// Argon2id, or bcrypt for those imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    pub role: Role,
    #[serde(default)]
    pub plan: Plan,
    /// Organisation, if any.
    pub organization_id: Option<String>,
    #[serde(default)]
    pub status: AccountStatus,
    /// The role of who suspended it: nobody below lifts that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_by: Option<Role>,
    /// Counts up when all sessions end at once.
    #[serde(default)]
    pub session_version: i64,
    /// When all sessions last ended at once: a cookie of the front end from before counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookies_count_from: Option<Moment>,
    /// Sessions that ended by themselves while their access tokens may still be about.
    #[serde(default)]
    pub ended_sessions: Vec<EndedSession>,
    #[serde(default)]
    pub mfa: MfaRecord,
    pub created_at: Moment,
    /// When its owner proved the address. Accounts from before addresses were proved have none until they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<Moment>,
    pub last_login_at: Option<Moment>,
    /// When a mailed link last set the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_reset_at: Option<Moment>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndedSession {
    pub id: String,
    pub at: Moment,
}

/// What every request needs of an account, as the cache keeps it: no hash, no code, no number.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub id: String,
    /// Address, for the person's own eyes.
    pub email: String,
    pub name: String,
    pub role: Role,
    pub plan: Plan,
    /// Organisation, if any.
    pub organization_id: Option<String>,
    pub status: AccountStatus,
    pub session_version: i64,
    /// From when a cookie of the front end counts, in Unix milliseconds.
    #[serde(default)]
    pub cookies_count_from_ms: i64,
    /// Ids of sessions that ended.
    pub ended_sessions: Vec<String>,
    /// Whether a second factor is on.
    pub mfa_enabled: bool,
    /// Whether that factor is a code by mail, which whoever has the mailbox has.
    #[serde(default)]
    pub mfa_by_mail: bool,
    /// Whether the address is proved.
    #[serde(default)]
    pub email_verified: bool,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
}

impl User {
    /// The address, if it is proved.
    pub fn proved_email(&self) -> Option<ProvedEmail> {
        ProvedEmail::of(&self.email, self.email_verified_at.is_some())
    }
}

impl Account {
    /// The address, if it is proved.
    pub fn proved_email(&self) -> Option<ProvedEmail> {
        ProvedEmail::of(&self.email, self.email_verified)
    }

    /// The account, as it stores something.
    pub fn payer(&self) -> Payer {
        Payer::Account { id: self.id.clone(), since: Moment::from_millisecond(self.created_at_ms) }
    }
}

impl Actor for Account {
    fn id(&self) -> &str {
        &self.id
    }

    fn role(&self) -> &'static str {
        self.role.name()
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        // An access token lives this long at most: after that its session need not be remembered.
        let since = clock::now().as_millisecond() - (ACCESS_S + 60) * 1000;
        let ended = user.ended_sessions.into_iter().filter(|session| session.at.as_millisecond() > since);
        Self {
            ended_sessions: ended.map(|session| session.id).collect(),
            mfa_enabled: user.mfa.method.is_some(),
            mfa_by_mail: user.mfa.method == Some(Method::Email),
            email_verified: user.email_verified_at.is_some(),
            created_at_ms: user.created_at.as_millisecond(),
            cookies_count_from_ms: user.cookies_count_from.map_or(0, |at| at.as_millisecond()),
            id: user.id,
            email: user.email,
            name: user.name,
            role: user.role,
            plan: user.plan,
            organization_id: user.organization_id,
            status: user.status,
            session_version: user.session_version,
        }
    }
}

/// An account as the API shows it to its owner and to administrators.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Id.
    pub id: String,
    /// Address.
    #[schema(format = "email")]
    pub email: String,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Plan.
    pub plan: Plan,
    /// Organisation, if any.
    pub organization_id: Option<String>,
    /// Status.
    pub status: AccountStatus,
    /// Whether a second factor is on.
    pub mfa_enabled: bool,
    /// Whether the address is confirmed; of an account from before addresses were, not until its owner does so.
    pub email_verified: bool,
    /// When it was made.
    pub created_at: Moment,
}

impl From<&Account> for Profile {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.clone(),
            email: account.email.clone(),
            name: account.name.clone(),
            role: account.role,
            plan: account.plan,
            organization_id: account.organization_id.clone(),
            status: account.status,
            mfa_enabled: account.mfa_enabled,
            email_verified: account.email_verified,
            created_at: Moment::from_millisecond(account.created_at_ms),
        }
    }
}

/// 403 for an account that is suspended.
pub fn suspended() -> Problem {
    Problem::forbidden("account_suspended", "This account is suspended: ask an administrator.")
}

/// A rule for [`garde`]: a name by which people tell an account, or a key, from others.
pub fn display_name(name: &str, context: &()) -> garde::Result {
    if name.trim().is_empty() { Err(garde::Error::new("must not be blank")) } else { line(name, context) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_seen_whole() {
        for name in ["Ada O'Neill <ada> 日本", "👩‍💻", "عمر"] {
            assert!(display_name(name, &()).is_ok(), "{name}");
        }
        for name in [
            "",
            " ",
            "\u{a0}\t\n",
            "Ada\0",
            "\u{8}Ada",
            "Ada\nAdmin",
            "Ada\u{2028}",
            "\u{200b}",
            "A\u{200b}da",
            "\u{202e}adA",
            "A\u{2066}da",
            "\u{feff}Ada",
            "\u{200d}",
            "\u{3164}",
            "A\u{ad}da",
        ] {
            assert!(display_name(name, &()).is_err(), "{name:?}");
        }
    }
}
