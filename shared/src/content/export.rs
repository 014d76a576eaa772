//! From the database to published JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Kind, PublishedContent, SourceError, Store, file, source::Fetched};
use crate::mongo::WORK_LIMIT;

/// A result smaller than this share of what is published (in percent) looks like a loss.
const LEAST_SHARE: usize = 80;

/// What became of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// Written.
    Published {
        /// Items in the file.
        items: usize,
    },
    /// The published file holds the same items already.
    Unchanged {
        /// Items in the file.
        items: usize,
    },
    /// Left as it was, because the database's answer looks like a loss.
    Refused {
        /// What looked wrong.
        reason: String,
    },
}

/// Publishes `kind`, unless nothing changed, or the result is empty or more than a fifth smaller
/// than what is published. `allow_shrink` is a person's word that smaller is right; empty never is.
pub async fn export(
    kind: Kind,
    store: &Store,
    target: &PublishedContent,
    at: Timestamp,
    allow_shrink: bool,
) -> anyhow::Result<Outcome> {
    let items = store.publishable(kind, WORK_LIMIT).await?;
    let published = published(kind, target).await?;
    let outcome = judge(&items, published.as_deref(), allow_shrink);
    if let Outcome::Published { .. } = outcome {
        target.publish(kind, file::render(kind, &items, at)).await?;
    }
    Ok(outcome)
}

fn judge(items: &[Map<String, Value>], published: Option<&[Map<String, Value>]>, allow_shrink: bool) -> Outcome {
    if let Err(reason) = file::check(items) {
        return Outcome::Refused { reason: format!("the database's content is not publishable: {reason}") };
    }
    let count = items.len();
    match published {
        Some(before) if before == items => Outcome::Unchanged { items: count },
        Some(before) if !allow_shrink && count * 100 < before.len() * LEAST_SHARE => Outcome::Refused {
            reason: format!("{count} items would replace {}: more than a fifth fewer", before.len()),
        },
        _ => Outcome::Published { items: count },
    }
}

/// What is published now; `None` when there is nothing, or nothing usable.
async fn published(kind: Kind, target: &PublishedContent) -> Result<Option<Vec<Map<String, Value>>>, SourceError> {
    match target.fetch(kind, None).await {
        Ok(Fetched::New { bytes, .. }) => Ok(file::parse(kind, &bytes).ok().map(|mut items| {
            // The database answers in the order of ids; a file may stand in any.
            items.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
            items
        })),
        Ok(Fetched::Unchanged) | Err(SourceError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn items(count: usize) -> Vec<Map<String, Value>> {
        (0..count).map(|n| json!({"id": n.to_string()}).as_object().expect("object").clone()).collect()
    }

    #[test]
    fn a_loss_is_not_published_unless_a_person_says_so() {
        let before = items(100);
        assert_eq!(judge(&items(100), Some(&before), false), Outcome::Unchanged { items: 100 });
        assert_eq!(judge(&items(80), Some(&before), false), Outcome::Published { items: 80 });
        assert!(matches!(judge(&items(79), Some(&before), false), Outcome::Refused { .. }));
        assert_eq!(judge(&items(79), Some(&before), true), Outcome::Published { items: 79 });
        assert!(matches!(judge(&[], Some(&before), true), Outcome::Refused { .. }));
        assert_eq!(judge(&items(1), None, false), Outcome::Published { items: 1 });
    }
}
