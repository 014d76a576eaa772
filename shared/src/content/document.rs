//! What the content routes answer, for the API's document. The routes send text that was prepared when the
//! content was loaded, so that no request builds these.
//!
//! Content is free in form: of an item only the id is sure. Fields that are not named here come along as they are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::Moment;

/// A prompt. Fields that its author left out are absent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// Its id.
    id: String,
    /// A name for addresses, good in place of the id.
    slug: Option<String>,
    title: Option<String>,
    /// What it does, in a sentence or two.
    description: Option<String>,
    /// The text for the model, with `{{parameter}}` where something is filled in. Not in lists.
    content: Option<String>,
    /// What is filled in. Not in lists.
    parameters: Option<Vec<PromptParameter>>,
    category: Option<String>,
    /// Whom it is for.
    role: Option<String>,
    /// `junior`, `senior`, …
    experience_level: Option<String>,
    /// Id of a pattern.
    pattern: Option<String>,
    tags: Option<Vec<String>>,
    /// What it is, in a paragraph.
    what_is: Option<String>,
    why_use: Option<Vec<String>>,
    when_not_to_use: Option<Vec<String>>,
    use_cases: Option<Vec<String>>,
    best_practices: Option<Vec<String>>,
    /// For search engines.
    meta_description: Option<String>,
    /// For search engines.
    seo_keywords: Option<Vec<String>>,
    difficulty: Option<String>,
    /// `10 minutes`, …
    estimated_time: Option<String>,
    /// Models that it was written for.
    recommended_model: Option<Vec<SuitingModel>>,
    /// Whether everybody may see it; true when absent, unless an organisation owns it.
    is_public: Option<bool>,
    /// Whether only the premium plans read it.
    is_premium: Option<bool>,
    /// Whether only those who are signed in read it.
    requires_auth: Option<bool>,
    /// Whether it is put in front.
    is_featured: Option<bool>,
    /// False once it was removed.
    active: Option<bool>,
    #[schema(minimum = 0)]
    views: Option<i64>,
    #[schema(minimum = 0)]
    favorites: Option<i64>,
    #[schema(minimum = 0)]
    shares: Option<i64>,
    rating: Option<f64>,
    #[schema(minimum = 0)]
    rating_count: Option<i64>,
    /// How often it was changed, its making included. Its ETag for editors.
    #[schema(minimum = 1)]
    current_revision: Option<i64>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
    last_revised_at: Option<Moment>,
    /// Who wrote it. For its editors alone.
    author_id: Option<String>,
    /// Whose it is. For its editors alone.
    organization_id: Option<String>,
    /// For its editors alone.
    last_revised_by: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// Something to fill in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptParameter {
    /// Its name within the content.
    id: Option<String>,
    /// What a reader sees.
    label: Option<String>,
    /// `text`, `select`, `textarea`, `checkbox` or `multiselect`.
    #[serde(rename = "type")]
    kind: Option<String>,
    required: Option<bool>,
    /// What stands in the empty field.
    placeholder: Option<String>,
    /// What to choose from.
    options: Option<Vec<String>>,
    description: Option<String>,
    example: Option<String>,
    /// What it is unless something else is filled in.
    default_value: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// A model that suits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuitingModel {
    model: Option<String>,
    provider: Option<String>,
    reason: Option<String>,
    use_case: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// A prompt pattern.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pattern {
    /// Its id.
    id: String,
    name: Option<String>,
    /// `STRUCTURAL`, `COGNITIVE`, …
    category: Option<String>,
    /// `beginner`, `intermediate`, …
    level: Option<String>,
    description: Option<String>,
    short_description: Option<String>,
    full_description: Option<String>,
    how_it_works: Option<String>,
    /// A prompt without the pattern, and with it.
    example: Option<PatternExample>,
    use_cases: Option<Vec<String>>,
    best_practices: Option<Vec<String>>,
    common_mistakes: Option<Vec<String>>,
    /// Ids of patterns.
    related_patterns: Option<Vec<String>>,
    /// Prompts that use it.
    #[schema(minimum = 0)]
    prompt_count: Option<i64>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// What a pattern changes.
#[derive(Serialize, ToSchema)]
pub struct PatternExample {
    before: Option<String>,
    after: Option<String>,
    explanation: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// Something to learn from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearningResource {
    /// Its id.
    id: String,
    /// A name for addresses, good in place of the id.
    slug: Option<String>,
    title: Option<String>,
    description: Option<String>,
    /// The text, in Markdown. Not in lists.
    content: Option<String>,
    /// The text, in HTML. Not in lists.
    content_html: Option<String>,
    category: Option<String>,
    /// `article`, `tutorial`, …
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `beginner`, `intermediate`, …
    level: Option<String>,
    /// Whether it is put in front.
    featured: Option<bool>,
    status: Option<String>,
    tags: Option<Vec<String>>,
    author: Option<String>,
    #[schema(minimum = 0)]
    views: Option<i64>,
    published_at: Option<Moment>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
    /// For search engines.
    seo: Option<Seo>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// What search engines are told of a page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Seo {
    meta_title: Option<String>,
    meta_description: Option<String>,
    keywords: Option<Vec<String>>,
    slug: Option<String>,
    canonical_url: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// A page of prompts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptPage {
    /// The prompts, without their content.
    prompts: Vec<Prompt>,
    /// How many match, on all pages.
    total: usize,
    /// Asks for the page after this one, if there is one.
    next_cursor: Option<String>,
}

/// A page of patterns.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatternPage {
    /// The patterns, without their content.
    patterns: Vec<Pattern>,
    /// How many match, on all pages.
    total: usize,
    /// Asks for the page after this one, if there is one.
    next_cursor: Option<String>,
}

/// A page of learning resources.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourcePage {
    /// The resources, without their content.
    resources: Vec<LearningResource>,
    /// How many match, on all pages.
    total: usize,
    /// Asks for the page after this one, if there is one.
    next_cursor: Option<String>,
}
