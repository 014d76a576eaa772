//! What is worth an entry: one table of names, families and gravity.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    SignUp,
    EmailVerified,
    SignIn,
    SignInFailed,
    SignInLocked,
    SignInSuspended,
    SignOut,
    RefreshRefused,
    RefreshReused,
    PasswordChanged,
    PasswordChangeFailed,
    PasswordResetRequested,
    PasswordResetRefused,
    PasswordReset,
    MfaRequired,
    MfaBegun,
    MfaCodeSent,
    MfaVerified,
    MfaFailed,
    MfaEnabled,
    MfaDisabled,
    MfaStopped,
    MfaResetAsked,
    MfaResetBegun,
    MfaResetStopped,
    MfaReset,
    SessionEnded,
    PasswordShown,
    PasswordRefused,
    AccountExported,
    AccountDeleted,
    UserMfaReset,
    UserSessionsEnded,
    UserRoleChanged,
    UserSuspended,
    UserActivated,
    ApiKeyCreated,
    ApiKeyRotated,
    ApiKeyRevoked,
    ProviderKeyCreated,
    ProviderKeyRotated,
    ProviderKeyRevoked,
    ProviderKeyUsed,
    StatsInvalidated,
    PromptCreated,
    PromptChanged,
    PromptPublished,
    PromptDeleted,
    PromptAudited,
    BugReportTriaged,
    AffiliateSaved,
    AffiliateRemoved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Auth,
    Security,
    Admin,
    Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// A year for what an investigation may need; a quarter for the rest.
const LONG_DAYS: i64 = 365;
const SHORT_DAYS: i64 = 90;

