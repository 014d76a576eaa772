//! Prompts in the making: who may change which, what a change is, and what is kept of it.
//!
//! Readers are served from published content ([`crate::content`]); here the database is asked, which
//! holds what an editor did a moment ago.

pub mod audits;
pub mod collections;
mod duplicates;
mod editor;
mod fields;
mod prompt;
mod reader;
pub mod revisions;
mod rights;

pub use duplicates::{Match, MatchKind};
pub use editor::{OWN_LIMIT, PromptEditor};
pub use fields::{Parameter, PromptFields, RecommendedModel};
pub use prompt::Prompt;
pub use reader::{asks_database, editors_copy};
pub use rights::{CURATE, may_edit, may_read, may_remove, may_see};
