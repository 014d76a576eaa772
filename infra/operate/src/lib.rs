//! A stack at AWS, from a terminal: what `cargo preflight`, `cargo deploy` and `cargo smoke` do.
//!
//! Each question is a row of a printed table: fine, at fault with what to do, or left out with the reason. Nothing that
//! is secret is printed.

pub mod aws;
pub mod deploy;
pub mod preflight;
pub mod smoke;
pub mod table;