impl Action {
    /// As the store and the API name it.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    pub const fn category(self) -> Category {
        self.row().1
    }

    pub const fn severity(self) -> Severity {
        self.row().2
    }

    /// Whether it tells of something that did not succeed.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::SignInFailed
                | Self::SignInLocked
                | Self::SignInSuspended
                | Self::RefreshRefused
                | Self::RefreshReused
                | Self::PasswordChangeFailed
                | Self::PasswordResetRefused
                | Self::MfaFailed
                | Self::MfaStopped
                | Self::PasswordRefused
        )
    }

    /// Whether the entry must be in the store, or while that is away in the queue, before the answer leaves.
    pub fn must_be_stored(self) -> bool {
        self.category() != Category::Data || self.severity() > Severity::Info
    }

    /// Whether it begins or ends a session: what an account does many times a day, and whose sessions are paid for.
    pub(super) const fn is_of_session(self) -> bool {
        matches!(self, Self::SignIn | Self::SignOut | Self::MfaVerified)
    }

    /// Whether whoever knows a password, or nothing at all, can have it happen at an account as often as they like.
    pub(super) const fn is_of_attempt(self) -> bool {
        matches!(self, Self::SignInLocked | Self::MfaRequired | Self::MfaCodeSent | Self::MfaFailed)
    }

    /// How long its entries are kept, in days.
    pub fn retention_days(self) -> i64 {
        if self.must_be_stored() { LONG_DAYS } else { SHORT_DAYS }
    }

    const fn row(self) -> (&'static str, Category, Severity) {
        use Category::{Admin, Auth, Data, Security};
        use Severity::{Error, Info, Warning};
        match self {
            Self::SignUp => ("auth.signup", Auth, Info),
            Self::EmailVerified => ("auth.email.verified", Auth, Info),
            Self::SignIn => ("auth.login.success", Auth, Info),
            Self::SignInFailed => ("auth.login.failed", Auth, Warning),
            Self::SignInLocked => ("security.login.locked", Security, Warning),
            Self::SignInSuspended => ("auth.login.suspended", Auth, Warning),
            Self::SignOut => ("auth.logout", Auth, Info),
            Self::RefreshRefused => ("auth.refresh.refused", Auth, Warning),
            Self::RefreshReused => ("security.refresh.reused", Security, Error),
            Self::PasswordChanged => ("auth.password.changed", Auth, Info),
            Self::PasswordChangeFailed => ("auth.password.change_failed", Auth, Warning),
            Self::PasswordResetRequested => ("auth.password_reset.requested", Auth, Info),
            Self::PasswordResetRefused => ("auth.password_reset.refused", Auth, Warning),
            Self::PasswordReset => ("auth.password_reset.completed", Auth, Info),
            Self::MfaRequired => ("auth.mfa.required", Auth, Info),
            Self::MfaBegun => ("auth.mfa.enrolment_begun", Auth, Info),
            Self::MfaCodeSent => ("auth.mfa.code_sent", Auth, Info),
            Self::MfaVerified => ("auth.mfa.verified", Auth, Info),
            Self::MfaFailed => ("auth.mfa.failed", Auth, Warning),
            Self::MfaEnabled => ("security.mfa.enabled", Security, Info),
            Self::MfaDisabled => ("security.mfa.disabled", Security, Warning),
            Self::MfaStopped => ("security.mfa.stopped", Security, Error),
            Self::MfaResetAsked => ("security.mfa.reset_asked", Security, Warning),
            Self::MfaResetBegun => ("security.mfa.reset_begun", Security, Warning),
            Self::MfaResetStopped => ("security.mfa.reset_stopped", Security, Warning),
            Self::MfaReset => ("security.mfa.reset", Security, Warning),
            Self::SessionEnded => ("auth.session.ended", Auth, Info),
            Self::PasswordShown => ("auth.password.verified", Auth, Info),
            Self::PasswordRefused => ("auth.password.refused", Auth, Warning),
            Self::AccountExported => ("security.account.exported", Security, Warning),
            Self::AccountDeleted => ("security.account.deleted", Security, Warning),
            Self::UserMfaReset => ("admin.user.mfa_reset", Admin, Warning),
            Self::UserSessionsEnded => ("admin.user.sessions_ended", Admin, Warning),
            Self::UserRoleChanged => ("admin.user.role_changed", Admin, Warning),
            Self::UserSuspended => ("admin.user.suspended", Admin, Warning),
            Self::UserActivated => ("admin.user.activated", Admin, Info),
            Self::ApiKeyCreated => ("security.api_key.created", Security, Info),
            Self::ApiKeyRotated => ("security.api_key.rotated", Security, Info),
            Self::ApiKeyRevoked => ("security.api_key.revoked", Security, Warning),
            Self::ProviderKeyCreated => ("security.provider_key.created", Security, Info),
            Self::ProviderKeyRotated => ("security.provider_key.rotated", Security, Info),
            Self::ProviderKeyRevoked => ("security.provider_key.revoked", Security, Warning),
            Self::ProviderKeyUsed => ("data.provider_key.used", Data, Info),
            Self::StatsInvalidated => ("data.stats.invalidated", Data, Info),
            Self::PromptCreated => ("data.prompt.created", Data, Info),
            Self::PromptChanged => ("data.prompt.changed", Data, Info),
            Self::PromptPublished => ("admin.prompt.published", Admin, Info),
            Self::PromptDeleted => ("data.prompt.deleted", Data, Warning),
            Self::PromptAudited => ("data.prompt.audited", Data, Info),
            Self::BugReportTriaged => ("admin.bug_report.triaged", Admin, Info),
            Self::AffiliateSaved => ("admin.affiliate.saved", Admin, Info),
            Self::AffiliateRemoved => ("admin.affiliate.removed", Admin, Warning),
        }
    }
}

impl Category {
    /// As the store and the API name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Security => "security",
            Self::Admin => "admin",
            Self::Data => "data",
        }
    }
}

impl Severity {
    /// As the store and the API name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_investigation_needs_is_stored_at_once_and_for_a_year() {
        assert!(Action::SignInFailed.must_be_stored() && Action::UserRoleChanged.must_be_stored());
        assert_eq!(Action::SignIn.retention_days(), 365);
        assert_eq!((Action::StatsInvalidated.must_be_stored(), Action::StatsInvalidated.retention_days()), (false, 90));
    }
}
