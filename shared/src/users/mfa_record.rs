//! The second factor as an account has it.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Moment;

/// How long a lost factor can be signed in without, once the wait for its reset is over: what nobody uses by then, nobody
/// lost.
pub const FACTOR_RESET_LIFE: SignedDuration = SignedDuration::from_hours(48);

/// How a second factor is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// An authenticator app (RFC 6238).
    Totp,
    /// A code by SMS.
    Sms,
    /// A code to the account's own address.
    Email,
}

/// The second factor in `users`.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MfaRecord {
    /// The factor that is on.
    pub method: Option<Method>,
    /// Where its codes go, E.164.
    pub phone: Option<String>,
    /// The app's secret, sealed.
    pub totp: Option<String>,
    /// The last time step whose code was used.
    #[serde(default)]
    pub totp_step: i64,
    /// Hashes of the recovery codes that are left.
    #[serde(default)]
    pub recovery: Vec<String>,
    /// Wrong codes since the last right one.
    #[serde(default)]
    pub failures: i32,
    /// From when on the factor counts no more, if its owner has lost it and nobody stops that.
    pub reset_at: Option<Moment>,
    /// The salt of those hashes. Absent from a set that was made before they were slow: its codes are kept as HMACs.
    pub recovery_salt: Option<String>,
    /// The factor that is not proven yet.
    pub pending: Option<PendingFactor>,
}

/// A factor that is not proven yet.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingFactor {
    pub method: Method,
    pub phone: Option<String>,
    pub totp: Option<String>,
}
