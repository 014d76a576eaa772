//! Names of providers, keys and models: of which letters they are. They reach subjects and texts of mails, where a line
//! break, a foreign letter that looks like another, or a sentence does harm.

/// In the one form in which a name is kept and compared: no space around it, hyphens for spaces in it, lower case.
pub fn normal(name: &str) -> String {
    name.trim().split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
}

/// A rule for [`garde`], for a provider or a key: letters, digits and `. _ / -` of ASCII, at least one, when [`normal`].
pub fn provider(name: &str, (): &()) -> garde::Result {
    rule(name, is_provider, "must be of the letters a to z, digits, and . _ / -")
}

/// As [`provider`], for a model: Bedrock, Vertex AI and Ollama have `:` and `@` in their names, too.
pub fn model(name: &str, (): &()) -> garde::Result {
    rule(name, is_model, "must be of the letters a to z, digits, and . _ / : @ -")
}

/// Whether a text may be shown as the name of a provider or a key.
pub fn is_provider(name: &str) -> bool {
    is_of(name, b"._/-")
}

/// Whether a text may be shown as the name of a model.
pub fn is_model(name: &str) -> bool {
    is_of(name, b"._/:@-")
}

fn is_of(name: &str, signs: &[u8]) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte))
}

fn rule(name: &str, is_good: fn(&str) -> bool, message: &str) -> garde::Result {
    match normal(name).as_str() {
        "" => Err(garde::Error::new("must not be blank")),
        name if is_good(name) => Ok(()),
        _ => Err(garde::Error::new(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_providers_and_gateways_give_them_are_taken_in_one_form() {
        for (name, is) in
            [("OpenAI ", "openai"), ("Azure  OpenAI", "azure-openai"), ("x.ai", "x.ai"), ("a_b/c-9", "a_b/c-9")]
        {
            assert!(provider(name, &()).is_ok() && model(name, &()).is_ok(), "{name}");
            assert_eq!(normal(name), is);
        }
        for name in ["us.anthropic.claude-3-5-sonnet-20241022-v2:0", "llama3:8b", "claude-3-5-sonnet@20240620"] {
            assert!(model(name, &()).is_ok() && provider(name, &()).is_err(), "{name}");
        }
    }

    #[test]
    fn what_could_be_a_sentence_a_link_or_another_header_is_refused() {
        for name in [
            "",
            " \u{a0}",
            "https://evil.example/x",
            "a\r\nBcc: b@example.com",
            "a\tb",
            "a b\u{202e}c",
            "o\u{200b}penai",
            "оpenai",
            "öpenai",
            "a?b=c",
            "a&b",
            "<b>",
            "a,b",
            "a\0b",
            "😀",
        ] {
            assert!(provider(name, &()).is_err(), "{name:?}");
            assert!(name.starts_with("https:") || model(name, &()).is_err(), "{name:?}");
        }
    }
}
