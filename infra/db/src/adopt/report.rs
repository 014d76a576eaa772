//! What an adoption did, for a person and for a program.

use std::collections::BTreeMap;

use serde::Serialize;

/// Lines of one kind that are printed of a collection; `--json` has all.
const SHOWN: usize = 20;

/// The whole.
#[derive(Default, Serialize)]
pub(super) struct Report {
    /// By the name that the old application gave each.
    pub(super) collections: BTreeMap<String, CollectionReport>,
}

/// What became of one old collection.
#[derive(Default, Serialize)]
pub(super) struct CollectionReport {
    pub(super) read: u64,
    /// New here, or changed there since it was written here; without `--write`, what would be written.
    pub(super) written: u64,
    pub(super) unchanged: u64,
    /// What is not here, or not as it is there.
    pub(super) skipped: Vec<Left>,
    /// What is here as something else than it was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) mapped: Vec<Mapped>,
    /// Ids of what was removed there since, and is still here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gone: Vec<String>,
    /// Why the collection as a whole is left where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Left {
    pub(super) id: String,
    pub(super) reason: String,
}

#[derive(Serialize)]
pub(super) struct Mapped {
    pub(super) id: String,
    pub(super) what: String,
}

impl Report {
    /// Line by line; `written` says what the third figure is.
    pub(super) fn lines(&self, written: &str) -> Vec<String> {
        let mut lines =
            vec![format!("{:<22}{:>7}{:>18}{:>11}{:>10}", "collection", "read", written, "unchanged", "left out")];
        let (left, adopted): (Vec<_>, Vec<_>) = self.collections.iter().partition(|(_, report)| report.left.is_some());
        for (name, of) in &adopted {
            let skipped = of.skipped.len();
            lines.push(format!("{name:<22}{:>7}{:>18}{:>11}{skipped:>10}", of.read, of.written, of.unchanged));
        }
        for (name, of) in &adopted {
            section(&mut lines, &format!("left out of {name}"), of.skipped.iter().map(|left| (&left.id, &left.reason)));
            let what = "remove it here, too, if it is to go".to_owned();
            let title = format!("of {name}, gone there, still here");
            section(&mut lines, &title, of.gone.iter().map(|id| (id, &what)));
            section(
                &mut lines,
                &format!("of {name}, here as something else"),
                of.mapped.iter().map(|it| (&it.id, &it.what)),
            );
        }
        if !left.is_empty() {
            lines.push("left where they are:".into());
        }
        for (name, of) in left {
            lines.push(format!("  {name}, {} documents: {}", of.read, of.left.unwrap_or_default()));
        }
        lines
    }
}

fn section<'a>(lines: &mut Vec<String>, title: &str, entries: impl ExactSizeIterator<Item = (&'a String, &'a String)>) {
    let all = entries.len();
    if all == 0 {
        return;
    }
    lines.push(format!("{title}:"));
    lines.extend(entries.take(SHOWN).map(|(id, what)| format!("  {id}: {what}")));
    if all > SHOWN {
        lines.push(format!("  … and {} more (`--json` lists all)", all - SHOWN));
    }
}
