//! The tools, and what a run of each may cost.

/// What a run of a tool may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    pub tool: &'static str,
    /// Micro-dollars that a run may cost.
    pub budget_micros: u64,
    /// Tokens, sent and received, that a run may use.
    pub max_tokens: u64,
    /// Micro-dollars a token, for models whose price is unknown: above that of nearly every model.
    pub micros_per_token: u64,
    /// Counts the changes of the above; a run keeps the one that it was started under.
    pub version: i32,
}

const fn contract(tool: &'static str, budget_cents: u64, max_tokens: u64, micros_per_token: u64) -> Contract {
    Contract { tool, budget_micros: budget_cents * 10_000, max_tokens, micros_per_token, version: 1 }
}

/// The tools that call a model, and so have a budget.
pub const CONTRACTS: [Contract; 5] = [
    contract("prompt-optimizer", 75, 3_500, 200),
    contract("model-comparison", 150, 6_000, 250),
    contract("knowledge-navigator", 100, 5_000, 200),
    contract("prompt-tester", 90, 4_500, 200),
    contract("multi-agent", 250, 8_000, 300),
];

/// The tools of the front end's catalogue. Those without a contract run in the browser and cost nothing.
pub const TOOLS: [&str; 24] = [
    "token-counter",
    "prompt-optimizer",
    "model-comparison",
    "knowledge-navigator",
    "prompt-tester",
    "okr-workbench",
    "retrospective-diagnostician",
    "tech-debt-strategist",
    "rice-calculator",
    "pr-description-generator",
    "strategic-alignment-quadrant",
    "incident-response-planner",
    "hiring-decision-framework",
    "architecture-decision-records",
    "performance-review-assistant",
    "team-health-check",
    "sprint-planning-assistant",
    "cost-benefit-analyzer",
    "risk-assessment-framework",
    "stakeholder-communication-planner",
    "darci-decision-framework",
    "raci-responsibility-matrix",
    "value-effort-matrix",
    "build-buy-decision",
];

impl Contract {
    /// The contract of a tool, if it has one.
    pub fn of(tool: &str) -> Option<&'static Self> {
        CONTRACTS.iter().find(|contract| contract.tool == tool)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_contracts_are_what_they_were() {
        let contracts = CONTRACTS.map(|contract| {
            let Contract { tool, budget_micros, max_tokens, micros_per_token, version } = contract;
            (tool, budget_micros, max_tokens, micros_per_token, version)
        });
        assert_eq!(
            contracts,
            [
                ("prompt-optimizer", 750_000, 3_500, 200, 1),
                ("model-comparison", 1_500_000, 6_000, 250, 1),
                ("knowledge-navigator", 1_000_000, 5_000, 200, 1),
                ("prompt-tester", 900_000, 4_500, 200, 1),
                ("multi-agent", 2_500_000, 8_000, 300, 1),
            ]
        );
    }

    #[test]
    fn each_tool_stands_once_and_each_budget_pays_for_its_tokens() {
        assert_eq!(TOOLS.iter().collect::<BTreeSet<_>>().len(), TOOLS.len());
        for contract in CONTRACTS {
            assert_eq!(Contract::of(contract.tool), Some(&contract));
            let dearest = contract.max_tokens * contract.micros_per_token;
            assert!(dearest <= contract.budget_micros, "{}: {dearest}", contract.tool);
        }
    }
}
