//! Identifiers: `UUIDv7` text, so that ids sort by time and serve as idempotency keys.

use uuid::Uuid;

/// A new time-ordered id.
pub fn new() -> String {
    Uuid::now_v7().to_string()
}

/// A client's idempotency key in its one stored form (lower case, hyphens), so that two spellings
/// of the same UUID cannot be stored twice. `None` when it is not a UUID.
pub fn parse(text: &str) -> Option<String> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_id_are_one_id() {
        let id = new();
        assert_eq!(parse(&id.to_uppercase()), Some(id));
        assert_eq!(parse("urn:uuid:x"), None);
    }
}
