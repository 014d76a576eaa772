//! The published files: `{"version", "generatedAt", "totalPrompts", "prompts": […], "totals"}` and
//! the like for the other kinds.
//!
//! Items are kept as the JSON objects they are: real files hold fields, nulls and shapes that no
//! type of ours foresees, and all of them must come out again.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::{Kind, rules};
use crate::{clock::Moment, text};

/// Why a file counts as gone.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// Not JSON, or cut off.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// JSON of another shape.
    #[error("{0}")]
    Shape(String),
    /// No items: for a library that is a fault, not a state.
    #[error("no items")]
    Empty,
}

/// The items of a file, if the whole file is sound: it parses, is not empty, its count is its total, each item is what
/// [`rules`] ask for, and ids and slugs are unique. Texts are in normal form C, and a byte order mark is no part of it.
pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Vec<Map<String, Value>>, Invalid> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut file: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| Invalid::Syntax(error.to_string()))?;
    let total = file.get(kind.total_field()).and_then(Value::as_u64);
    let Some(Value::Array(list)) = file.remove(kind.list_field()) else {
        return Err(Invalid::Shape(format!("`{}` must be a list", kind.list_field())));
    };
    if total != Some(list.len() as u64) {
        return Err(Invalid::Shape(format!("`{}` must be the number of items, {}", kind.total_field(), list.len())));
    }
    let items: Result<Vec<_>, _> = list
        .into_iter()
        .map(|item| match item {
            Value::Object(_) => readable(item),
            _ => Err(Invalid::Shape("every item must be an object".into())),
        })
        .collect();
    let items = items?;
    check(&items)?;
    Ok(items)
}

/// One item in the form in which it is served, stored and published.
pub(super) fn readable(mut item: Value) -> Result<Map<String, Value>, Invalid> {
    text::normalise(&mut item);
    let Value::Object(mut item) = item else { return Err(Invalid::Shape("every item must be an object".into())) };
    rules::judge(&mut item).map_err(Invalid::Shape)?;
    Ok(item)
}

/// Items that may be published: at least one, no id and no slug twice.
pub(super) fn check(items: &[Map<String, Value>]) -> Result<(), Invalid> {
    if items.is_empty() {
        return Err(Invalid::Empty);
    }
    let (mut ids, mut slugs) = (HashSet::new(), HashSet::new());
    for item in items {
        let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
        if !ids.insert(id) {
            return Err(Invalid::Shape(format!("the id {id} stands twice")));
        }
        if let Some(slug) = slug(item)
            && !slugs.insert(slug)
        {
            return Err(Invalid::Shape(format!("the slug {slug} stands twice")));
        }
    }
    Ok(())
}

/// An item's slug: its own, or the one in `seo` (older learning files have it only there).
pub(super) fn slug(item: &Map<String, Value>) -> Option<&str> {
    let nested = || item.get("seo").and_then(|seo| seo.get("slug"));
    item.get("slug").or_else(nested).and_then(Value::as_str).filter(|slug| !slug.is_empty())
}

/// A file of these items, with its totals counted.
pub fn render(kind: Kind, items: &[Map<String, Value>], generated_at: Moment) -> Vec<u8> {
    let mut file = Map::new();
    file.insert("version".into(), json!("1.0"));
    file.insert("generatedAt".into(), json!(generated_at));
    file.insert(kind.total_field().into(), json!(items.len()));
    file.insert(kind.list_field().into(), json!(items));
    file.insert("totals".into(), totals(kind, items));
    let mut bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn totals(kind: Kind, items: &[Map<String, Value>]) -> Value {
    let by = |field: &str| {
        let mut counts = BTreeMap::<&str, u64>::new();
        for value in items.iter().filter_map(|item| item.get(field)?.as_str()) {
            *counts.entry(value).or_default() += 1;
        }
        json!(counts)
    };
    let flagged = |field: &str| items.iter().filter(|item| item.get(field) == Some(&Value::Bool(true))).count();
    match kind {
        Kind::Prompts => json!({
            "byCategory": by("category"), "byRole": by("role"), "byPattern": by("pattern"),
            "featured": flagged("isFeatured"), "public": flagged("isPublic"),
        }),
        Kind::Patterns => json!({
            "byCategory": by("category"), "byLevel": by("level"),
            "totalPromptsUsingPatterns": items.iter().filter_map(|item| item.get("promptCount")?.as_u64()).sum::<u64>(),
        }),
        Kind::Learning => json!({"byCategory": by("category"), "byStatus": by("status")}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(items: &Value, total: usize) -> Vec<u8> {
        json!({"version": "1.0", "totalPrompts": total, "prompts": items}).to_string().into_bytes()
    }

    #[test]
    fn a_broken_file_counts_as_gone() {
        let good = file(&json!([{"id": "a", "slug": "a"}, {"id": "b", "slug": "b"}]), 2);
        assert_eq!(parse(Kind::Prompts, &good).expect("valid").len(), 2);
        assert!(matches!(parse(Kind::Prompts, &good[..good.len() / 2]), Err(Invalid::Syntax(_))), "cut off");
        assert!(matches!(parse(Kind::Prompts, b""), Err(Invalid::Syntax(_))), "zero bytes");
        assert_eq!(parse(Kind::Prompts, &file(&json!([]), 0)), Err(Invalid::Empty));
        for (items, total) in [
            (json!([{"id": "a"}]), 2),
            (json!([{"id": "a"}, {"id": "a"}]), 2),
            (json!([{"id": "a", "slug": "s"}, {"id": "b", "slug": "s"}]), 2),
            (json!([{"id": 1}]), 1),
            (json!([{"id": ""}]), 1),
            (json!([{"id": "a"}, {"id": "b", "views": -5}]), 2),
            (json!(["a"]), 1),
            (json!({}), 0),
        ] {
            assert!(matches!(parse(Kind::Prompts, &file(&items, total)), Err(Invalid::Shape(_))), "{items}");
        }
        assert!(parse(Kind::Patterns, &good).is_err(), "the file of another kind");
        let marked = [b"\xef\xbb\xbf", good.as_slice()].concat();
        assert_eq!(parse(Kind::Prompts, &marked), parse(Kind::Prompts, &good), "a byte order mark is no part of it");
    }

    #[test]
    fn items_without_a_slug_are_no_double_and_texts_have_one_form() {
        let items =
            json!([{"id": "a"}, {"id": "b", "slug": null}, {"id": "c", "slug": ""}, {"id": "d", "slug": "e\u{301}"}]);
        let items = parse(Kind::Prompts, &file(&items, 4)).expect("valid");
        assert_eq!(items[3]["slug"], "\u{e9}");
        let twice = json!([{"id": "a", "slug": "\u{e9}"}, {"id": "b", "slug": "e\u{301}"}]);
        assert!(matches!(parse(Kind::Prompts, &file(&twice, 2)), Err(Invalid::Shape(_))));
    }

    #[test]
    fn what_is_rendered_parses_to_the_same_items() {
        let items =
            json!([{"id": "a", "role": null, "category": "x & \"y\"", "example": {"before": 1}, "isPublic": true}]);
        let items = parse(Kind::Prompts, &file(&items, 1)).expect("valid");
        let rendered = render(Kind::Prompts, &items, Moment::default());
        assert_eq!(parse(Kind::Prompts, &rendered).expect("valid"), items);
        let file: Value = serde_json::from_slice(&rendered).expect("JSON");
        assert_eq!(
            file["totals"],
            json!({"byCategory": {"x & \"y\"": 1}, "byRole": {}, "byPattern": {}, "featured": 0, "public": 1})
        );
    }
}
