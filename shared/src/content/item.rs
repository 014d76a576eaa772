//! One piece of content: what lists filter and sort by, and the JSON that leaves, made once at load.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::file;
use crate::{clock::Moment, http::etag, roles::Role, text};

/// Fields that only the detail carries: the bulk of an item, and what a list must not give away.
const DETAIL_ONLY: [&str; 3] = ["content", "contentHtml", "parameters"];

/// Fields that say who works on an item: not for readers.
const INTERNAL: [&str; 4] = ["authorId", "organizationId", "lastRevisedBy", "deletedBy"];

/// Who may see an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Everyone who is signed in.
    SignedIn,
    /// Callers whose plan includes premium content.
    Premium,
    /// Nobody, here: a draft, a private or a deleted item.
    Hidden,
}

impl Access {
    /// Whether a caller of this role, if signed in, may see the item.
    pub fn is_open_to(self, role: Option<Role>) -> bool {
        match self {
            Self::Public => true,
            Self::SignedIn => role.is_some(),
            Self::Premium => role.is_some_and(|role| role.level() >= Role::Pro.level()),
            Self::Hidden => false,
        }
    }
}

/// An item as served.
#[derive(Debug)]
pub struct Item {
    pub id: String,
    /// Its slug, if it has one.
    pub slug: Option<String>,
    /// Who may see it.
    pub access: Access,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// The first characters of its content, [`Item::OPENING_CHARS`] of them.
    pub opening: String,
    /// Who wrote it, where that is known.
    pub author_id: Option<String>,
    /// The organisation that it belongs to, if any.
    pub organization_id: Option<String>,
    pub category: Option<String>,
    /// Whom it is for.
    pub role: Option<String>,
    pub pattern: Option<String>,
    pub(super) level: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) featured: bool,
    /// For the order of lists; the oldest where it is not known.
    pub(super) created_at: Moment,
    pub(super) views: u64,
    /// All that `search` looks into, folded: made at the first search, for most environments never search.
    searched: OnceLock<String>,
    pub summary: Box<RawValue>,
    pub detail: Box<RawValue>,
    /// The ETag of `detail`.
    pub(super) etag: String,
}

impl Item {
    /// Characters of the content by which items are told from one another.
    pub const OPENING_CHARS: usize = 200;

    /// Reads an item of a checked file.
    pub(super) fn new(object: &Map<String, Value>) -> serde_json::Result<Self> {
        let named = |field: &str| object.get(field).and_then(Value::as_str).map(str::to_owned);
        let tags: Vec<String> = match object.get("tags") {
            Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let detail = to_raw_value(&Without(object, &[&INTERNAL]))?;
        let created_at = named("createdAt").or_else(|| named("publishedAt"));
        Ok(Self {
            id: named("id").unwrap_or_default(),
            slug: file::slug(object).map(str::to_owned),
            access: access(object),
            title: named("title"),
            opening: str_of(object, "content").chars().take(Self::OPENING_CHARS).collect(),
            author_id: named("authorId"),
            organization_id: named("organizationId"),
            category: named("category"),
            role: named("role"),
            pattern: named("pattern"),
            level: named("level"),
            featured: ["isFeatured", "featured"].iter().any(|field| object.get(*field) == Some(&Value::Bool(true))),
            created_at: created_at.and_then(|text| text.parse().ok()).unwrap_or_else(|| Moment::from(Timestamp::MIN)),
            views: object.get("views").and_then(Value::as_u64).unwrap_or_default(),
            searched: OnceLock::new(),
            tags,
            summary: to_raw_value(&Without(object, &[&INTERNAL, &DETAIL_ONLY]))?,
            etag: etag(detail.get().as_bytes()),
            detail,
        })
    }
}

impl Item {
    /// Whether each of these words, which are folded, occurs somewhere in title, description, content or tags.
    pub(super) fn holds(&self, words: &[&str]) -> bool {
        let searched = || {
            let object: Map<String, Value> = serde_json::from_str(self.detail.get()).unwrap_or_default();
            let texts = ["title", "name", "description", "content"].map(|field| str_of(&object, field));
            let texts = texts.into_iter().chain(self.tags.iter().map(String::as_str));
            text::folded(&texts.collect::<Vec<_>>().join("\n"))
        };
        words.is_empty() || words.iter().all(|word| self.searched.get_or_init(searched).contains(word))
    }
}

fn str_of<'a>(object: &'a Map<String, Value>, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// An object without some of its fields, written without a copy.
struct Without<'a>(&'a Map<String, Value>, &'a [&'a [&'a str]]);

impl Serialize for Without<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_out = |field: &str| self.1.iter().any(|fields| fields.contains(&field));
        serializer.collect_map(self.0.iter().filter(|(field, _)| !is_out(field)))
    }
}

/// Absent flags mean a public, active item. A flag of an unforeseen type counts against the item:
/// better one hidden too many than one leaked.
pub(crate) fn access(object: &Map<String, Value>) -> Access {
    let holds = |field: &str, default: bool| match object.get(field) {
        None | Some(Value::Null) => default,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => !default,
    };
    let active = match object.get("status") {
        None | Some(Value::Null) => true,
        Some(status) => status == "active",
    };
    // What an organisation owns is public only where it says so.
    let owned = object.get("organizationId").is_some_and(|owner| !owner.is_null());
    if !holds("isPublic", !owned) || !holds("active", true) || !active {
        Access::Hidden
    } else if holds("isPremium", false) {
        Access::Premium
    } else if holds("requiresAuth", false) {
        Access::SignedIn
    } else {
        Access::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(value: Value) -> Item {
        let Value::Object(object) = value else { panic!("an object") };
        Item::new(&object).expect("an item")
    }

    #[test]
    fn flags_of_an_unforeseen_type_hide() {
        for (flags, access) in [
            (json!({}), Access::Public),
            (json!({"organizationId": "acme"}), Access::Hidden),
            (json!({"organizationId": "acme", "isPublic": true}), Access::Public),
            (json!({"organizationId": null}), Access::Public),
            (json!({"isPublic": null, "active": null, "isPremium": null}), Access::Public),
            (json!({"requiresAuth": true}), Access::SignedIn),
            (json!({"isPremium": true, "requiresAuth": true}), Access::Premium),
            (json!({"isPremium": "yes"}), Access::Premium),
            (json!({"isPublic": "yes"}), Access::Hidden),
            (json!({"active": false, "isPremium": true}), Access::Hidden),
            (json!({"status": "draft"}), Access::Hidden),
            (json!({"status": "active"}), Access::Public),
        ] {
            assert_eq!(item(flags.clone()).access, access, "{flags}");
        }
    }

    #[test]
    fn a_summary_leaves_the_content_out_and_the_detail_keeps_everything() {
        let item = item(json!({"id": "a", "content": "secret sauce", "example": {"before": "x"}, "odd": [1, null]}));
        assert_eq!(item.summary.get(), r#"{"id":"a","example":{"before":"x"},"odd":[1,null]}"#);
        assert!(item.detail.get().contains("secret sauce"));
    }

    #[test]
    fn who_works_on_an_item_is_not_for_readers() {
        let item = item(json!({"id": "a", "authorId": "ada", "organizationId": "org", "lastRevisedBy": "eve"}));
        assert_eq!((item.summary.get(), item.detail.get()), (r#"{"id":"a"}"#, r#"{"id":"a"}"#));
        assert_eq!(item.author_id.as_deref(), Some("ada"));
    }
}
