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
mod mfa_record;
mod owned;
mod password;
mod principal;
mod reset;
mod role;
mod session;
mod signed;
mod token;
mod user;
mod users;

pub use app::{App, Clients};
pub use email::Email;
pub use guard::{Guard, bearer};
pub use lockout::Lockout;
pub use login::{Login, LoginAnswer, LoginRequest};
pub use mfa::flow::{CodeRequest, CodeSent, MfaFlow, SendRequest, VerifyAnswer};
pub use mfa::{EnrolRequest, Enrolment, Mfa, MfaStatus, e164};
pub use mfa_record::{Method, MfaRecord};
pub use owned::insert_within_quota;
pub use password::{NewPassword, PasswordAttempt};
pub use principal::Principal;
pub use reset::PasswordResets;
pub use role::{Permission, Role, not_allowed};
pub use session::{Refreshed, Reused, Sessions, SignedIn};
pub use signed::Signed;
pub use token::{AccessClaims, Tokens, sign_in_again};
pub use user::{Account, AccountStatus, Profile, User, display_name, suspended};
pub use users::Users;
