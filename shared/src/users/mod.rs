//! Accounts: as stored, as every request needs them, and in the hands of administrators.

pub mod activity;
pub mod admin;
mod email;
mod email_attempt;
mod mfa_record;
mod owned;
mod proved_email;
mod store;
mod user;

pub use email::Email;
pub use email_attempt::EmailAttempt;
pub use mfa_record::{FACTOR_RESET_LIFE, Method, MfaRecord, PendingFactor};
pub use owned::insert_within_quota;
pub use proved_email::ProvedEmail;
pub use store::{NewUser, PasswordReset, Users};
pub use user::{ACCESS_S, Account, AccountStatus, Profile, User, display_name, suspended};
