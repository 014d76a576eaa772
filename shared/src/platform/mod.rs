//! What a function stands on, whatever the product: it knows nothing of it.

pub mod aws;
pub mod cache;
pub mod clock;
pub mod config;
pub mod connection;
pub mod counters;
pub mod http;
pub mod id;
pub mod init;
pub mod jwe;
pub mod keys;
pub mod lambda;
pub mod mongo;
pub mod number;
pub mod queue;
pub mod s3;
pub mod secrets;
pub mod storable;
pub mod telemetry;
pub mod text;
