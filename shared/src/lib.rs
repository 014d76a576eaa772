//! What the functions share, in two layers: the [`platform`] below, and the product beside it, a module per noun.
//!
//! The platform never imports the product, and no two modules of the product need each other: tests keep it so.

pub mod platform;

pub mod affiliates;
pub mod analytics;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod bug_reports;
pub mod content;
pub mod deployment;
pub mod events;
pub mod leaving;
pub mod ledger;
pub mod mfa;
pub mod notifications;
pub mod plans;
pub mod prompts;
pub mod rate_limits;
pub mod ready;
pub mod roles;
pub mod schema;
pub mod stats;
pub mod usage;
pub mod users;
pub mod workbench;

// By these names everywhere: a path need not tell the layer.
pub use platform::{
    aws, cache, clock, config, connection, counters, http, id, init, jwe, keys, lambda, mongo, number, queue, s3,
    secrets, storable, telemetry, text,
};
