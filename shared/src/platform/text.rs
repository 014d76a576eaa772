//! Text that people give: in which form it is read, compared and allowed. Every body, query, path and content file is read
//! by this.

use serde_json::Value;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Joins letters of Indic and Persian words, and the parts of an emoji.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// In Unicode's normal form C: `é` is one text, whether a keyboard sends it as one character or as two.
pub fn nfc(text: &str) -> String {
    if is_normal(text) { text.to_owned() } else { text.nfc().collect() }
}

/// As [`nfc`], taken apart instead of put together: as some keyboards send it.
pub fn nfd(text: &str) -> String {
    text.nfd().collect()
}

/// Most text is ASCII, which has one form.
fn is_normal(text: &str) -> bool {
    text.is_ascii() || is_nfc(text)
}

/// In Latin letters, digits and signs of ASCII, as near as that comes: `résumé` is `resume`.
pub fn in_ascii(text: &str) -> String {
    deunicode::deunicode(text)
}

/// Every text in `value`, and every name of a field, in normal form C. Tells whether any of it was not.
pub fn normalise(value: &mut Value) -> bool {
    match value {
        Value::String(text) if !is_normal(text) => {
            *text = nfc(text);
            true
        }
        // All of them, also after the first that was not.
        Value::Array(items) => items.iter_mut().map(normalise).filter(|changed| *changed).count() > 0,
        Value::Object(fields) => {
            let mut changed = fields.values_mut().map(normalise).filter(|changed| *changed).count() > 0;
            if fields.keys().any(|name| !is_normal(name)) {
                *fields = std::mem::take(fields).into_iter().map(|(name, field)| (nfc(&name), field)).collect();
                changed = true;
            }
            changed
        }
        _ => false,
    }
}

/// As texts are compared where case means nothing: normal form C, lower case, no space around.
pub fn folded(text: &str) -> String {
    nfc(&nfc(text.trim()).to_lowercase())
}

/// A rule for [`garde`], for text of many lines: refuses control characters, which no screen shows, but for line breaks
/// and tabs.
pub fn plain(text: &(impl AsRef<str> + ?Sized), _: &()) -> garde::Result {
    let hidden = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if text.as_ref().contains(hidden) {
        return Err(garde::Error::new("must not hold control characters other than line breaks and tabs"));
    }
    Ok(())
}

/// A rule for [`garde`], for a name, a title or a tag: something that can be seen, in one line, and nothing hidden in it.
pub fn line(text: &(impl AsRef<str> + ?Sized), _: &()) -> garde::Result {
    let text = text.as_ref();
    if text.contains(is_hidden) {
        return Err(garde::Error::new("must be one line, without invisible or direction characters"));
    }
    if !text.is_empty() && text.chars().all(|letter| letter.is_whitespace() || JOINERS.contains(&letter)) {
        return Err(garde::Error::new("must not be blank"));
    }
    Ok(())
}

/// What no screen shows, or what turns the direction of what follows.
pub fn is_hidden(letter: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Unassigned};
    let category = letter.general_category();
    // A filler letter of Hangul, and an empty braille cell, are blank without being white space.
    let is_blank = matches!(letter, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}');
    let is_of_hidden =
        matches!(category, Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned);
    is_blank || (is_of_hidden && !JOINERS.contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn markup_and_every_script_pass_and_control_characters_do_not() {
        for text in ["<script>alert(1)</script> Vec<String>\n\tx\r\n", "日本語 🏳️‍🌈 \u{202e}rtl", ""] {
            assert!(plain(text, &()).is_ok(), "{text}");
        }
        for text in ["\0", "a\u{8}b", "\u{7f}", "\u{85}"] {
            assert!(plain(text, &()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_line_is_seen_whole() {
        for text in ["Vec<String> & me", "日本語", "🏳️‍🌈 👩‍💻", "می‌خواهم", "श्री‍", "עברית", "résumé", ""]
        {
            assert!(line(text, &()).is_ok(), "{text}");
        }
        for text in [
            "a\nb",
            "a\tb",
            " ",
            "\u{a0}",
            "\u{3000}",
            "\u{200b}",
            "a\u{200b}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{e0041}",
            "\u{2028}",
            "\u{200d}",
            "\u{3164}",
            "\u{e000}",
            "a\u{61c}b",
            "a\u{180e}b",
        ] {
            assert!(line(text, &()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_text_has_one_form() {
        assert_eq!(nfc("Cafe\u{301}"), "Caf\u{e9}");
        assert_eq!(nfc("\u{1112}\u{1161}\u{11ab}"), "한");
        assert_eq!(folded(" CAFE\u{301} "), folded("caf\u{e9}"));
        assert_ne!(nfc("ﬁ"), "fi", "what looks alike is not the same");
        let mut value = json!({"cafe\u{301}": ["e\u{301}", 1, {"a": "e\u{301}"}]});
        assert!(normalise(&mut value) && !normalise(&mut value.clone()));
        assert_eq!(value, json!({"caf\u{e9}": ["\u{e9}", 1, {"a": "\u{e9}"}]}));
    }
}
