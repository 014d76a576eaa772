//! From the database to published JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Kind, PublishedContent, SourceError, Store, bundled, file,
    source::{Fetched, PATIENT_TIMEOUT},
};
use crate::{clock::Moment, mongo::WORK_TIMEOUT};

/// A result smaller than this share of what is published (in percent) looks like a loss.
const LEAST_SHARE: usize = 80;

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    Published {
        items: usize,
    },
    /// The published file holds the same items already.
    Unchanged {
        items: usize,
    },
    /// Left as it was, because the database's answer looks like a loss.
    Refused {
        reason: String,
    },
}

/// As [`export`], of every kind, each tried whatever became of the others: what was done, by the kind's name; and what
/// failed or was refused, in words.
pub async fn export_all(
    store: &Store,
    target: &PublishedContent,
    at: Moment,
    allow_shrink: bool,
) -> (BTreeMap<&'static str, Outcome>, Vec<String>) {
    let (mut done, mut failed) = (BTreeMap::new(), Vec::new());
    for kind in Kind::ALL {
        match export(kind, store, target, at, allow_shrink).await {
            Ok(Outcome::Refused { reason }) => failed.push(format!("{}: {reason}", kind.name())),
            Ok(outcome) => drop(done.insert(kind.name(), outcome)),
            Err(error) => failed.push(format!("{}: {error:#}", kind.name())),
        }
    }
    (done, failed)
}

/// Publishes `kind`, unless nothing changed, or the result is empty or more than a fifth smaller
/// than what is published; or than the bundled, while nothing usable is. `allow_shrink` is a person's word that smaller
/// is right; empty never is.
async fn export(
    kind: Kind,
    store: &Store,
    target: &PublishedContent,
    at: Moment,
    allow_shrink: bool,
) -> anyhow::Result<Outcome> {
    let items = store.publishable(kind, WORK_TIMEOUT).await?;
    let published = published(kind, target).await?;
    let outcome = judge(kind, &items, published.as_deref(), allow_shrink)?;
    if let Outcome::Published { .. } = outcome {
        target.publish(kind, file::render(kind, &items, at)).await?;
    }
    Ok(outcome)
}

fn judge(
    kind: Kind,
    items: &[Map<String, Value>],
    published: Option<&[Map<String, Value>]>,
    allow_shrink: bool,
) -> anyhow::Result<Outcome> {
    if let Err(reason) = file::check(items) {
        return Ok(Outcome::Refused { reason: format!("the database's content is not publishable: {reason}") });
    }
    if published.is_some_and(|published| published == items) {
        return Ok(Outcome::Unchanged { items: items.len() });
    }
    let before = match published {
        Some(published) => published.len(),
        None => file::parse(kind, backup(kind))?.len(),
    };
    if !allow_shrink && items.len() * 100 < before * LEAST_SHARE {
        let reason = format!("{} items would replace {before}: more than a fifth fewer", items.len());
        return Ok(Outcome::Refused { reason });
    }
    Ok(Outcome::Published { items: items.len() })
}

/// What there was when this was built.
const fn backup(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Prompts => bundled::PROMPTS,
        Kind::Patterns => bundled::PATTERNS,
        Kind::Learning => bundled::LEARNING,
    }
}

/// What is published now; `None` when there is nothing, or nothing usable.
async fn published(kind: Kind, target: &PublishedContent) -> Result<Option<Vec<Map<String, Value>>>, SourceError> {
    match target.fetch(kind, None, PATIENT_TIMEOUT).await {
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
        let judge = |items: &[_], published, allow_shrink| {
            judge(Kind::Prompts, items, published, allow_shrink).expect("a sound backup")
        };
        assert_eq!(judge(&items(100), Some(&before), false), Outcome::Unchanged { items: 100 });
        assert_eq!(judge(&items(80), Some(&before), false), Outcome::Published { items: 80 });
        assert!(matches!(judge(&items(79), Some(&before), false), Outcome::Refused { .. }));
        assert_eq!(judge(&items(79), Some(&before), true), Outcome::Published { items: 79 });
        assert!(matches!(judge(&[], Some(&before), true), Outcome::Refused { .. }));
    }

    #[test]
    fn while_nothing_usable_is_published_a_loss_is_told_by_the_backup() {
        for kind in Kind::ALL {
            let backup = file::parse(kind, backup(kind)).expect("a sound backup");
            let judge =
                |count: usize, allow_shrink| judge(kind, &backup[..count], None, allow_shrink).expect("a sound backup");
            let all = backup.len();
            assert_eq!(judge(all, false), Outcome::Published { items: all });
            assert!(matches!(judge(all / 2, false), Outcome::Refused { .. }), "{kind:?}");
            assert_eq!(judge(all / 2, true), Outcome::Published { items: all / 2 });
        }
    }
}
