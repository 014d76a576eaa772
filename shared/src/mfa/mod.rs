//! The second factor: an authenticator app (TOTP), or codes by SMS or e-mail.
//!
//! It is pending until a code proves it, and only a code turns it off; one that is lost is reset by way of the mailbox
//! and a day's wait, or by an administrator. Codes are kept as HMACs, one
//! live code per purpose, three attempts, ten minutes; each counts once, decided by the store, and for
//! the address or number alone that it was sent to.
//!
//! Environment: `MFA_SEED` ([secret](crate::secrets); while it is replaced the new and the old one); `SMS_COUNTRIES`.

mod code;
mod factors;
mod flow;
mod recovery;
mod reset;

pub use code::Code;
pub use factors::{EnrolRequest, Enrolment, Mfa, MfaStatus, e164, totp_cipher};
pub use flow::{CodeRequest, CodeSent, MfaFlow, ResetBegun, ResetRequest, SendRequest, VerifyAnswer, wrong_code};
