//! An e-mail address in the one form by which accounts are told apart.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::keys;

/// RFC 5321 §4.5.3.1.3.
const MAX_CHARS: usize = 254;

/// A lower-case address. `Debug` does not show it: logs hold no addresses.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Email(String);

impl Email {
    /// Something before and a domain with a dot after one `@`; whether it exists, only a mail can tell.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let plain = |text: &str| text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@');
        let labels: Vec<_> = domain.split('.').collect();
        let good = !local.is_empty()
            && local.len() <= 64
            && text.len() <= MAX_CHARS
            && plain(local)
            && plain(domain)
            && labels.len() > 1
            && labels.iter().all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        good.then(|| Self(text.to_lowercase()))
    }

    /// Names the address where the address itself should not stand, such as in a cache.
    pub fn key(&self) -> String {
        keys::sha256(&self.0)[..32].to_owned()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be an e-mail address"))
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an e-mail address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_address() {
        assert_eq!(Email::parse(" Ada@Example.COM "), Email::parse("ada@example.com"));
        for text in [
            "",
            "a",
            "a@b",
            "@b.c",
            "a@",
            "a b@c.d",
            "a@b..c",
            "a@-b.c",
            "a@@b.c",
            "a@b.c\n@d.e",
            &format!("{}@b.c", "a".repeat(65)),
        ] {
            assert_eq!(Email::parse(text), None, "{text}");
        }
    }
}
