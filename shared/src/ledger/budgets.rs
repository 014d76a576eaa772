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
/// What all new accounts may of it: strangers who make accounts leave the others theirs.
pub const NEW_ACCOUNTS_DAY: u64 = 10_000_000;

/// What callers of one network who are not signed in may store in a day: of an IPv4 address, or of an IPv6 /64.
pub const NETWORK_DAY: u64 = 1_000_000;
/// The same of an IPv6 /48, which one customer may be given: in events.
pub const WIDE_NETWORK_DAY: u64 = 10_000_000;
/// The same in sign-ups, and in entries about failures at accounts.
pub const WIDE_NETWORK_ATTEMPTS_DAY: u64 = 1_000_000;
/// What all callers who are not signed in may store in events in a day: more than one /48 may.
pub const ANONYMOUS_DAY: u64 = 12_000_000;
/// What entries about failures of people who are not signed in may fill in a day.
pub const FAILURES_DAY: u64 = 4_000_000;

/// What bug reports of people who are not signed in may fill in a day: a hundred of usual length.
pub const ANONYMOUS_REPORTS_DAY: u64 = 500_000;

/// What an account's document fills, with the longest name and a second factor.
pub const SIGN_UP_BYTES: u64 = 1_500;
/// What the documents of accounts that are made in a day may fill: 2,000 accounts.
pub const SIGN_UPS_DAY: u64 = 3_000_000;

/// What a sign-up fills whose link is not followed yet, with the longest name and address.
pub const PENDING_SIGN_UP_BYTES: u64 = 900;
/// What all of them may fill in a day: some 4,400 sign-ups.
pub const PENDING_SIGN_UPS_DAY: u64 = 4_000_000;

/// What the sessions of an account and the entries about them may fill in a day: some 200 sign-ins. A budget of its own,
/// so that an account that has stored all it may can still sign in. The sum of all accounts is counted and has no limit:
/// it would let a few accounts keep everybody out.
pub const SIGN_INS_DAY: u64 = 300_000;

/// What entries may fill in a day that tell of somebody at an account who is not signed in to it: some 30 challenges,
/// locks and wrong codes. What was done to the account, and what is graver than a warning, is kept beyond it.
pub const AT_ACCOUNT_DAY: u64 = 30_000;

/// What is taken at once of a budget for the requests that follow. Larger slices cost fewer operations, and leave more
/// unused where they are not shared: without a cache server, in each environment that an account meets.
pub const SLICE: u64 = 16_000;
/// The same for sign-ins and new accounts: many who do one thing each leave little unused.
pub const SMALL_SLICE: u64 = 2_000;

/// Usage that is taken of an account in a day without the ledger, while the database does not answer.
pub const OUTAGE_GRACE: u64 = 100_000;

/// What an environment takes of anonymous events in an hour without a cache server, where it knows of the others only
/// by what is published each minute.
pub const ENVIRONMENT_HOUR: u64 = 300_000;
/// Above this share of the tier's storage, in percent, anonymous events are not taken, so that sign-ins have room.
pub const PAUSE_ABOVE_PERCENT: f64 = 80.0;
/// Without a cache server, anonymous events are not taken either while what is published is older than this.
pub const STATE_IS_OLD_AFTER: SignedDuration = SignedDuration::from_mins(10);
