//! Usage alerts: thresholds that their owner wants to hear of, what reached them, and how its owner is told.

mod evaluate;
mod firing;
mod notify;
pub mod preferences;
mod rule;

pub use self::{
    evaluate::{EvaluatedAlerts, check_alerts},
    rule::{AlertChange, AlertView, LIMIT, Metric, NewAlert, Period, change, create, list, remove},
};
