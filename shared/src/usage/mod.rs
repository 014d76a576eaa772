//! AI usage: what models were used, at what price, within which limits, and what is told about it.
//!
//! A record goes through the events queue into `ai_usage`; days and months are computed from there by
//! the database, again and again, so that late, repeated or half-finished runs end in the same figures.

pub mod alerts;
mod daily;
mod evaluate;
mod intake;
mod monthly;
mod notify;
pub mod preferences;
mod price;
mod quota;
mod record;
pub mod render;
mod report;
mod report_mailer;
mod summary;

pub use daily::{DailyRun, daily_reports};
pub use evaluate::{EvaluatedAlerts, check_alerts};
pub use intake::UsageIntake;
pub use monthly::monthly_report;
pub use price::cost_micros;
pub use quota::{LimitsView, Tier, UsageLimits};
pub use record::{AcceptedUsage, UsageRequest};
pub use report::{Totals, UsageGroup, UsageReport, read_report};
pub use report_mailer::ReportMailer;
pub use summary::{GroupBy, SummaryFilter, UsageSummary, summarise};
