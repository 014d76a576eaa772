//! The items of one kind, indexed for lists, filters, search and look-up, all from memory.

use std::{cmp::Reverse, collections::HashMap};

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{Access, Item};
use crate::{http::Cursor, text};

/// What a list shows. Values are compared as they stand: the vocabularies are open, so an unknown
/// one matches nothing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Equal to the item's category.
    pub category: Option<String>,
    /// Equal to the item's role.
    pub role: Option<String>,
    /// Id of a pattern.
    pub pattern: Option<String>,
    /// Equal to the item's level. Prompts have none: their list cannot be asked for one.
    #[serde(skip)]
    pub level: Option<String>,
    /// Among the item's tags.
    pub tag: Option<String>,
    /// Only featured items, or only others.
    pub featured: Option<bool>,
    /// Words that must all occur somewhere in title, description, content or tags, in any case.
    pub search: Option<String>,
}

/// In which order a list is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Order {
    /// `newest` (default) or `popular`.
    #[serde(default)]
    #[param(value_type = Option<Sort>, inline)]
    pub sort: Sort,
}

/// The order of a list; ties are broken by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Sort {
    /// Latest first.
    #[default]
    Newest,
    /// Most views first.
    Popular,
}

/// A page of a list.
#[derive(Debug)]
pub struct Listing<'a> {
    /// The page's items.
    pub items: Vec<&'a Item>,
    /// How many items match in all.
    pub total: usize,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// The items of one kind.
#[derive(Debug)]
pub struct Library {
    items: Vec<Item>,
    by_key: HashMap<String, usize>,
}

impl Library {
    /// Of the items of a checked file.
    pub fn new(objects: &[Map<String, Value>]) -> serde_json::Result<Self> {
        let items = objects.iter().map(Item::new).collect::<serde_json::Result<Vec<_>>>()?;
        let mut by_key = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(slug) = &item.slug {
                by_key.entry(slug.clone()).or_insert(index);
            }
        }
        // An id wins over another item's slug.
        by_key.extend(items.iter().enumerate().map(|(index, item)| (item.id.clone(), index)));
        Ok(Self { items, by_key })
    }

    /// Every item, whoever may see it.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The item with this id or slug, whoever may see it.
    pub fn find(&self, id_or_slug: &str) -> Option<&Item> {
        self.by_key.get(id_or_slug).map(|index| &self.items[*index])
    }

    /// A page of the public items that match, after `cursor`.
    pub fn list(&self, filter: &Filter, sort: Sort, limit: usize, cursor: Option<&Cursor>) -> Listing<'_> {
        let words = text::folded(filter.search.as_deref().unwrap_or_default());
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut matching: Vec<&Item> =
            self.items.iter().filter(|item| item.access == Access::Public && filter.matches(item, &words)).collect();
        matching.sort_by_cached_key(|item| Reverse(sort.place(item)));
        let total = matching.len();
        if let Some(Cursor(key, id)) = cursor {
            let seen = (key.clone(), id.clone());
            matching.retain(|item| sort.place(item) < seen);
        }
        let more = matching.len() > limit;
        matching.truncate(limit);
        let next = matching.last().filter(|_| more).map(|item| {
            let (key, id) = sort.place(item);
            Cursor(key, id)
        });
        Listing { items: matching, total, next }
    }
}

impl Filter {
    fn matches(&self, item: &Item, words: &[&str]) -> bool {
        let equals = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        equals(&self.category, &item.category)
            && equals(&self.role, &item.role)
            && equals(&self.pattern, &item.pattern)
            && equals(&self.level, &item.level)
            && self.tag.as_ref().is_none_or(|tag| item.tags.contains(tag))
            && self.featured.is_none_or(|featured| featured == item.featured)
            && item.holds(words)
    }
}

impl Sort {
    /// An item's place: what it is sorted by, as text that sorts alike, and its id.
    fn place(self, item: &Item) -> (String, String) {
        let key = match self {
            // Digits that sort as the instants do, those before 1970 included.
            Self::Newest => format!("{:020}", i128::from(item.created_at.as_millisecond()) - i128::from(i64::MIN)),
            Self::Popular => format!("{:020}", item.views),
        };
        (key, item.id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn library() -> Library {
        let items: Vec<_> = (0..50)
            .map(|n| {
                let premium = n % 10 == 9;
                let value = json!({
                    "id": format!("id-{n}"), "slug": format!("slug-{n}"), "title": format!("Title {n} (a+b)*"), "category": if n % 2 == 0 { "even & \"odd\"" } else { "odd" },
                    "tags": ["t"], "views": n % 5, "createdAt": "2026-01-01T00:00:00.000Z", "isPremium": premium, "content": "Use Vec<String>",
                });
                value.as_object().expect("object").clone()
            })
            .collect();
        Library::new(&items).expect("library")
    }

    #[test]
    fn pages_show_every_public_item_once_in_both_orders() {
        let library = library();
        for sort in [Sort::Newest, Sort::Popular] {
            let (mut cursor, mut seen) = (None, Vec::new());
            loop {
                let page = library.list(&Filter::default(), sort, 7, cursor.as_ref());
                assert_eq!(page.total, 45);
                seen.extend(page.items.iter().map(|item| item.id.clone()));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), 45);
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 45);
        }
    }

    #[test]
    fn filters_take_values_as_they_stand() {
        let library = library();
        let count = |filter: &Filter| library.list(filter, Sort::Newest, 100, None).total;
        assert_eq!(count(&Filter { category: Some("even & \"odd\"".into()), ..Filter::default() }), 25);
        assert_eq!(count(&Filter { category: Some("unknown".into()), ..Filter::default() }), 0);
        assert_eq!(count(&Filter { search: Some("VEC<STRING> (a+b)* 31".into()), ..Filter::default() }), 1);
        assert_eq!(count(&Filter { search: Some(".*".into()), ..Filter::default() }), 0);
    }

    #[test]
    fn an_item_is_found_by_id_and_slug() {
        let library = library();
        assert_eq!(library.find("slug-9").map(|item| item.access), Some(Access::Premium));
        assert_eq!(library.find("id-3").map(|item| item.id.as_str()), Some("id-3"));
        assert!(library.find("nothing").is_none());
    }
}
