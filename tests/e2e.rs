//! End-to-end tests. They need the local stack: `cargo local test` brings it up, runs them, and takes
//! it down again.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::similar_names)]

mod accounts;
mod adoption;
mod affiliates;
mod alerts;
mod analytics;
mod architecture;
mod audit_digests;
mod audit_entries;
mod bad_input;
mod bug_reports;
mod byte_budgets;
mod connection_budget;
mod content_fallback;
mod content_round_trip;
mod database_users;
mod failover;
mod faults;
mod flood_cost;
mod hosted_redis;
mod jobs;
mod keys_and_audit_log;
mod leaving;
mod lockout;
mod mfa;
mod notifications;
mod object_authorization;
mod odd_documents;
mod openapi;
mod outages;
mod passwords;
mod permissions;
mod preflight;
mod prompt_duplicates;
mod prompt_limits;
mod prompt_revisions;
mod prompt_rights;
mod prompt_search;
mod prompts;
mod proved_addresses;
mod proxy_secret;
mod publishing;
mod rate_limits;
mod report_page;
mod roles;
mod route_authorization;
mod running_costs;
mod secret_store;
mod secrets;
mod seeds;
mod sessions;
mod size_budget;
mod sockets;
mod starter_library;
mod stored_bytes;
mod tools;
mod usage;
mod usage_costs;
mod usage_reports;
mod user_look_up;
mod workbench;

/// Of the deployed stack's API, whose rate limits and queue they share: one at a time, beside those above, which have
/// functions, databases and queues of their own.
mod deployed {
    mod account_pages;
    mod front_end;
    mod key_usage;
    mod monitoring;
    mod routes;
    mod smoke;
    mod typescript;
}

/// They stop what all stand on, saturate the machine, or measure it: one at a time, after all others.
mod alone {
    mod events_are_not_lost;
    mod faults_restart;
    mod figures_of_functions;
    mod first_deploy;
    mod freeze_resume;
    mod misses_at_once;
    mod sockets_of_all;
    mod whole_log;
}
