//! End-to-end tests. They need the local stack: `cargo local test` brings it up, runs them, and takes
//! it down again.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

mod accounts;
mod affiliates;
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
mod jobs;
mod keys_and_trail;
mod mfa;
mod notifications;
mod outages;
mod prompt_search;
mod prompts;
mod report_page;
mod size_budget;
mod sockets;
mod starter_library;
mod thaw;
mod usage;
mod usage_costs;
mod who_may_call;
mod workbench;
