//! Every rate limit, in one table. By address where nobody is signed in, else by account.
//!
//! Public content has none: it is answered from memory, and API Gateway's throttle bounds it.

use std::time::Duration;

use crate::http::Policy;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

const fn limit(name: &'static str, requests: u64, window: Duration) -> Policy {
    Policy { name, requests, window }
}

/// Analytics events, by address: a front end sends a handful of batches a minute.
pub const TRACK: Policy = limit("analytics", 120, MINUTE);
/// Views, by address.
pub const VIEW: Policy = limit("view", 60, MINUTE);
/// Accounts made, by address: each costs a slow hash and a document.
pub const SIGN_UP: Policy = limit("signup", 10, HOUR);
/// Sign-ins, right or wrong, by address; wrong ones have a lockout besides.
pub const SIGN_IN: Policy = limit("login", 60, MINUTE);
/// Refreshes, by address.
pub const REFRESH: Policy = limit("refresh", 60, MINUTE);
/// Links to a new password, by address; and by account, so that nobody's mailbox is flooded.
pub const FORGOT: Policy = limit("forgot-password", 10, HOUR);
/// As [`FORGOT`], by the address written to.
pub const FORGOT_ACCOUNT: Policy = limit("forgot-password-account", 3, HOUR);
/// New passwords, by address.
pub const RESET: Policy = limit("reset-password", 10, HOUR);
/// Changes of password and second factors begun, by account: each is a guess at the present password.
pub const CHANGE_PASSWORD: Policy = limit("change-password", 5, Duration::from_mins(15));
/// Codes sent, by account: each may cost an SMS.
pub const MFA_SEND: Policy = limit("mfa-send", 3, MINUTE);
/// As [`MFA_SEND`], by the hour.
pub const MFA_SEND_HOURLY: Policy = limit("mfa-send-hourly", 10, HOUR);
/// Codes sent, by address: one caller with many accounts, each of them within its own limits.
pub const MFA_SEND_ADDRESS: Policy = limit("mfa-send-address", 20, HOUR);
/// Codes sent by SMS, by the number written to: many accounts that write to one number.
pub const MFA_SEND_NUMBER: Policy = limit("mfa-send-number", 5, HOUR);
/// Codes tried, by account.
pub const MFA_VERIFY: Policy = limit("mfa-verify", 6, MINUTE);
/// As [`MFA_VERIFY`], by the hour: a million codes must outlast any patience.
pub const MFA_VERIFY_HOURLY: Policy = limit("mfa-verify-hourly", 20, HOUR);
/// Everything else that is signed in, by account.
pub const ACCOUNT: Policy = limit("account", 120, MINUTE);
/// Keys made, rotated or ended, by account.
pub const KEYS: Policy = limit("keys", 30, HOUR);
/// Platform keys that are nobody's, by address: each costs a look into the database.
pub const UNKNOWN_KEYS: Policy = limit("unknown-keys", 30, MINUTE);
/// Usage reported, by account: the plan's own limits come on top.
pub const USAGE: Policy = limit("usage", 300, MINUTE);
/// Administration, by account.
pub const ADMIN: Policy = limit("admin", 60, MINUTE);
/// Prompts made, by account.
pub const NEW_PROMPTS: Policy = limit("new-prompts", 60, HOUR);
/// Prompts changed, removed and audited, by account: each change and audit is kept for ever. What
/// a day's may fill comes on top.
pub const EDITS: Policy = limit("edits", 60, HOUR);
/// Details of public prompts that only the database has, by address.
pub const DETAILS: Policy = limit("details", 60, MINUTE);
/// Runs of the workbench started and completed, by account; quotas of a day come on top.
pub const RUNS: Policy = limit("workbench", 60, MINUTE);
/// Bug reports, by account.
pub const BUG_REPORTS: Policy = limit("bug-reports", 20, HOUR);
/// Affiliate links followed, by address.
pub const CLICKS: Policy = limit("affiliate-clicks", 60, MINUTE);
