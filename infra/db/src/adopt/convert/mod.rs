//! What becomes of each old collection: a file for each.

mod affiliates;
mod ai_usage;
mod api_key_usage;
mod api_keys;
mod audit_logs;
mod bug_reports;
mod content;
mod context;
mod old_cipher;
mod placed;
mod prompt_audits;
mod prompt_collections;
mod prompt_revisions;
mod prompt_stats;
mod row;
mod user_mfa;
mod user_stats;
mod users;
mod workbench_runs;

pub(super) use api_keys::is_wrong_key;
pub(super) use context::{Context, Numbers, OldData, Secrets};
pub(super) use placed::without_a_place;
pub(super) use row::{NewDocument, Row};
pub(super) use users::SIGN_INS;

/// How the documents of a collection are converted: all of them at once, for some are told from one another.
pub(super) type Convert = fn(&Context<'_>, &str) -> Vec<Row>;

/// Every old collection that has a place here, in the order in which they are written, with all names that it has had.
pub(super) const CONVERTED: &[(&str, Convert)] = &[
    ("users", users::convert),
    ("user_mfa", user_mfa::convert),
    ("user_stats", user_stats::convert),
    ("patterns", content::patterns),
    ("learning_resources", content::learning),
    ("prompts", content::prompts),
    ("prompt_stats", prompt_stats::convert),
    ("prompt_revisions", prompt_revisions::convert),
    ("prompt_audit_results", prompt_audits::convert),
    ("prompt_collections", prompt_collections::convert),
    ("api_keys", api_keys::convert),
    ("ai_usage", ai_usage::convert),
    ("ai_usage_logs", ai_usage::convert),
    ("api_key_usage", api_key_usage::convert),
    ("workbench_runs", workbench_runs::convert),
    ("bug_reports", bug_reports::convert),
    ("audit_logs", audit_logs::convert),
    ("critical_audit_logs", audit_logs::convert),
    ("affiliate_config", affiliates::links),
    ("affiliate_links", affiliates::links),
    ("partnership_outreach", affiliates::outreach),
];

/// Why a collection is left where it is.
pub(super) fn reason_to_leave(collection: &str) -> &'static str {
    match collection {
        "mfa_codes" => "codes of ten minutes: a new one is sent",
        "rate_limits" | "feedback_rate_limits" | "user_usage_quota" | "user_usage_quotas" => {
            "limits are counted anew, in the cache"
        }
        "favorites" | "user_gamification" | "prompt_history" | "prompt_test_results" | "prompt_templates" => {
            "there is no such feature here: it stays with the application before"
        }
        "daily_usage_reports" | "monthly_analytics_reports" => {
            "reports of days with records of use are made anew, by `daily-usage-report`: see \"Moving in\""
        }
        "usage_alerts" | "api_key_usage_alerts" | "notification_history" => {
            "alerts of another kind, of which none was ever sent: people set theirs anew"
        }
        "analytics_events" | "affiliate_stats" => "single events: their counts come with prompt_stats",
        "accounts" => "sign-ins of the front end: they stay there, and prove addresses of accounts without a password",
        "sessions" | "verification_tokens" => "sign-ins of the front end: they stay there",
        _ => "it has no place here: it stays with the application before",
    }
}
