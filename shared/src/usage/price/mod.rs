//! What a use of a model costs: one answer, for records, reports, alerts and limits alike.
//!
//! A model is looked up under each of its names, the most particular first: under each in the account's own prices,
//! then in the operator's, then in the list that comes with the functions.

mod list;
pub mod name;
mod own;
mod rates;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use jiff::tz::TimeZone;
use mongodb::Database;

pub use self::{
    list::{Listed, PriceList, TEXT},
    own::{OwnPrice, set_price},
    rates::{KINDS, Kind, MAX_A_MILLION, Rate, Rates},
};

use self::own::OwnPrices;
use super::{cost::Cost, tokens::TokenCounts};
use crate::{
    cache::{Cache, Lookup},
    clock::Moment,
    mongo::Mongo,
};

/// The longest that a caller waits for the operator's prices: records are taken without them, too.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the database is left alone when it did not answer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// All of them are one record of the cache.
const ALL: &str = "all";

/// Where prices come from.
pub struct Prices {
    mongo: Mongo,
    cached: Lookup<OwnPrices>,
    last: Mutex<Last>,
}

/// What the database last said.
#[derive(Default)]
struct Last {
    prices: Arc<OwnPrices>,
    paused_until: Option<SystemTime>,
}

/// The prices as they are now.
#[derive(Clone, Default)]
pub struct PriceBook(Arc<OwnPrices>);

/// The price of a model.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The model as it is known.
    pub model: &'a str,
    /// Its prices.
    pub rates: &'a Rates,
}

impl Prices {
    /// Reads the operator's prices with `mongo`, seldom: they are kept in `cache`.
    pub fn new(mongo: Mongo, cache: Cache) -> Self {
        Self { mongo, cached: Lookup::new("model-prices", cache), last: Mutex::default() }
    }

    /// The prices now. Never fails: while the database is away, the operator's last known ones count, if any are.
    pub async fn current(&self) -> PriceBook {
        let paused = self.last(|last| last.paused_until.is_some_and(|until| SystemTime::now() < until));
        if paused {
            return PriceBook(self.last(|last| Arc::clone(&last.prices)));
        }
        let read = async |database: Database| own::read(&database).await;
        let prices = self.cached.get(ALL, async || self.mongo.run(READ_TIMEOUT, read).await.map(Some)).await;
        self.last(|last| match prices {
            Ok(prices) => *last = Last { prices: prices.unwrap_or_default(), paused_until: None },
            Err(error) => {
                tracing::warn!(%error, "the operator's prices could not be read: the last known ones count");
                last.paused_until = Some(SystemTime::now() + PAUSE_AFTER_FAILURE);
            }
        });
        PriceBook(self.last(|last| Arc::clone(&last.prices)))
    }

    fn last<T>(&self, work: impl FnOnce(&mut Last) -> T) -> T {
        work(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PriceBook {
    /// What a use costs an account; `None` for a model without a price.
    pub fn cost(&self, user_id: &str, provider: &str, model: &str, tokens: &TokenCounts, at: Moment) -> Option<Cost> {
        self.find(user_id, provider, model, at).map(|found| found.rates.cost(tokens))
    }

    /// The price of a model for an account, under the most particular of its names.
    pub fn find(&self, user_id: &str, provider: &str, model: &str, at: Moment) -> Option<Found<'_>> {
        let day = TimeZone::UTC.to_datetime(*at).date();
        let names = name::names(provider, model);
        names.keys.iter().find_map(|key| {
            let own = self.0.under(key, user_id, at).map(|own| Found { model: &own.model, rates: &own.rates });
            own.or_else(|| {
                let listed = PriceList::current().under(key, &names, day)?;
                Some(Found { model: listed.model(), rates: &listed.rates })
            })
        })
    }
}

/// What a use costs by the list alone, to the nearest micro-dollar; `None` for a model that has no price there.
pub fn cost_micros(model: &str, prompt_tokens: u64, completion_tokens: u64, at: Moment) -> Option<u64> {
    list_cost("", model, &TokenCounts::text(prompt_tokens, completion_tokens), at).map(Cost::rounded_micros)
}

/// What a use costs by the list alone.
pub fn list_cost(provider: &str, model: &str, tokens: &TokenCounts, at: Moment) -> Option<Cost> {
    PriceBook::default().cost("", provider, model, tokens, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        "2026-11-28T00:00:00Z".parse().expect("valid")
    }

    fn book(own: Vec<OwnPrice>) -> PriceBook {
        PriceBook(Arc::new(OwnPrices::new(own)))
    }

    fn own(user_id: Option<&str>, provider: Option<&str>, model: &str, dollars: f64) -> OwnPrice {
        let rate = Rate::a_million(dollars).expect("a price");
        OwnPrice {
            user_id: user_id.map(str::to_owned),
            provider: provider.map(str::to_owned),
            model: model.into(),
            from: "2026-11-01T00:00:00Z".parse().expect("valid"),
            rates: Rates::text(rate, rate),
        }
    }

    #[test]
    fn a_cost_is_exact_and_an_unknown_model_has_none() {
        let micros = |model: &str, sent, received| cost_micros(model, sent, received, now());
        assert_eq!(micros("gpt-4o", 1000, 1000), Some(12_500));
        assert_eq!(micros("gpt-4o-mini", 1, 0), Some(0), "0.15 of a micro-dollar");
        assert_eq!(micros("gpt-4o-mini", 1, 1), Some(1), "0.75 rounds up");
        assert_eq!(micros("gemini-exp-1206", 9, 9), Some(0), "free is a price");
        assert_eq!(micros("unheard-of", 9, 9), None);
        let small = TokenCounts::text(3, 0);
        assert_eq!(list_cost("openai", "gpt-4o-mini", &small, now()), Some(Cost::from_picos(450_000)));
    }

    #[test]
    fn an_operator_prices_what_is_unknown_and_what_is_known_anew() {
        let book = book(vec![
            own(None, None, "Own Model", 0.0),
            own(None, None, "gpt-4o", 7.0),
            own(None, Some("Our-GPUs"), "llama-3.1-8b", 0.5),
            own(Some("ada"), None, "adas-model", 1.0),
        ]);
        let input = |user: &str, provider: &str, model: &str| {
            book.find(user, provider, model, now()).map(|found| found.rates.input.dollars_a_million())
        };
        for provider in ["p", "vllm", "self-hosted"] {
            assert_eq!(input("eve", provider, "own-model").as_deref(), Some("0"));
        }
        assert_eq!(input("eve", "vllm", "gpt-4o-mini"), None, "not at what its maker asks elsewhere");
        assert_eq!(input("eve", "openai", "gpt-4o-2024-11-20").as_deref(), Some("7"));
        assert_eq!(input("eve", "openai", "gpt-4o-2024-05-13").as_deref(), Some("5"), "a model of its own");
        assert_eq!(input("eve", "our_gpus", "llama-3.1-8b").as_deref(), Some("0.5"));
        assert_eq!(input("ada", "p", "adas-model").as_deref(), Some("1"));
        assert_eq!(input("eve", "p", "adas-model"), None);
    }

    #[tokio::test]
    async fn without_the_database_the_list_counts_at_once() {
        let settings = crate::mongo::MongoSettings::new("mongodb://127.0.0.1:1", "test");
        let prices = Prices::new(Mongo::new(settings, crate::mongo::Lifetime::FromFirstUse), Cache::in_process());
        for _ in 0..2 {
            assert!(prices.current().await.find("u", "openai", "gpt-4o", now()).is_some());
        }
        let started = std::time::Instant::now();
        prices.current().await;
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    }
}
