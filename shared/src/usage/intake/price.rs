//! What tokens cost, in micro-dollars, by model and date.

use crate::clock::Moment;

/// Prices of a model from a date on.
struct Price {
    model: &'static str,
    /// First day (UTC) on which they hold.
    since: &'static str,
    /// Micro-dollars per million tokens sent.
    input: u64,
    /// Micro-dollars per million tokens received.
    output: u64,
}

const fn price(model: &'static str, since: &'static str, input: u64, output: u64) -> Price {
    Price { model, since, input, output }
}

/// A changed price is a new line with its date; the old ones stay, for records that come late.
const PRICES: &[Price] = &[
    price("gpt-4o", "2024-10-01", 2_500_000, 10_000_000),
    price("gpt-4o-mini", "2024-07-18", 150_000, 600_000),
    price("o1-preview", "2024-09-12", 15_000_000, 60_000_000),
    price("claude-3-opus", "2024-03-04", 15_000_000, 75_000_000),
    price("claude-3-5-sonnet", "2024-06-20", 3_000_000, 15_000_000),
    price("claude-3-haiku", "2024-03-13", 250_000, 1_250_000),
    price("gemini-2.0-flash-exp", "2024-12-11", 0, 0),
    price("gemini-exp-1206", "2024-12-06", 0, 0),
    price("llama-3.1-70b", "2024-07-23", 590_000, 790_000),
    price("mixtral-8x7b", "2024-01-01", 240_000, 240_000),
];

impl Price {
    /// What this use costs, rounded half up to the micro-dollar.
    fn of(&self, prompt_tokens: u64, completion_tokens: u64) -> u64 {
        let sum = u128::from(prompt_tokens) * u128::from(self.input)
            + u128::from(completion_tokens) * u128::from(self.output);
        u64::try_from((sum + 500_000) / 1_000_000).unwrap_or(u64::MAX)
    }
}

/// What this use cost, rounded half up to the micro-dollar; `None` for a model without a price then: it
/// is counted and flagged, never free in silence.
pub fn cost_micros(model: &str, prompt_tokens: u64, completion_tokens: u64, at: Moment) -> Option<u64> {
    let day = crate::clock::day(at);
    let known = PRICES.iter().filter(|price| price.model == model && price.since <= day.as_str());
    Some(known.max_by_key(|price| price.since)?.of(prompt_tokens, completion_tokens))
}

/// What this use would cost at the dearest price of all.
pub(super) fn dearest_micros(prompt_tokens: u64, completion_tokens: u64) -> u64 {
    PRICES.iter().map(|price| price.of(prompt_tokens, completion_tokens)).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_exact_to_the_micro_dollar_and_an_unknown_model_has_none() {
        let at: Moment = "2026-11-01T00:00:00Z".parse().expect("valid");
        assert_eq!(cost_micros("gpt-4o", 1000, 1000, at), Some(12_500));
        assert_eq!(cost_micros("gpt-4o-mini", 1, 0, at), Some(0), "0.15 of a micro-dollar");
        assert_eq!(cost_micros("gpt-4o-mini", 1, 1, at), Some(1), "0.75 rounds up");
        assert_eq!(cost_micros("gemini-exp-1206", 9, 9, at), Some(0), "free is a price");
        assert_eq!(cost_micros("unheard-of", 9, 9, at), None);
        assert_eq!(cost_micros("gpt-4o", 9, 9, "2024-01-01T00:00:00Z".parse().expect("valid")), None, "not yet");
    }

    #[test]
    fn the_dearest_price_depends_on_what_was_sent_and_what_received() {
        assert_eq!(dearest_micros(1_000_000, 0), 15_000_000);
        assert_eq!(dearest_micros(1_000, 1_000), 90_000, "claude-3-opus");
    }

    #[test]
    fn a_model_has_one_price_a_day() {
        for (index, price) in PRICES.iter().enumerate() {
            assert!(price.since.parse::<jiff::civil::Date>().is_ok(), "{}", price.since);
            let twice = PRICES[..index].iter().any(|other| other.model == price.model && other.since == price.since);
            assert!(!twice, "{}", price.model);
        }
    }
}
