//! A code as somebody typed or copied it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

use crate::text::is_hidden;

pub(super) const DIGITS: usize = 6;
/// Letters and digits of a recovery code, without its hyphens.
pub(super) const RECOVERY_CHARS: usize = 16;
/// Those of a code from before they were longer; it counts until its set is replaced.
const OLD_RECOVERY_CHARS: usize = 10;
/// Also with what means nothing in it.
const MAX_CHARS: usize = 40;

/// A code that somebody shows. White space and hyphens in it mean nothing: apps show `123 456`. Never printed.
#[derive(Clone, Debug)]
pub enum Code {
    /// Six digits, of the app or sent.
    Digits(SecretString),
    /// A recovery code, in lower case.
    Recovery(SecretString),
}

impl Code {
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().count() > MAX_CHARS {
            return None;
        }
        let code: String = text.chars().filter(|letter| !means_nothing(*letter)).collect();
        if code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Digits(code.into()));
        }
        let is_recovery = [RECOVERY_CHARS, OLD_RECOVERY_CHARS].contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_recovery.then(|| Self::Recovery(code.to_ascii_lowercase().into()))
    }

    /// Without what means nothing.
    pub fn expose(&self) -> &str {
        let (Self::Digits(code) | Self::Recovery(code)) = self;
        code.expose_secret()
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be six digits, or a recovery code"))
    }
}

/// White space, hyphens and dashes, and what came along unseen when a code was copied.
fn means_nothing(letter: char) -> bool {
    let is_dash = matches!(letter, '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}');
    letter.is_whitespace() || is_dash || is_hidden(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        Code::parse(text).map(|code| code.expose().to_owned())
    }

    #[test]
    fn white_space_and_hyphens_in_a_code_mean_nothing() {
        for text in [
            "123456",
            "123 456",
            "123456 ",
            " 123456\n",
            "\t123-456",
            "1 2 3 4 5 6",
            "12 34 56",
            "123\u{a0}456",
            "123\u{202f}456",
            "123\u{2009}456",
            "123\u{2011}456",
            "123\u{2013}456",
            "\u{200e}123456\u{200b}",
            "\u{feff}123456",
        ] {
            assert!(matches!(Code::parse(text), Some(Code::Digits(_))), "{text:?}");
            assert_eq!(read(text).as_deref(), Some("123456"), "{text:?}");
        }
        for text in ["abcde-23456", "ABCDE-23456", "abcde23456", " Abcde 23456 ", "abc de2 345 6", "abcde\u{2010}23456"]
        {
            assert!(matches!(Code::parse(text), Some(Code::Recovery(_))), "{text:?}");
            assert_eq!(read(text).as_deref(), Some("abcde23456"), "{text:?}");
        }
        for text in ["abcd-efgh-2345-6789", "ABCD EFGH 2345 6789", "abcdefgh23456789", "1234-5678-1234-5678"] {
            assert!(matches!(Code::parse(text), Some(Code::Recovery(_))), "{text:?}");
        }
    }

    #[test]
    fn what_no_code_is_is_no_guess() {
        for text in [
            "",
            " ",
            "------",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "abcde-2345",
            "abcde-23456-7",
            "abcdé-23456",
            "123.456",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(read(&format!("123456{}", " ".repeat(35))), None, "too long");
    }
}
