//! What people do with prompts: events in, counts per prompt and day out.

pub mod counts;
mod event;
mod intake;
mod rollup;
mod track;

pub use event::{AnalyticsAction, AnalyticsEvent};
pub use intake::Intake;
pub use rollup::{RollUp, roll_up};
pub use track::{Accepted, TrackRequest, TrackedEvent, known_prompt, view_event};
