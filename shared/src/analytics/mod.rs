//! What people do with prompts: events in, counts per prompt and day out.

mod intake;
mod rollup;
mod track;

pub use intake::Intake;
pub use rollup::{RollUp, roll_up};
pub use track::{Accepted, TrackRequest, TrackedEvent, view_event};

use std::time::Duration;

use crate::http::Policy;

/// Events that one address may send: a front end sends a handful of batches a minute.
pub const TRACK_POLICY: Policy = Policy { name: "analytics", requests: 120, window: Duration::from_mins(1) };
/// Views that one address may count.
pub const VIEW_POLICY: Policy = Policy { name: "view", requests: 60, window: Duration::from_mins(1) };
