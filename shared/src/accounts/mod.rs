//! Accounts: sign-up to sign-out, second factors, roles, and the guard before every route that is not
//! public.
//!
//! Environment, besides the database and the cache: `SIGNING_SEED`, `SIGNING_SEED_PREVIOUS`,
//! `AUTH_PEPPER`, `AUDIT_SEED` (secrets), `APP_URL`, `NOTIFICATIONS_QUEUE_URL`, `EVENTS_QUEUE_URL`.

pub mod activity;
pub mod admin;
mod app;
mod email;
mod guard;
mod lockout;
mod login;
mod mfa;
mod owned;
mod password;
mod reset;
mod role;
mod session;
mod signed;
mod token;
mod user;
mod users;

pub use app::{App, Clients};
pub use email::Email;
pub use guard::{Guard, Principal, bearer, not_allowed, suspended};
pub use lockout::Lockout;
pub use login::{Login, LoginAnswer, LoginRequest};
pub use mfa::flow::{CodeRequest, CodeSent, MfaFlow, SendRequest, VerifyAnswer};
pub use mfa::{EnrolRequest, Enrolment, Method, Mfa, MfaRecord, MfaStatus, e164};
pub use owned::insert_within_quota;
pub use password::{NewPassword, PasswordAttempt};
pub use reset::PasswordResets;
pub use role::{Permission, Role};
pub use session::{Refreshed, Reused, Sessions, SignedIn, sign_in_again};
pub use signed::Signed;
pub use token::{AccessClaims, Tokens};
pub use user::{Account, AccountStatus, Profile, User, display_name};
pub use users::Users;
