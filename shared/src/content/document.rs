//! What the content routes answer, for the API's document. The routes send text that was prepared when the
//! content was loaded, so that no request builds these.

use utoipa::ToSchema;

/// An item with all that its file says of it, but for who works on it.
#[derive(Debug, ToSchema)]
pub struct ContentItem {
    /// Its id; what else there is differs from item to item.
    pub id: String,
}

/// A page of prompts.
#[derive(Debug, ToSchema)]
pub struct PromptPage {
    /// The prompts, without their content.
    pub prompts: Vec<ContentItem>,
    /// How many match, on all pages.
    pub total: usize,
    /// Asks for the page after this one, if there is one.
    #[schema(rename = "nextCursor")]
    pub next_cursor: Option<String>,
}

/// A page of patterns.
#[derive(Debug, ToSchema)]
pub struct PatternPage {
    /// The patterns, without their content.
    pub patterns: Vec<ContentItem>,
    /// How many match, on all pages.
    pub total: usize,
    /// Asks for the page after this one, if there is one.
    #[schema(rename = "nextCursor")]
    pub next_cursor: Option<String>,
}

/// A page of learning resources.
#[derive(Debug, ToSchema)]
pub struct ResourcePage {
    /// The resources, without their content.
    pub resources: Vec<ContentItem>,
    /// How many match, on all pages.
    pub total: usize,
    /// Asks for the page after this one, if there is one.
    #[schema(rename = "nextCursor")]
    pub next_cursor: Option<String>,
}
