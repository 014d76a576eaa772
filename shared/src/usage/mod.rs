//! AI usage: what models were used, at what price, within which limits, and what is told about it.
//!
//! A record goes through the events queue into `ai_usage`; days and months are computed from there by
//! the database, again and again, so that late, repeated or half-finished runs end in the same figures.

pub mod alerts;
mod check;
mod daily;
mod intake;
mod limits;
mod monthly;
mod operators;
pub mod page;
pub mod preferences;
mod price;
mod record;
mod report;
mod summary;
mod tell;

pub use check::{Checked, check_alerts};
pub use daily::{DailyRun, daily_reports};
pub use intake::UsageIntake;
pub use limits::{LimitsView, Tier, UsageLimits};
pub use monthly::monthly_report;
pub use operators::Operators;
pub use price::cost_micros;
pub use record::{AcceptedUsage, UsageRequest};
pub use report::{Report, Totals, UsageGroup, read_report};
pub use summary::{GroupBy, SummaryFilter, UsageSummary, summarise};
