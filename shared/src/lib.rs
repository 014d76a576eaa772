//! What the functions share, in two layers.
//!
//! The ground knows nothing of the product: [`config`], [`mongo`], [`cache`], [`queue`], [`http`],
//! [`lambda`], [`telemetry`], [`clock`], [`id`]. The product has a module per noun: [`content`],
//! [`events`], [`analytics`], [`stats`], [`notifications`], and [`schema`] for what the database must
//! look like. The ground never imports the product.

pub mod cache;
pub mod clock;
pub mod config;
pub mod http;
pub mod id;
pub mod lambda;
pub mod mongo;
pub mod queue;
pub mod telemetry;

pub mod analytics;
pub mod content;
pub mod events;
pub mod notifications;
pub mod schema;
pub mod stats;
