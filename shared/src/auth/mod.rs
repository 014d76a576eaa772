//! Who is calling: sign-up to sign-out, passwords, tokens, sessions, and the guard before every route that is not
//! public.
//!
//! Environment, besides the database and the cache: `SIGNING_SEED`, `TOKEN_KEYS`, `AUDIT_SEED`, `AUTH_JS_KEY` (secrets),
//! `AUTH_JS_COOKIE`, `AUTH_JS_ORIGINS`, `APP_URL`, `API_URL`, `SENDER_EMAIL`, `NOTIFICATIONS_QUEUE_URL`,
//! `EVENTS_QUEUE_URL`.

mod app;
mod auth_js;
mod email_proof;
mod guard;
mod lockout;
mod login;
mod pages;
mod password;
mod principal;
mod reset;
mod sessions;
mod signed;
mod signup;
mod token_keys;
mod tokens;
mod unhurried;

pub use app::{App, Clients};
pub use auth_js::{AuthJs, check_keys, derive_key, step_up_cookie};
pub use email_proof::EmailProofs;
pub use guard::{Guard, bearer};
pub use lockout::{Lockout, SOURCES_REMEMBERED};
pub use login::{Login, LoginAnswer, LoginRequest};
pub use pages::{Links, Page};
pub use password::{NewPassword, PasswordAttempt};
pub use principal::Principal;
pub use reset::PasswordResets;
pub use sessions::{RefreshError, SessionList, SessionView, Sessions, Shown, SignedIn, forget_sessions};
pub use signed::Signed;
pub use signup::SignUps;
pub use token_keys::{AccessClaims, TokenKeys};
pub use tokens::{FactorResetClaims, Tokens, sign_in_again};
