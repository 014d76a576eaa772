//! Prompts, patterns and learning resources: content that must never disappear.
//!
//! Served from published JSON, then from MongoDB, then from the backup compiled into the binary
//! ([`Content`]). The database is where content is edited; [`export`] publishes it.

pub mod bundled;
mod chain;
pub mod document;
pub mod export;
mod file;
mod item;
mod library;
mod route;
mod rules;
mod source;
mod store;

pub use chain::{Content, DatabaseFallback, Origin, Snapshot};
pub use document::{LearningResource, Pattern, PatternPage, Prompt, PromptPage, ResourcePage};
pub use file::{Invalid, parse, render};
pub(crate) use item::access;
pub use item::{Access, Item};
pub use library::{Filter, Library, Listing, Order, Sort};
pub use source::{PublishedContent, SourceError};
pub use store::{Store, to_document};

/// The three kinds of content, each a collection and a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prompts,
    Patterns,
    Learning,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Prompts, Self::Patterns, Self::Learning];

    /// The kind's name: `prompts`, `patterns`, `learning`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Patterns => "patterns",
            Self::Learning => "learning",
        }
    }

    /// Its file among the published ones.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts.json",
            Self::Patterns => "patterns.json",
            Self::Learning => "learning.json",
        }
    }

    pub const fn collection(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Patterns => "patterns",
            Self::Learning => "learning_resources",
        }
    }

    /// The field that holds the list, in files and answers.
    pub const fn list_field(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Patterns => "patterns",
            Self::Learning => "resources",
        }
    }

    /// The field that holds the list's length, in files.
    const fn total_field(self) -> &'static str {
        match self {
            Self::Prompts => "totalPrompts",
            Self::Patterns => "totalPatterns",
            Self::Learning => "totalResources",
        }
    }
}
