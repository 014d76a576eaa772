//! What a use of a model took, by kind.

/// Tokens sent and received, and which of them have a price of their own.
///
/// As the providers count: what was read from a cache or written to one, audio and images are among the tokens sent;
/// reasoning, audio and images among those received. [`TokenCounts::contradiction`] says when they are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Sent, of every kind.
    pub prompt: u64,
    /// Received, of every kind.
    pub completion: u64,
    /// Sent, and read from the provider's cache.
    pub cached: u64,
    /// Sent, and written to the provider's cache.
    pub cache_write: u64,
    /// Sent as audio.
    pub prompt_audio: u64,
    /// Sent as images.
    pub prompt_image: u64,
    /// Received, and not shown: the model's reasoning.
    pub reasoning: u64,
    /// Received as audio.
    pub completion_audio: u64,
    /// Received as images.
    pub completion_image: u64,
    /// Images made, whole ones.
    pub images: u64,
}

impl TokenCounts {
    /// Text alone.
    pub fn text(prompt: u64, completion: u64) -> Self {
        Self { prompt, completion, ..Self::default() }
    }

    /// Sent and received.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }

    /// The first part that is more than its whole leaves room for: its field in JSON, and what it must be.
    pub fn contradiction(&self) -> Option<(&'static str, String)> {
        let sent = [
            // The cache is one way to look at what was sent, its form another: audio may be cached.
            &[("cachedTokens", self.cached), ("cacheWriteTokens", self.cache_write)][..],
            &[("promptAudioTokens", self.prompt_audio), ("promptImageTokens", self.prompt_image)],
        ];
        let received = [&[
            ("reasoningTokens", self.reasoning),
            ("completionAudioTokens", self.completion_audio),
            ("completionImageTokens", self.completion_image),
        ][..]];
        let sent = sent.into_iter().find_map(|parts| beyond("promptTokens", self.prompt, parts));
        sent.or_else(|| received.into_iter().find_map(|parts| beyond("completionTokens", self.completion, parts)))
    }
}

fn beyond(whole: &str, tokens: u64, parts: &[(&'static str, u64)]) -> Option<(&'static str, String)> {
    let mut left = tokens;
    for (field, part) in parts {
        match left.checked_sub(*part) {
            Some(rest) => left = rest,
            None if left == tokens => {
                return Some((field, format!("is a part of {whole}, so it must be at most {tokens}")));
            }
            None => {
                let others = tokens - left;
                let message = format!(
                    "is a part of {whole}, which is {tokens}, of which {others} are told of already: it must be at most {left}"
                );
                return Some((field, message));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_never_more_than_its_whole() {
        let whole = TokenCounts::text(100, 50);
        let field = |counts: TokenCounts| counts.contradiction().map(|(field, _)| field);
        for fits in [
            whole,
            TokenCounts { cached: 100, prompt_audio: 60, prompt_image: 40, reasoning: 50, ..whole },
            TokenCounts { cached: 60, cache_write: 40, completion_audio: 25, completion_image: 25, ..whole },
            TokenCounts { images: 3, ..TokenCounts::default() },
        ] {
            assert_eq!(field(fits), None, "{fits:?}");
        }
        for (counts, named) in [
            (TokenCounts { cached: 101, ..whole }, "cachedTokens"),
            (TokenCounts { cached: 60, cache_write: 41, ..whole }, "cacheWriteTokens"),
            (TokenCounts { prompt_audio: u64::MAX, ..whole }, "promptAudioTokens"),
            (TokenCounts { prompt_audio: 60, prompt_image: 41, ..whole }, "promptImageTokens"),
            (TokenCounts { reasoning: 51, ..whole }, "reasoningTokens"),
            (TokenCounts { reasoning: 50, completion_audio: 1, ..whole }, "completionAudioTokens"),
            (TokenCounts { completion_image: 51, ..whole }, "completionImageTokens"),
        ] {
            assert_eq!(field(counts), Some(named), "{counts:?}");
        }
    }
}
