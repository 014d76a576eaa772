//! What each kind of token costs.

use serde::{Deserialize, Serialize};

use super::super::{cost::Cost, tokens::TokenCounts};

/// Pico-dollars in a dollar.
const PICOS_A_DOLLAR: f64 = 1e12;
/// Dollars for one, an image for example: no price is above.
const MAX_EACH: f64 = 100.0;
/// Dollars for a million tokens: no price is above. The dearest known one is 600.
pub const MAX_A_MILLION: f64 = 10_000.0;

/// A price, in pico-dollars a token or an image: whole numbers, so that costs add up exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rate(u64);

impl Rate {
    /// Dollars for one. `None` for what is no price: less than nothing, or beyond every price there is.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10¹³")]
    pub fn each(dollars: f64) -> Option<Self> {
        (0.0..=MAX_EACH).contains(&dollars).then(|| Self((dollars * PICOS_A_DOLLAR).round() as u64))
    }

    /// As prices of tokens are told: dollars for a million.
    pub fn a_million(dollars: f64) -> Option<Self> {
        (0.0..=MAX_A_MILLION).contains(&dollars).then(|| Self::each(dollars / 1e6))?
    }

    /// Dollars for a million, without needless digits.
    pub fn dollars_a_million(self) -> String {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Dollars for one, without needless digits.
    pub fn dollars_each(self) -> String {
        let text = format!("{}.{:012}", self.0 / 1_000_000_000_000, self.0 % 1_000_000_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    fn of(self, tokens: u64) -> Cost {
        Cost::from_picos(u128::from(self.0) * u128::from(tokens))
    }
}

/// The prices of a model. A kind without a price of its own costs what other tokens in its direction do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rates {
    /// Tokens sent.
    pub input: Rate,
    /// Tokens received.
    pub output: Rate,
    /// Kinds with a price of their own.
    pub own: [Option<Rate>; KINDS.len()],
    /// Of calls that send more than so many tokens: all their tokens have other prices.
    pub long: Option<(u64, Box<Rates>)>,
}

/// A kind of token that may have a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent, read from a cache.
    Cached,
    /// Sent, written to a cache.
    CacheWrite,
    /// Sent as audio.
    PromptAudio,
    /// Sent as images.
    PromptImage,
    /// Received as reasoning.
    Reasoning,
    /// Received as audio.
    CompletionAudio,
    /// Received as images.
    CompletionImage,
    /// A whole image, made. Nothing where no price is named.
    Image,
}

/// Every kind, with its name in the list and in `model_prices`.
pub const KINDS: [(Kind, &str); 8] = [
    (Kind::Cached, "cached"),
    (Kind::CacheWrite, "cacheWrite"),
    (Kind::PromptAudio, "promptAudio"),
    (Kind::PromptImage, "promptImage"),
    (Kind::Reasoning, "reasoning"),
    (Kind::CompletionAudio, "completionAudio"),
    (Kind::CompletionImage, "completionImage"),
    (Kind::Image, "image"),
];

impl Rates {
    /// Text alone.
    pub fn text(input: Rate, output: Rate) -> Self {
        Self { input, output, ..Self::default() }
    }

    /// What a use costs, exactly.
    pub fn cost(&self, tokens: &TokenCounts) -> Cost {
        match &self.long {
            Some((above, rates)) if tokens.prompt > *above => rates.cost(tokens),
            _ => self.sent(tokens) + self.received(tokens) + self.of(Kind::Image, Rate(0)).of(tokens.images),
        }
    }

    fn sent(&self, tokens: &TokenCounts) -> Cost {
        let mut parts = Parts { left: tokens.prompt, cost: Cost::ZERO };
        parts.take(tokens.cached, self.of(Kind::Cached, self.input));
        parts.take(tokens.cache_write, self.of(Kind::CacheWrite, self.input));
        parts.take(tokens.prompt_audio, self.of(Kind::PromptAudio, self.input));
        parts.take(tokens.prompt_image, self.of(Kind::PromptImage, self.input));
        parts.rest(self.input)
    }

    fn received(&self, tokens: &TokenCounts) -> Cost {
        let mut parts = Parts { left: tokens.completion, cost: Cost::ZERO };
        parts.take(tokens.reasoning, self.of(Kind::Reasoning, self.output));
        parts.take(tokens.completion_audio, self.of(Kind::CompletionAudio, self.output));
        parts.take(tokens.completion_image, self.of(Kind::CompletionImage, self.output));
        parts.rest(self.output)
    }

    fn of(&self, kind: Kind, otherwise: Rate) -> Rate {
        self.own[kind as usize].unwrap_or(otherwise)
    }
}

/// Tokens that are charged part by part, each once: cached audio is charged as cached.
struct Parts {
    left: u64,
    cost: Cost,
}

impl Parts {
    fn take(&mut self, tokens: u64, rate: Rate) {
        let taken = tokens.min(self.left);
        self.left -= taken;
        self.cost = self.cost + rate.of(taken);
    }

    fn rest(mut self, rate: Rate) -> Cost {
        self.take(self.left, rate);
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(dollars: &str) -> Rate {
        Rate::a_million(dollars.parse().expect("a number")).expect("a price")
    }

    #[test]
    fn a_price_is_dollars_a_million_tokens() {
        for text in ["0", "2.5", "0.15", "600", "0.00013", "0.0375"] {
            assert_eq!(rate(text).dollars_a_million(), text);
        }
        for odd in [-1.0, f64::NAN, f64::INFINITY, 10_001.0] {
            assert_eq!(Rate::a_million(odd), None, "{odd}");
        }
        assert_eq!(Rate::each(101.0), None);
        assert_eq!(Rate::each(0.04).map(Rate::dollars_a_million), Some("40000".into()), "an image");
        assert_eq!(rate("0.15").of(3), Cost::from_picos(450_000));
    }

    #[test]
    fn each_kind_has_its_price_and_each_token_is_charged_once() {
        let mut rates = Rates::text(rate("3"), rate("15"));
        rates.own[Kind::Cached as usize] = Some(rate("0.3"));
        rates.own[Kind::CacheWrite as usize] = Some(rate("3.75"));
        let micros = |tokens: &TokenCounts| rates.cost(tokens).rounded_micros();
        let whole = TokenCounts::text(1_000, 100);
        assert_eq!(micros(&whole), 4_500);
        assert_eq!(micros(&TokenCounts { cached: 400, ..whole }), 600 * 3 + 120 + 1_500);
        assert_eq!(micros(&TokenCounts { cached: 400, cache_write: 600, ..whole }), 120 + 2_250 + 1_500);
        assert_eq!(micros(&TokenCounts { reasoning: 90, prompt_audio: 5, ..whole }), 4_500, "no price of their own");
        assert_eq!(micros(&TokenCounts { cached: 1_000, prompt_audio: 1_000, ..whole }), 300 + 1_500, "cached audio");
        assert_eq!(micros(&TokenCounts { images: 2, ..whole }), 4_500);
    }

    #[test]
    fn a_long_prompt_has_prices_of_its_own() {
        let mut rates = Rates::text(rate("1"), rate("2"));
        rates.long = Some((200_000, Box::new(Rates::text(rate("10"), rate("20")))));
        assert_eq!(rates.cost(&TokenCounts::text(200_000, 1)).rounded_micros(), 200_002);
        assert_eq!(rates.cost(&TokenCounts::text(200_001, 1)).rounded_micros(), 2_000_030);
    }

    #[test]
    fn kinds_are_in_the_order_of_their_places() {
        for (place, (kind, _)) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
