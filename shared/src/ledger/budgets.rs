//! Every budget of stored bytes, in one table. Days are UTC days. M0 holds 512 MB for everybody.

use jiff::SignedDuration;

/// What an account may store in a day.
pub const ACCOUNT_DAY: u64 = 2_000_000;
/// What it may in a day while it is new: an account costs a stranger nothing.
pub const NEW_ACCOUNT_DAY: u64 = 500_000;
/// How long it is new.
pub const NEW_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What an account may have stored in all. Counted anew every day, so that what expired or was removed is given back.
pub const ACCOUNT_TOTAL: u64 = 20_000_000;
/// What all accounts may store in a day.
pub const ACCOUNTS_DAY: u64 = 30_000_000;

/// What callers of one network who are not signed in may store in a day: of an IPv4 address, or of an IPv6 /64.
pub const NETWORK_DAY: u64 = 1_000_000;
/// The same of an IPv6 /48, which one customer may be given.
pub const WIDE_NETWORK_DAY: u64 = 10_000_000;
/// What all callers who are not signed in may store in a day.
pub const ANONYMOUS_DAY: u64 = 10_000_000;

/// What an account's document fills, with the longest name and a second factor.
pub const SIGN_UP_BYTES: u64 = 1_500;

/// What a sign-up fills whose link is not followed yet, with the longest name and address.
pub const PENDING_SIGN_UP_BYTES: u64 = 900;

/// What the sessions of an account and the entries about them may fill in a day: some 200 sign-ins. A budget of its own,
/// so that an account that has stored all it may can still sign in.
pub const SIGN_INS_DAY: u64 = 300_000;
/// The same of all accounts.
pub const ALL_SIGN_INS_DAY: u64 = 10_000_000;

/// What is taken at once of a budget for the requests that follow. Larger slices cost fewer operations, and leave more
/// unused where they are not shared: without a cache server, in each environment that an account meets.
pub const SLICE: u64 = 16_000;

/// Usage that is taken of an account in a day without the ledger, while the database does not answer.
pub const OUTAGE_GRACE: u64 = 100_000;

/// What an environment takes of anonymous events in an hour without a cache server, where it knows of the others only
/// by what is published each minute.
pub const ENVIRONMENT_HOUR: u64 = 500_000;
/// Above this share of the tier's storage, in percent, anonymous events are not taken, so that sign-ins have room.
pub const PAUSE_ABOVE_PERCENT: f64 = 80.0;
/// Without a cache server, anonymous events are not taken either while what is published is older than this.
pub const STATE_IS_OLD_AFTER: SignedDuration = SignedDuration::from_mins(10);
