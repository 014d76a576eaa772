//! A level of an alert that was reached in a period; kept until its owner was told of it, and so that they are told once.

use serde::{Deserialize, Serialize};

use super::{Metric, Period};
use crate::{clock::Moment, notifications::Template, usage::identifier};

/// Documents in a batch of a cursor, and ids in a command.
pub(super) const BATCH: u32 = 10_000;

/// `usage_alert_firings`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Firing {
    /// `<alert>/<period's start>/<threshold>/<level>`.
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) alert_id: String,
    pub(super) user_id: String,
    pub(super) metric: Metric,
    pub(super) period: Period,
    pub(super) period_start: String,
    pub(super) key_id: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) level: i64,
    /// Tokens, micro-dollars, requests, or hundredths of a percent.
    pub(super) used: i64,
    pub(super) threshold: i64,
    pub(super) at: Moment,
    pub(super) told: bool,
}

impl Firing {
    pub(super) fn template(&self) -> Template {
        let mut what = self.metric.words().to_owned();
        // Also what was stored before names had rules.
        if let Some(provider) = self.provider.as_deref().filter(|name| identifier::is_provider(name)) {
            what = format!("{what} at {provider}");
        }
        if let Some(key) = self.key_id.as_deref().filter(|name| identifier::is_provider(name)) {
            what = format!("{what} by the key {key}");
        }
        let (used, threshold) = (self.used.unsigned_abs(), self.threshold.unsigned_abs());
        let (used, limit) = match self.metric {
            Metric::Cost => (dollars(used), dollars(threshold)),
            Metric::ErrorRate => (format!("{}.{:02} %", used / 100, used % 100), format!("{threshold} %")),
            Metric::Tokens | Metric::Requests => (used.to_string(), threshold.to_string()),
        };
        let level_percent = self.level.unsigned_abs();
        Template::UsageAlert { metric: what, period: self.period.words(&self.period_start), level_percent, used, limit }
    }
}

fn dollars(micros: u64) -> String {
    format!("${}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

impl Metric {
    const fn words(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Cost => "cost",
            Self::Requests => "requests",
            Self::ErrorRate => "error rate",
        }
    }
}

impl Period {
    fn words(self, start: &str) -> String {
        match self {
            Self::Daily => format!("the day {start}"),
            Self::Weekly => format!("the week from {start}"),
            Self::Monthly => format!("the month {}", start.get(..7).unwrap_or(start)),
        }
    }
}
