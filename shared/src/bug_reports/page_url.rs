//! The address of a page, without what must not be kept of it.

use serde::Deserialize;
use url::Url;

/// Words in a parameter's name that mark its value as a secret or as personal.
const SECRET_NAMES: [&str; 14] = [
    "token", "secret", "key", "password", "passwd", "pwd", "auth", "code", "session", "sid", "sig", "jwt", "otp",
    "mail",
];
/// A text without a space that is this long is an identifier or a key, whatever it is called.
const LONG_CHARS: usize = 32;
/// What only an address has within an address, or what is encoded twice: parameters of its own, which nobody looks into.
const OF_AN_ADDRESS: [&str; 5] = ["?", "=", "#", "%", "://"];

/// The address of a web page as a report keeps it: no name and password before the host, no fragment (which
/// carries access tokens of sign-ins), and no parameter that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PageUrl(String);

impl PageUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PageUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refused = "must be the address of a web page, https://… or http://…, of 2,000 characters at most";
        let mut url = Url::parse(&text).map_err(|_| refused)?;
        if !matches!(url.scheme(), "http" | "https") || text.chars().count() > 2000 {
            return Err(refused);
        }
        // Both succeed for every address that has a host, as these have.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_fragment(None);
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, value)| !is_secret(name, value))
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        Ok(Self(url.into()))
    }
}

/// A parameter without a value may itself be the secret: names are looked at like values.
fn is_secret(name: &str, value: &str) -> bool {
    let lower = name.to_lowercase();
    let looks_secret = |text: &str| {
        let is_long = text.chars().count() >= LONG_CHARS && !text.contains(char::is_whitespace);
        is_long || text.contains('@') || OF_AN_ADDRESS.iter().any(|part| text.contains(part))
    };
    SECRET_NAMES.iter().any(|word| lower.contains(word)) || looks_secret(name) || looks_secret(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (text, kept) in [
            ("https://a.example/p?page=2&q=Vec%3CString%3E", "https://a.example/p?page=2&q=Vec%3CString%3E"),
            ("https://a.example/p?access_token=x&page=2", "https://a.example/p?page=2"),
            ("https://a.example/p?API-KEY=x&resetCode=1", "https://a.example/p"),
            ("https://a.example/p?u=ada%40example.com", "https://a.example/p"),
            ("https://a.example/p?x=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0", "https://a.example/p"),
            ("https://ada:pw@a.example/p#id_token=x", "https://a.example/p"),
            ("https://a.example/p?eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0&page=2", "https://a.example/p?page=2"),
            ("https://a.example/p?ada@example.com", "https://a.example/p"),
            ("https://a.example/p?next=/cb?token=abc&page=2", "https://a.example/p?page=2"),
            ("https://a.example/p?next=%2Fcb%3Ftoken%3Dabc", "https://a.example/p"),
            ("https://a.example/p?next=%252Fcb%253Ftoken%253Dabc", "https://a.example/p"),
            ("https://a.example/p?next=/cb%23access_token%3Dabc", "https://a.example/p"),
            ("https://a.example/p?next=https://b.example/reset/abc", "https://a.example/p"),
            ("https://a.example/p?next=/prompts/7", "https://a.example/p?next=%2Fprompts%2F7"),
        ] {
            assert_eq!(PageUrl::try_from(text.to_owned()).expect(text).as_str(), kept);
        }
    }

    #[test]
    fn only_web_pages_have_an_address() {
        for text in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "/relative", "", "https://"] {
            assert!(PageUrl::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
