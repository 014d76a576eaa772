//! The immutable backups, compiled in: the last link of the chain needs no disk and no network.
//! They change only by a commit. A binary carries only those that it names.

/// `public-data/prompts-backup.json`.
pub const PROMPTS: &[u8] = include_bytes!("../../../public-data/prompts-backup.json");
/// `public-data/patterns-backup.json`.
pub const PATTERNS: &[u8] = include_bytes!("../../../public-data/patterns-backup.json");
/// `public-data/learning-backup.json`.
pub const LEARNING: &[u8] = include_bytes!("../../../public-data/learning-backup.json");

#[cfg(test)]
mod tests {
    use crate::content::{Kind, parse};

    #[test]
    fn every_primary_and_backup_is_valid() {
        for (kind, primary, bundled) in [
            (Kind::Prompts, &include_bytes!("../../../public-data/prompts.json")[..], super::PROMPTS),
            (Kind::Patterns, &include_bytes!("../../../public-data/patterns.json")[..], super::PATTERNS),
            (Kind::Learning, &include_bytes!("../../../public-data/learning.json")[..], super::LEARNING),
        ] {
            let items = parse(kind, primary).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
            let bundled = parse(kind, bundled).unwrap_or_else(|error| panic!("{kind:?} backup: {error}"));
            assert_eq!(items, bundled, "{kind:?}: the backup must equal the primary at commit");
            let least = match kind {
                Kind::Prompts => 40,
                Kind::Patterns => 18,
                Kind::Learning => 20,
            };
            assert!(items.len() >= least, "{kind:?} has {} items", items.len());
        }
    }
}
