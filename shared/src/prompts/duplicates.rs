//! Whether a prompt is there already: four rules, of which the first that holds tells why.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{content::Item, text};

/// An opening this short says little: many prompts begin alike.
const LEAST_OPENING: usize = 50;
/// Share of words in common from which titles are alike.
const SIMILAR: f64 = 0.8;
/// As [`SIMILAR`], when category, role and pattern are the same too.
const SIMILAR_WITH_METADATA: f64 = 0.5;

/// In which way two prompts are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatchKind {
    /// The same title, but for case, punctuation and spaces.
    Exact,
    /// Nearly the same words in the title.
    Similar,
    /// The same opening of the content.
    ContentMatch,
    /// The same category, role and pattern, and half the title's words.
    MetadataMatch,
}

/// A prompt that is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Match {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// In which way it is alike.
    pub kind: MatchKind,
}

/// The parts of a prompt that are compared.
#[derive(Debug)]
pub(super) struct Fingerprint {
    id: String,
    title: String,
    normal_title: String,
    opening: String,
    facets: [Option<String>; 3],
}

impl Fingerprint {
    /// Of a prompt at hand; `content` may be its opening alone.
    pub(super) fn of(prompt: &Map<String, Value>) -> Self {
        let text = |field: &str| prompt.get(field).and_then(Value::as_str).map(str::to_owned);
        let facets = [text("category"), text("role"), text("pattern")];
        Self::new(text("id").unwrap_or_default(), text("title"), text("content").as_deref(), facets)
    }

    /// Of a published one.
    pub(super) fn of_item(item: &Item) -> Self {
        let facets = [&item.category, &item.role, &item.pattern].map(Clone::clone);
        Self::new(item.id.clone(), item.title.clone(), Some(&item.opening), facets)
    }

    fn new(id: String, title: Option<String>, content: Option<&str>, facets: [Option<String>; 3]) -> Self {
        let title = title.unwrap_or_default();
        // Of "🎉" nothing is left, nor of "🚀": such titles are compared as they stand.
        let normal_title = Some(normal(&title)).filter(|normal| !normal.is_empty()).unwrap_or_else(|| title.clone());
        let opening: String = content.unwrap_or_default().chars().take(Item::OPENING_CHARS).collect();
        Self { id, title, normal_title, opening: normal(&opening), facets }
    }

    /// Of `others`, those that this one repeats.
    pub(super) fn among(&self, others: impl IntoIterator<Item = Self>) -> Vec<Match> {
        let alike = |other: Self| {
            let kind = self.compare(&other)?;
            Some(Match { id: other.id, title: other.title, kind })
        };
        others.into_iter().filter_map(alike).collect()
    }

    fn compare(&self, other: &Self) -> Option<MatchKind> {
        let shared = shared_words(&self.normal_title, &other.normal_title);
        if self.normal_title == other.normal_title {
            Some(MatchKind::Exact)
        } else if shared >= SIMILAR {
            Some(MatchKind::Similar)
        } else if self.opening == other.opening && self.opening.chars().count() > LEAST_OPENING {
            Some(MatchKind::ContentMatch)
        } else if self.facets == other.facets && shared >= SIMILAR_WITH_METADATA {
            Some(MatchKind::MetadataMatch)
        } else {
            None
        }
    }
}

/// Lower case, without punctuation, with single spaces.
fn normal(title: &str) -> String {
    let kept: String = text::folded(title).chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Words in common, of all words (Jaccard's index). Where there are none at all it is no number, and no match.
#[expect(clippy::cast_precision_loss, reason = "a title has few words")]
fn shared_words(a: &str, b: &str) -> f64 {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.split_whitespace().collect(), b.split_whitespace().collect());
    a.intersection(&b).count() as f64 / a.union(&b).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn print(value: &Value) -> Fingerprint {
        Fingerprint::of(value.as_object().expect("object"))
    }

    #[test]
    fn the_first_rule_that_holds_tells_why() {
        let long = "Act as a reviewer of Rust code and name what could break, with line numbers.";
        let new = print(&json!({"id": "n", "title": "Review my Rust code, now!", "content": long, "category": "c"}));
        let kind = |other: Value| new.compare(&print(&other));
        assert_eq!(kind(json!({"title": "review MY rust  code now"})), Some(MatchKind::Exact));
        assert_eq!(kind(json!({"title": "Review my Rust code"})), Some(MatchKind::Similar));
        assert_eq!(kind(json!({"title": "Other", "content": long.to_uppercase()})), Some(MatchKind::ContentMatch));
        assert_eq!(kind(json!({"title": "Review my Rust", "category": "c"})), Some(MatchKind::MetadataMatch));
        assert_eq!(kind(json!({"title": "Review my Rust", "category": "other"})), None);
        assert_eq!(kind(json!({"title": "Other", "content": "Act as a reviewer", "category": "c"})), None);
    }

    #[test]
    fn titles_without_a_letter_are_compared_as_they_stand() {
        let kind = |a: &str, b: Value| print(&json!({"title": a})).compare(&print(&b));
        assert_eq!(kind("🎉", json!({"title": "🎉"})), Some(MatchKind::Exact));
        for (a, b) in [("🎉", json!({"title": "🚀"})), ("?!", json!({"title": "!?"})), (" ", json!({}))] {
            assert_eq!(kind(a, b.clone()), None, "{a} and {b}");
        }
    }

    #[test]
    fn a_short_opening_is_no_match() {
        let (a, b) = (json!({"title": "One", "content": "Hello."}), json!({"title": "Two", "content": "Hello."}));
        assert_eq!(print(&a).compare(&print(&b)), None);
    }
}
