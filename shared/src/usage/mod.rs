//! AI usage: what models were used, at what price, within which limits, and what is told about it.
//!
//! A record goes through the events queue into `ai_usage`; days and months are computed from there by
//! the database, again and again, so that late, repeated or half-finished runs end in the same figures.

mod ai_usage;
pub mod alerts;
mod intake;
pub mod reports;

pub use ai_usage::AiUsage;
pub use intake::{AcceptedUsage, LimitsView, UsageIntake, UsageLimits, UsageRequest, cost_micros};
