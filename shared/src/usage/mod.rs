//! AI usage: what models were used, at what price, within which limits, and what is told about it.
//!
//! A record goes through the events queue into `ai_usage`; days and months are computed from there by
//! the database, again and again, so that late, repeated or half-finished runs end in the same figures.

mod ai_usage;
pub mod alerts;
mod cost;
pub mod identifier;
mod intake;
pub mod price;
pub mod reports;
mod tokens;

pub use ai_usage::AiUsage;
pub use cost::Cost;
pub use intake::{
    AcceptedUsage, Allowance, CallView, FlaggedUsage, LimitsView, PlanLimit, PlanUse, PlannedCall, Refusal,
    UsageIntake, UsageLimits, UsageRequest,
};
pub use price::cost_micros;
pub use tokens::TokenCounts;
