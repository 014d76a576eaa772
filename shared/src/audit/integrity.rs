//! The HMAC over an entry's content.

use bson::RawDocumentBuf;
use jiff::Timestamp;
use serde_json::Value;

use super::AuditEntry;
use crate::{
    config::ConfigError,
    keys::{Mac, Seed},
    mongo,
    secrets::Secret,
};

pub(super) fn mac(seed: &Seed) -> Mac {
    seed.mac("audit/content")
}

/// HMAC over the entry as JSON, without the HMAC and without what is set later. The fields' order is the type's; the instants have as few digits as
/// it takes, as in the first entries that were ever written.
pub(super) fn hash(mac: &Mac, entry: &AuditEntry) -> String {
    mac.sign(&content(entry))
}

fn content(entry: &AuditEntry) -> String {
    let bare = AuditEntry { hash: String::new(), written_at: None, ..entry.clone() };
    let mut bare = serde_json::to_value(bare).unwrap_or_default();
    for (field, at) in [("at", entry.at), ("expiresAt", entry.expires_at)] {
        bare[field] = Timestamp::to_string(&at).into();
    }
    bare.to_string()
}

impl AuditEntry {
    /// The entry with its code, made with `AUDIT_SEED`.
    #[must_use]
    pub fn signed(mut self, seed: &Seed) -> Self {
        self.hash = hash(&mac(seed), &self);
        self
    }
}

/// Checks the codes of entries that come from elsewhere.
pub struct EntryCheck(Mac);

impl EntryCheck {
    /// Reads `AUDIT_SEED`.
    pub fn from_env() -> Result<Secret<Self>, ConfigError> {
        Secret::from_env("AUDIT_SEED", |text| Ok(Self::new(&Seed::parse(text)?)))
    }

    pub fn new(seed: &Seed) -> Self {
        Self(mac(seed))
    }

    /// Whether this document is an entry that one of our functions made.
    pub fn is_genuine(&self, document: &RawDocumentBuf) -> bool {
        entry(document).is_some_and(|entry| self.0.verify(&content(&entry), &entry.hash))
    }
}

/// An entry as it was written; `None` when it has lost that shape.
fn entry(document: &RawDocumentBuf) -> Option<AuditEntry> {
    serde_json::from_value(Value::Object(mongo::to_json(document).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::Document;
    use serde_json::json;

    #[test]
    fn an_entry_read_back_has_its_hmac_and_a_changed_one_has_not() {
        let mac = mac(&Seed::from("a seed of thirty-two characters!"));
        let mut written: AuditEntry = serde_json::from_value(json!({
            "id": "1", "action": "a", "category": "auth", "severity": "info", "outcome": "success", "actorId": "u",
            "details": {"b": 1, "a": [true, null, 1.5], "text": "ü"}, "at": "2026-01-01T00:00:00.120Z",
            "expiresAt": "2027-01-01T00:00:00Z", "hash": "",
        }))
        .expect("an entry");
        written.hash = hash(&mac, &written);
        assert_eq!(written.hash, "G073OyMWlkUApkRLDWkGg_oEuQlMj-hy7yHbJH-8C7g", "entries of years ago have theirs");
        let mut document = mongo::to_document(&written).expect("a document");
        let raw = |document: &Document| RawDocumentBuf::try_from(document).expect("raw");
        let read = entry(&raw(&document)).expect("an entry");
        assert_eq!(hash(&mac, &read), written.hash);
        let check = EntryCheck::new(&Seed::from("a seed of thirty-two characters!"));
        assert!(check.is_genuine(&raw(&document)));
        document.insert("writtenAt", crate::clock::now());
        assert!(check.is_genuine(&raw(&document)), "when it was stored is not of its content");
        document.insert("outcome", "failure");
        assert!(!check.is_genuine(&raw(&document)));
        let read = entry(&raw(&document)).expect("an entry");
        assert_ne!(hash(&mac, &read), written.hash);
    }
}
