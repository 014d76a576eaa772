//! What the functions share, in two layers.
//!
//! The ground knows nothing of the product: [`config`], [`mongo`], [`cache`], [`queue`], [`http`],
//! [`lambda`], [`connection`], [`telemetry`], [`keys`], [`clock`], [`id`]. The product has a module per noun: [`content`],
//! [`prompts`], [`events`], [`accounts`], [`api_keys`], [`audit`], [`affiliates`], [`bug_reports`], [`notifications`], [`analytics`], [`usage`],
//! [`workbench`], [`stats`], a table
//! of [`rate_limits`], and [`schema`] for what the database must look like.
//! The ground never imports the product.

pub mod cache;
pub mod clock;
pub mod config;
pub mod connection;
pub mod http;
pub mod id;
pub mod keys;
pub mod lambda;
pub mod mongo;
pub mod queue;
pub mod telemetry;

pub mod accounts;
pub mod affiliates;
pub mod analytics;
pub mod api_keys;
pub mod audit;
pub mod bug_reports;
pub mod content;
pub mod events;
pub mod notifications;
pub mod prompts;
pub mod rate_limits;
pub mod ready;
pub mod schema;
pub mod stats;
pub mod usage;
pub mod workbench;
