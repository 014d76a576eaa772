//! An e-mail address in the one form by which accounts are told apart.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::text::is_hidden;

/// RFC 5321 §4.5.3.1.3.
pub(super) const MAX_BYTES: usize = 254;
/// RFC 5321 §4.5.3.1.1.
pub(super) const MAX_LOCAL_BYTES: usize = 64;
/// What RFC 5322 §3.2.3 allows in an atom besides letters and digits.
const ATOM_SIGNS: &str = "!#$%&'*+-/=?^_`{|}~";

/// An address that mail can be sent to: lower case, its domain in ASCII (`xn--…`). `Debug` does not show it: logs hold
/// no addresses.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Email(String);

impl Email {
    /// A dot-atom and a domain with a dot (RFC 5321); whether it exists, only a mail can tell.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "must be an e-mail address";
        let text = text.trim();
        if text.contains(hides) {
            return Err("must not hold invisible or direction characters");
        }
        let (local, domain) = text.rsplit_once('@').ok_or(MALFORMED)?;
        if local.chars().any(|letter| !letter.is_ascii() && !letter.is_whitespace()) {
            return Err("must have ASCII letters alone before the @: mail to any other address is not delivered");
        }
        let domain = ascii_domain(domain).ok_or(MALFORMED)?;
        let email = format!("{}@{domain}", local.to_ascii_lowercase());
        let good = is_dot_atom(local) && local.len() <= MAX_LOCAL_BYTES && email.len() <= MAX_BYTES;
        if good { Ok(Self(email)) } else { Err(MALFORMED) }
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an e-mail address")
    }
}

/// The domain as the name service has it; `None` for what is no domain name with a dot, or hides something.
pub(super) fn ascii_domain(domain: &str) -> Option<String> {
    if domain.contains(hides) {
        return None;
    }
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    let ascii = ascii.ok()?.into_owned();
    let (_, last) = ascii.rsplit_once('.')?;
    let is_a_number = last.bytes().all(|byte| byte.is_ascii_digit());
    (!is_a_number).then_some(ascii)
}

/// The domain as people read it.
pub(super) fn unicode_domain(ascii: &str) -> String {
    idna::domain_to_unicode(ascii).0
}

/// What [`is_hidden`] finds, and what only chooses how the letter before it looks: a domain name loses both.
pub(super) fn hides(letter: char) -> bool {
    let chooses =
        matches!(letter, '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    chooses || is_hidden(letter)
}

fn is_dot_atom(local: &str) -> bool {
    let is_atom = |atom: &str| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || ATOM_SIGNS.contains(letter);
        !atom.is_empty() && atom.chars().all(allowed)
    };
    local.split('.').all(is_atom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Option<String> {
        Email::parse(text).map(|email| email.as_str().to_owned())
    }

    fn refusal(text: &str) -> String {
        serde_json::from_value::<Email>(text.into()).expect_err(text).to_string()
    }

    #[test]
    fn one_address_has_one_form_however_it_is_spelled() {
        assert_eq!(stored(" Ada@Example.COM "), Some("ada@example.com".to_owned()));
        for spelling in [
            "ada@münchen.example",
            "ada@mu\u{308}nchen.example",
            "Ada@MÜNCHEN.example",
            "ada@xn--mnchen-3ya.example",
            "ada@XN--MNCHEN-3YA.EXAMPLE",
            "ada@münchen。example",
            "ada@ｍünchen.example",
        ] {
            assert_eq!(stored(spelling), Some("ada@xn--mnchen-3ya.example".to_owned()), "{spelling}");
        }
    }

    #[test]
    fn an_address_is_a_dot_atom_and_a_domain_with_a_dot() {
        for text in ["a.b+c_d'e@example.com", "!#$%&*/=?^`{|}~-@example.com", "a@3com.com", "a@x.r3---y.com", "1@a.bc"]
        {
            assert!(stored(text).is_some(), "{text}");
        }
        for text in [
            "",
            "a",
            "a@b",
            "@b.c",
            "a@",
            "a b@c.d",
            "a@b..c",
            "a@b.c.",
            "a@.b.c",
            "a@-b.c",
            "a@b-.c",
            "a@@b.c",
            "a@b.c\n@d.e",
            "a@b_c.d",
            "a@b c.d",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a@xn--a.example",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "x<victim@example.org>",
            "Ada <ada@example.com>",
            "<ada@example.com>",
            "\"a b\"@example.com",
            "\"a\"@example.com",
            "a(b)@example.com",
            "a,b@example.com",
            "a;b@example.com",
            "a:b@example.com",
            "a\\b@example.com",
            "mailto:ada@example.com",
            &format!("{}@b.c", "a".repeat(65)),
            &format!("a@{}.c", "b".repeat(64)),
            &format!("{}@{}c", "a".repeat(60), "b.".repeat(100)),
        ] {
            assert_eq!(stored(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_hides_nothing() {
        for hidden in
            ["\u{200b}", "\u{202e}", "\u{2066}", "\u{feff}", "\u{ad}", "\u{fe0f}", "\u{34f}", "\u{3164}", "\0"]
        {
            for text in
                [format!("a{hidden}da@example.com"), format!("ada@exam{hidden}ple.com"), format!("{hidden}a@b.cd")]
            {
                assert!(refusal(&text).contains("invisible"), "{text:?}");
            }
        }
        assert_eq!(stored("ada@exam\u{200d}ple.com"), None);
    }

    #[test]
    fn where_no_mail_can_go_the_refusal_says_so() {
        for text in
            ["josé@example.com", "jose\u{301}@example.com", "日本@example.com", "ａda@example.com", "аda@example.com"]
        {
            assert!(refusal(text).contains("not delivered"), "{text}");
        }
        assert_eq!(refusal("nobody"), "must be an e-mail address");
    }
}
