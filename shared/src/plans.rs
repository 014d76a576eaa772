//! What each plan allows: four plans, one table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account's plan. One that this version does not know allows what the free one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    Enterprise,
    Pro,
    Basic,
    #[default]
    #[serde(other)]
    Free,
}

/// What a plan allows. Days are UTC days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Requests to models that are reported or made here.
    pub requests_per_hour: u64,
    pub requests_per_day: u64,
    /// Tokens, sent and received.
    pub tokens_per_day: u64,
    pub tokens_per_request: u64,
    /// Micro-dollars, of reported requests and of the workbench's runs, each by itself.
    pub micros_per_day: u64,
    /// Runs of the workbench.
    pub runs_per_day: u64,
}

impl Plan {
    pub const ALL: [Self; 4] = [Self::Enterprise, Self::Pro, Self::Basic, Self::Free];

    pub const fn allows(self) -> Allowed {
        match self {
            Self::Enterprise => Allowed {
                requests_per_hour: 1_000,
                requests_per_day: 10_000,
                tokens_per_day: 10_000_000,
                tokens_per_request: 16_000,
                micros_per_day: 100_000_000,
                runs_per_day: 2_000,
            },
            Self::Pro => Allowed {
                requests_per_hour: 300,
                requests_per_day: 2_000,
                tokens_per_day: 2_000_000,
                tokens_per_request: 8_000,
                micros_per_day: 20_000_000,
                runs_per_day: 500,
            },
            Self::Basic => Allowed {
                requests_per_hour: 60,
                requests_per_day: 500,
                tokens_per_day: 500_000,
                tokens_per_request: 4_000,
                micros_per_day: 5_000_000,
                runs_per_day: 100,
            },
            Self::Free => Allowed {
                requests_per_hour: 10,
                requests_per_day: 50,
                tokens_per_day: 50_000,
                tokens_per_request: 2_000,
                micros_per_day: 500_000,
                runs_per_day: 20,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_not_known_is_the_free_one() {
        let plan = |name: &str| serde_json::from_value::<Plan>(name.into()).expect("a plan");
        assert_eq!(["free", "basic", "pro", "enterprise", "unheard-of"].map(plan)[3..], [Plan::Enterprise, Plan::Free]);
        assert!(
            Plan::ALL.iter().all(|one| plan(serde_json::to_value(one).expect("text").as_str().expect("text")) == *one)
        );
    }
}
