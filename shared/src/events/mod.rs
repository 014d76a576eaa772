//! The consumer's side of the events queue: what the products put in is stored in bulk.
//!
//! Each event carries its own id, which becomes its `_id`: delivered or sent twice, it is stored once.

mod read;
mod write;

pub use read::read;
pub use write::{Written, write_batch};
