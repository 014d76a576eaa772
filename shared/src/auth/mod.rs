//! Who is calling: sign-in to sign-out, passwords, tokens, sessions, and the guard before every route that is not
//! public.
//!
//! Environment, besides the database and the cache: `SIGNING_SEED`, `SIGNING_SEED_PREVIOUS`, `AUDIT_SEED` (secrets),
//! `APP_URL`, `NOTIFICATIONS_QUEUE_URL`, `EVENTS_QUEUE_URL`.

mod app;
mod guard;
mod lockout;
mod login;
mod password;
mod principal;
mod reset;
mod sessions;
mod signed;
mod tokens;

pub use app::{App, Clients};
pub use guard::{Guard, bearer};
pub use lockout::Lockout;
pub use login::{Login, LoginAnswer, LoginRequest};
pub use password::{NewPassword, PasswordAttempt};
pub use principal::Principal;
pub use reset::PasswordResets;
pub use sessions::{RefreshError, Sessions, SignedIn};
pub use signed::Signed;
pub use tokens::{AccessClaims, Tokens, sign_in_again};
