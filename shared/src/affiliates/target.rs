//! Where a link may lead.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// An address on the public web: `https`, a host with a name of its own, no name and password in front.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(Url);

impl Target {
    /// As a browser follows it: printable ASCII.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for Target {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refused = "must be an https:// address of a public host, of 2,000 characters at most";
        let url = Url::parse(&text).map_err(|_| refused)?;
        let named = matches!(url.host(), Some(Host::Domain(name)) if name.trim_end_matches('.').contains('.'));
        let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
        // As it is kept, not as it was typed: it must be taken again when it is read from the store.
        if named && plain && url.as_str().len() <= 2000 { Ok(Self(url)) } else { Err(refused) }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_addresses_are_targets() {
        assert!(Target::try_from("https://tool.example/?ref=us".to_owned()).is_ok());
        for text in [
            "http://tool.example",
            "javascript:alert(1)",
            "//evil.example",
            "https://user@evil.example",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "/relative",
            "",
        ] {
            assert!(Target::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_kept_can_be_read_again() {
        for (path, is_taken) in [("a".repeat(1979), true), ("a".repeat(1980), false), ("ü".repeat(329), true)] {
            let text = format!("https://tool.example/{path}");
            let target = Target::try_from(text.clone());
            assert_eq!(target.is_ok(), is_taken, "{} bytes", text.len());
            let Ok(target) = target else { continue };
            assert_eq!(Target::try_from(String::from(target.clone())), Ok(target));
        }
        let typed = format!("https://tool.example/{}", "ü".repeat(330));
        assert!(typed.len() <= 2000 && Target::try_from(typed).is_err(), "it is longer once it is encoded");
    }

    #[test]
    fn no_line_break_survives_into_a_header() {
        let target = Target::try_from("https://tool.example/a\r\nset-cookie: x".to_owned()).expect("parsed");
        assert!(target.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{}", target.as_str());
    }
}
