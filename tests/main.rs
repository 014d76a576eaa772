//! End-to-end tests. They need the local stack: `cargo local test` brings it up, runs them, and takes
//! it down again.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

mod accounts;
mod bad_input;
mod connection_budget;
mod content_fallback;
mod content_round_trip;
mod deployed_api;
mod events_are_not_lost;
mod failover;
mod faults;
mod jobs;
mod keys_and_trail;
mod mfa;
mod notifications;
mod outages;
mod report_page;
mod sockets;
mod usage;
mod usage_costs;
mod who_may_call;
