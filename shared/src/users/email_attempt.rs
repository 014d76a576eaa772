//! The address by which somebody claims an account, also one from before addresses had one form.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

use super::email::{Email, MAX_BYTES, MAX_LOCAL_BYTES, ascii_domain, unicode_domain};
use crate::{
    keys,
    text::{nfc, nfd},
};

/// An address that someone claims. An account may have been made under a spelling that no new account gets: whoever
/// writes it as they did then finds it. `Debug` does not show it.
#[derive(Clone)]
pub struct EmailAttempt {
    /// The form by which guesses are counted, however it is spelled.
    form: String,
    /// How the account's address may be stored, what was written first.
    spellings: Vec<String>,
}

impl EmailAttempt {
    /// What a new account may have, or could have before: something before and a domain with a dot after one `@`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let plain = |text: &str| text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@');
        let labels: Vec<_> = domain.split('.').collect();
        let could = !local.is_empty()
            && local.len() <= MAX_LOCAL_BYTES
            && text.len() <= MAX_BYTES
            && plain(local)
            && plain(domain)
            && labels.len() > 1
            && labels.iter().all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        (could || Email::parse(text).is_some()).then(|| Self::of(local, domain))
    }

    fn of(local: &str, domain: &str) -> Self {
        let ascii = ascii_domain(domain);
        let (local, domain) = (local.to_lowercase(), domain.to_lowercase());
        let form = format!("{}@{}", nfc(&local), ascii.as_deref().unwrap_or(&nfc(&domain)));
        let mut domains = vec![domain];
        domains.extend(ascii.into_iter().flat_map(|ascii| [unicode_domain(&ascii), ascii]));
        let written = domains.iter().map(|domain| format!("{local}@{domain}"));
        let other = domains.iter().flat_map(|domain| {
            let text = format!("{local}@{domain}");
            [
                nfc(&text),
                nfd(&text),
                format!("{}@{}", nfd(&local), nfc(domain)),
                format!("{}@{}", nfc(&local), nfd(domain)),
            ]
        });
        let mut spellings: Vec<String> = Vec::new();
        for spelling in written.chain(other) {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
        Self { form, spellings }
    }

    /// How the account's address may be stored; the likeliest first.
    pub fn spellings(&self) -> &[String] {
        &self.spellings
    }

    /// Names the address where the address itself should not stand, such as in a cache.
    pub fn key(&self) -> String {
        keys::sha256(&self.form)[..32].to_owned()
    }
}

impl<'de> Deserialize<'de> for EmailAttempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be an e-mail address"))
    }
}

impl fmt::Debug for EmailAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an e-mail address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(text: &str) -> EmailAttempt {
        EmailAttempt::parse(text).expect(text)
    }

    #[test]
    fn an_account_of_before_is_found_by_its_address_as_it_was_stored() {
        // As accounts were stored: lower case, and otherwise as written.
        for stored in [
            "ada@example.com",
            "josé@example.com",
            "jose\u{301}@example.com",
            "ada@münchen.example",
            "ada@mu\u{308}nchen.example",
            "ada@xn--mnchen-3ya.example",
            "a\u{200b}da@example.com",
            "ada@exam\u{202e}ple.com",
            "x<victim@example.org>",
            "\"a\"@example.com",
            "a..b@example.com",
            "a@127.0.0.1",
            "a@b_c.example",
        ] {
            for written in [stored.to_owned(), stored.to_uppercase(), nfc(stored), nfd(stored)] {
                assert!(attempt(&written).spellings().contains(&stored.to_owned()), "{written:?} finds {stored:?}");
            }
            assert_eq!(attempt(stored).spellings()[0], stored, "what was written comes first");
        }
        assert_eq!(attempt("ada@example.com").spellings(), ["ada@example.com"]);
    }

    #[test]
    fn whoever_signed_up_is_found_however_they_spell_it() {
        for text in [
            "Ada@Example.com",
            "ada@münchen.example",
            "ada@mu\u{308}nchen.example",
            "ada@XN--mnchen-3ya.example",
            "ada@münchen。example",
            "ada@ｍünchen.example",
            &format!("ada@{}.example", ["日本語日本語日本語日本語日本語日本語日本語"; 5].join(".")),
        ] {
            let email = Email::parse(text).expect("good");
            assert!(attempt(text).spellings().contains(&email.as_str().to_owned()), "{text}");
            assert_eq!(attempt(text).key(), attempt(email.as_str()).key(), "{text}");
        }
    }

    #[test]
    fn no_other_spelling_gives_more_guesses_and_no_other_address_shares_them() {
        assert_eq!(attempt("josé@example.com").key(), attempt("jose\u{301}@example.com").key());
        let ada = attempt("ada@example.com");
        for other in ["a\u{200b}da@example.com", "ada@exam\u{200b}ple.com", "àda@example.com", "ada@example.org"] {
            assert_ne!(attempt(other).key(), ada.key(), "{other:?}");
            assert!(!attempt(other).spellings().contains(&ada.spellings()[0]), "{other:?}");
        }
    }

    #[test]
    fn what_no_account_ever_had_is_refused() {
        for text in ["", "a", "a@b", "@b.c", "a@", "a b@c.d", "a@b..c", "a@-b.c", "a@@b.c", "a@b.c\n@d.e"] {
            assert!(EmailAttempt::parse(text).is_none(), "{text}");
        }
    }
}
