//! Every rate limit, in one table. By address where nobody is signed in, else by account.
//!
//! Each is a type, so that a handler's signature says which one counts its callers:
//! [`Signed<rate_limits::Admin>`](crate::auth::Signed), [`Counted<rate_limits::Track>`](crate::http::Counted).
//!
//! Public content has none: it is answered from memory, and API Gateway's throttle bounds it.

use std::time::Duration;

use crate::http::{Limit, Policy};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

macro_rules! limits {
    ($($(#[$doc:meta])* $limit:ident = $name:literal, $requests:literal in $window:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $limit {}

        impl Limit for $limit {
            const POLICY: Policy = Policy { name: $name, requests: $requests, window: $window };
        }
    )*};
}

limits! {
    /// Pages of whole prompts, of everybody together in an environment: each is as large as ten others.
    LongPages = "long-pages", 10 in MINUTE;
    /// Analytics events, by address: a front end sends a handful of batches a minute.
    Track = "analytics", 120 in MINUTE;
    /// Views, by address.
    View = "view", 60 in MINUTE;
    /// Sign-ups, by address: each costs a mail and a document.
    SignUp = "signup", 10 in HOUR;
    /// Sign-ups of an IPv6 /48, which one customer may be given: a tenth of everybody's.
    SignUpsOfWideNetwork = "signups-wide-network", 50 in HOUR;
    /// Sign-ups of everybody together: what callers with many addresses may have us store and mail.
    SignUpsTogether = "signups-together", 500 in HOUR;
    /// Sign-ins, right or wrong, by address; wrong ones have a lockout besides.
    SignIn = "login", 60 in MINUTE;
    /// Refreshes, by address.
    Refresh = "refresh", 60 in MINUTE;
    /// Links to a new password, by address; how many one account is sent is a matter of those that still count.
    Forgot = "forgot-password", 10 in HOUR;
    /// Links to a new password asked for from an IPv6 /48, which one customer may be given.
    ForgotOfWideNetwork = "forgot-password-wide-network", 50 in HOUR;
    /// Links to a new password of an account, whoever asks: those that no mail carries count no more, and each leaves an
    /// audit entry.
    LinksOfAccount = "links-of-account", 6 in HOUR;
    /// Accounts whose mailed link was followed, by address: each costs a slow hash.
    CompleteSignUp = "complete-sign-up", 10 in HOUR;
    /// Links that prove an address, and those about a factor's reset, by address.
    Links = "links", 20 in HOUR;
    /// Links that prove an address, by account.
    VerifyEmail = "verify-email", 3 in HOUR;
    /// New passwords, by address.
    Reset = "reset-password", 10 in HOUR;
    /// Changes of password, second factors begun and passwords shown again, by account: each is a guess at the present
    /// password.
    ChangePassword = "change-password", 5 in Duration::from_mins(15);
    /// Codes sent, by account: each may cost an SMS.
    MfaSend = "mfa-send", 3 in MINUTE;
    /// As [`MfaSend`], by the hour.
    MfaSendHourly = "mfa-send-hourly", 10 in HOUR;
    /// Codes sent, by address: one caller with many accounts, each of them within its own limits.
    MfaSendAddress = "mfa-send-address", 20 in HOUR;
    /// Codes of factors sent by SMS, by the number written to: many accounts that write to one number.
    MfaSendNumber = "mfa-send-number", 5 in HOUR;
    /// Codes sent by SMS to prove a number, by the number.
    MfaProveNumber = "mfa-prove-number", 5 in HOUR;
    /// Links to a lost factor's reset, by account: one, and another one if that was lost.
    MfaReset = "mfa-reset", 2 in HOUR;
    /// Codes tried, by account.
    MfaVerify = "mfa-verify", 6 in MINUTE;
    /// As [`MfaVerify`], by the hour: a million codes must outlast any patience.
    MfaVerifyHourly = "mfa-verify-hourly", 20 in HOUR;
    /// Exports of an account asked for, by account: each reads all that it has.
    Export = "export", 3 in Duration::from_hours(24);
    /// Parts of exports read, by account: each is a few megabytes on their way out of AWS.
    ExportParts = "export-parts", 60 in HOUR;
    /// Everything else that is signed in, by account.
    Account = "account", 120 in MINUTE;
    /// Sessions ended by their owner, by account: each time leaves an audit entry.
    EndSessions = "end-sessions", 30 in HOUR;
    /// Usage alerts made and changed, by account: each threshold may fire anew, and what fired is kept.
    AlertChanges = "alert-changes", 40 in Duration::from_hours(24);
    /// Keys made, rotated or ended, by account.
    Keys = "keys", 30 in HOUR;
    /// Provider keys that a service is handed, by the account whose service it is. What their audit entries fill of its
    /// bytes comes on top.
    ProviderKeyUses = "provider-key-uses", 120 in MINUTE;
    /// Platform keys that are nobody's, by address: each costs a look into the database.
    UnknownKeys = "unknown-keys", 30 in MINUTE;
    /// Usage reported, by account: the plan's own limits come on top.
    Usage = "usage", 300 in MINUTE;
    /// Administration, by account.
    Admin = "admin", 60 in MINUTE;
    /// Prompts made, by account.
    NewPrompts = "new-prompts", 60 in HOUR;
    /// Prompts changed, removed and audited, by account: each change and audit is kept for ever. What
    /// a day's may fill comes on top.
    Edits = "edits", 60 in HOUR;
    /// Details of public prompts that only the database has, by address.
    Details = "details", 60 in MINUTE;
    /// Runs of the workbench started and completed, by account; quotas of a day come on top.
    Runs = "workbench", 60 in MINUTE;
    /// Bug reports, by account.
    BugReports = "bug-reports", 20 in HOUR;
    /// Bug reports of people who are not signed in, by address.
    AnonymousBugReports = "anonymous-bug-reports", 5 in HOUR;
    /// Affiliate links followed, by address.
    Clicks = "affiliate-clicks", 60 in MINUTE;
}
