//! End-to-end tests. They need the local stack: `cargo local test` brings it up, runs them, and takes
//! it down again.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

mod accounts;
mod affiliates;
mod alerts;
mod analytics;
mod architecture;
mod audit_entries;
mod bad_input;
mod bug_reports;
mod connection_budget;
mod content_fallback;
mod content_round_trip;
mod deploy_limits;
mod deployed_api;
mod events_are_not_lost;
mod failover;
mod faults;
mod freeze_resume;
mod jobs;
mod keys_and_audit_log;
mod mfa;
mod monitoring;
mod notifications;
mod object_authorization;
mod outages;
mod passwords;
mod permissions;
mod prompt_duplicates;
mod prompt_limits;
mod prompt_revisions;
mod prompt_rights;
mod prompt_search;
mod prompts;
mod publishing;
mod rate_limits;
mod report_page;
mod route_authorization;
mod secrets;
mod sessions;
mod size_budget;
mod sockets;
mod starter_library;
mod tools;
mod usage;
mod usage_costs;
mod usage_reports;
mod user_look_up;
mod workbench;
