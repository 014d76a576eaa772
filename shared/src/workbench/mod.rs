//! The workbench: runs of tools that cost money, each within a budget that is checked before it is spent.
//!
//! A run's document is its lock: the unique index on account and run id lets one of many starts in, and the
//! others get its run back. It is pending until it is completed or, after a quarter of an hour, swept up;
//! then it never changes.

mod complete;
mod run;
mod start;
mod sweep;
mod tools;

pub use complete::{CompleteRequest, Workbench};
pub use run::{RunFilter, RunPage, RunStatus, RunView, find, list};
pub use start::{StartRequest, start};
pub use sweep::{PENDING_FOR, Swept, sweep};
pub use tools::{CONTRACTS, Contract, TOOLS};
