//! The second factor: an authenticator app (TOTP), or codes by SMS or e-mail.
//!
//! It is pending until a code proves it, and only a code turns it off. Codes are kept as HMACs, one
//! live code per purpose, three attempts, ten minutes; each counts once, decided by the store, and for
//! the address or number alone that it was sent to.
//!
//! Environment: `MFA_SEED`, and `MFA_SEED_PREVIOUS` while it is being replaced (secrets).

mod code;
mod factors;
mod flow;
mod recovery;

pub use code::Code;
pub use factors::{EnrolRequest, Enrolment, Mfa, MfaStatus, e164, totp_cipher};
pub use flow::{CodeRequest, CodeSent, MfaFlow, SendRequest, VerifyAnswer};
