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
mod second_step;
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
pub use mfa::{EnrolRequest, Enrolment, Method, Mfa, MfaRecord, MfaStatus, e164};
pub use owned::insert_below;
pub use password::{Attempt, NewPassword};
pub use reset::PasswordResets;
pub use role::{Permission, Role};
pub use second_step::{CodeRequest, CodeSent, SecondStep, SendRequest, VerifyAnswer};
pub use session::{Refreshed, Reused, Sessions, SignedIn, sign_in_again};
pub use signed::Signed;
pub use token::{AccessClaims, Tokens};
pub use user::{Account, Profile, Status, User, display_name};
pub use users::Users;
