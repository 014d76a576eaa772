//! Text that people write: kept letter by letter, so checked instead of changed.

/// A rule for [`garde`]: refuses control characters, which no screen shows, but for line breaks and tabs.
pub fn plain(text: &(impl AsRef<str> + ?Sized), _: &()) -> garde::Result {
    let hidden = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if text.as_ref().contains(hidden) {
        return Err(garde::Error::new("must not hold control characters other than line breaks and tabs"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_every_script_pass_and_control_characters_do_not() {
        for text in ["<script>alert(1)</script> Vec<String>\n\tx\r\n", "日本語 🏳️‍🌈 \u{202e}rtl", ""] {
            assert!(plain(text, &()).is_ok(), "{text}");
        }
        for text in ["\0", "a\u{8}b", "\u{7f}", "\u{85}"] {
            assert!(plain(text, &()).is_err(), "{text:?}");
        }
    }
}
