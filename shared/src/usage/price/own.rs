//! `model_prices`: prices that an operator sets, for everybody or for one account, in force without a deploy.
//!
//! A document is written by `cargo db price`, or by hand: `model`, `from` (a date), `input` and `output` in dollars for
//! a million tokens; if there are others `cached`, `cacheWrite`, `promptAudio`, `promptImage`, `reasoning`,
//! `completionAudio`, `completionImage` likewise, and `image` in dollars for one; `provider` when it holds at one
//! alone, `userId` when it holds for one account alone.

use std::collections::BTreeMap;

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};

use super::{
    name,
    rates::{KINDS, Kind, Rate, Rates},
};
use crate::{
    clock::Moment,
    id,
    mongo::{self, Mongo, WORK_TIMEOUT},
};

/// Prices that are read: every environment that prices holds all of them.
const MOST: usize = 1_000;
const COLLECTION: &str = "model_prices";

/// A price that an operator set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OwnPrice {
    /// For this account alone.
    pub user_id: Option<String>,
    /// At this provider alone.
    pub provider: Option<String>,
    /// The model.
    pub model: String,
    /// From when on.
    pub from: Moment,
    /// The prices.
    pub rates: Rates,
}

/// All of them, by the keys under which they are looked up.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct OwnPrices {
    prices: BTreeMap<String, Vec<OwnPrice>>,
}

impl OwnPrices {
    pub(super) fn new(prices: Vec<OwnPrice>) -> Self {
        let mut by_key = BTreeMap::<_, Vec<OwnPrice>>::new();
        for price in prices {
            by_key.entry(price.key()).or_default().push(price);
        }
        Self { prices: by_key }
    }

    /// The account's price under a key, or else everybody's.
    pub(super) fn under(&self, key: &str, user_id: &str, at: Moment) -> Option<&OwnPrice> {
        let counts =
            |price: &&OwnPrice| price.from <= at && price.user_id.as_deref().is_none_or(|owner| owner == user_id);
        self.prices.get(key)?.iter().filter(counts).max_by_key(|price| (price.user_id.is_some(), price.from))
    }
}

impl OwnPrice {
    fn key(&self) -> String {
        let model = name::normal(&self.model);
        match &self.provider {
            Some(provider) => format!("{}/{model}", name::host(provider)),
            None => model,
        }
    }

    /// As a document; the same price set again replaces itself.
    fn document(&self) -> Document {
        let owner = self.user_id.as_deref().unwrap_or_default();
        let mut document = doc! {
            "_id": format!("{owner}/{}/{}", self.key(), self.from),
            "model": &self.model, "from": self.from,
            "input": dollars(&self.rates.input.dollars_a_million()), "output": dollars(&self.rates.output.dollars_a_million()),
        };
        if let Some(provider) = &self.provider {
            document.insert("provider", provider);
        }
        if let Some(user_id) = &self.user_id {
            document.insert("userId", user_id);
        }
        for (kind, field) in KINDS {
            if let Some(rate) = self.rates.own[kind as usize] {
                let price = if kind == Kind::Image { rate.dollars_each() } else { rate.dollars_a_million() };
                document.insert(field, dollars(&price));
            }
        }
        document
    }

    /// What a document says; an error says what is odd about it.
    fn read(document: &Document) -> Result<Self, String> {
        let text = |field: &str| match document.get(field) {
            None | Some(Bson::Null) => Ok(None),
            Some(Bson::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(format!("{field} is not a text")),
        };
        let mut rates = Rates::text(
            price(document, "input", Rate::a_million)?.ok_or("input is missing")?,
            price(document, "output", Rate::a_million)?.ok_or("output is missing")?,
        );
        for (kind, field) in KINDS {
            rates.own[kind as usize] =
                price(document, field, if kind == Kind::Image { Rate::each } else { Rate::a_million })?;
        }
        Ok(Self {
            user_id: text("userId")?,
            provider: text("provider")?,
            model: text("model")?.ok_or("model is missing")?,
            from: document.get_datetime("from").copied().map_err(|_| "from is not a date")?.into(),
            rates,
        })
    }
}

fn price(document: &Document, field: &str, rate: fn(f64) -> Option<Rate>) -> Result<Option<Rate>, String> {
    let dollars = match document.get(field) {
        None | Some(Bson::Null) => return Ok(None),
        Some(Bson::Double(number)) => Some(*number),
        Some(Bson::Int32(number)) => Some(f64::from(*number)),
        // Written by hand: a price, so a small number.
        #[expect(clippy::cast_precision_loss, reason = "a number of dollars")]
        Some(Bson::Int64(number)) => Some(*number as f64),
        Some(Bson::Decimal128(number)) => number.to_string().parse().ok(),
        Some(_) => None,
    };
    dollars.and_then(rate).map(Some).ok_or_else(|| format!("{field} is not a price in dollars"))
}

fn dollars(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

/// The operator's prices. Odd documents are named in the log and left out.
pub(super) async fn read(database: &Database) -> mongodb::error::Result<OwnPrices> {
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let prices = database.collection::<RawDocumentBuf>(COLLECTION);
    let found = prices.find(doc! {}).sort(doc! {"_id": 1}).limit(most + 1).await?;
    let documents: Vec<RawDocumentBuf> = found.try_collect().await?;
    if documents.len() > MOST {
        tracing::error!(most, "there are more documents in model_prices: the others do not count");
    }
    Ok(OwnPrices::new(documents.iter().take(MOST).filter_map(sound).collect()))
}

fn sound(document: &RawDocumentBuf) -> Option<OwnPrice> {
    let read = Document::try_from(document).map_err(|error| error.to_string());
    let price = read.and_then(|document| OwnPrice::read(&document));
    price.inspect_err(|reason| mongo::note_odd(COLLECTION, document, reason)).ok()
}

/// Sets a price: in force in every environment within six minutes.
pub async fn set_price(mongo: &Mongo, price: &OwnPrice) -> Result<(), mongo::Error> {
    let document = price.document();
    let by_id = doc! {"_id": document.get("_id").cloned().unwrap_or_else(|| id::new().into())};
    let put = async |database: Database| {
        database.collection::<Document>(COLLECTION).replace_one(by_id, document).upsert(true).await
    };
    mongo.run(WORK_TIMEOUT, put).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    fn document() -> Document {
        doc! {"_id": 1, "model": "Own-Model", "from": at("2026-11-01T00:00:00Z"), "input": 0.15, "output": 1_i32}
    }

    #[test]
    fn a_document_is_a_price_or_is_said_to_be_odd() {
        let price = OwnPrice::read(&document()).expect("a price");
        assert_eq!((price.key().as_str(), price.rates.output.dollars_a_million().as_str()), ("own-model", "1"));
        for (field, value, reason) in [
            ("input", Bson::Null, "input is missing"),
            ("input", Bson::Double(-1.0), "input is not a price in dollars"),
            ("output", Bson::String("1".into()), "output is not a price in dollars"),
            ("cached", Bson::Double(f64::NAN), "cached is not a price in dollars"),
            ("model", Bson::String(" ".into()), "model is not a text"),
            ("model", Bson::Null, "model is missing"),
            ("from", Bson::String("2026-11-01".into()), "from is not a date"),
            ("userId", Bson::Int32(1), "userId is not a text"),
        ] {
            let mut odd = document();
            odd.insert(field, value);
            assert_eq!(OwnPrice::read(&odd), Err(reason.to_owned()));
            assert!(sound(&RawDocumentBuf::try_from(&odd).expect("raw")).is_none());
        }
    }

    #[test]
    fn a_price_is_the_same_when_it_is_read_again() {
        let mut price = OwnPrice::read(&document()).expect("a price");
        (price.user_id, price.provider) = (Some("ada".into()), Some("Own Host".into()));
        price.rates.own[Kind::Cached as usize] = Rate::a_million(0.0);
        price.rates.own[Kind::Image as usize] = Rate::each(0.04);
        assert_eq!(OwnPrice::read(&price.document()), Ok(price.clone()));
        assert_eq!(price.document().get_str("_id").ok(), Some("ada/own-host/own-model/2026-11-01T00:00:00.000Z"));
        let text = serde_json::to_string(&OwnPrices::new(vec![price.clone()])).expect("JSON");
        assert_eq!(
            serde_json::from_str::<OwnPrices>(&text).expect("prices").under("own-host/own-model", "ada", price.from),
            Some(&price)
        );
    }

    #[test]
    fn an_accounts_price_comes_before_everybodys_and_a_later_one_before_an_earlier() {
        let price = |user_id: Option<&str>, from: &str, dollars: f64| OwnPrice {
            user_id: user_id.map(str::to_owned),
            provider: None,
            model: "m".into(),
            from: at(from),
            rates: Rates::text(Rate::a_million(dollars).expect("a price"), Rate::default()),
        };
        let prices = OwnPrices::new(vec![
            price(None, "2026-11-01T00:00:00Z", 1.0),
            price(None, "2026-11-10T00:00:00Z", 2.0),
            price(Some("ada"), "2026-11-05T00:00:00Z", 0.0),
        ]);
        let input =
            |user: &str, day: &str| prices.under("m", user, at(day)).map(|price| price.rates.input.dollars_a_million());
        assert_eq!(input("eve", "2026-10-31T23:59:59Z"), None);
        assert_eq!(input("eve", "2026-11-09T00:00:00Z").as_deref(), Some("1"));
        assert_eq!(input("eve", "2026-11-10T00:00:00Z").as_deref(), Some("2"));
        assert_eq!(input("ada", "2026-11-10T00:00:00Z").as_deref(), Some("0"));
        assert_eq!(input("ada", "2026-11-04T00:00:00Z").as_deref(), Some("1"));
    }
}
