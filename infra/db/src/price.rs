//! A price of the operator's own: `cargo db price`.

use anyhow::{Context, ensure};
use jiff::{civil::Date, tz::TimeZone};
use shared::{
    clock::{self, Moment},
    mongo::Mongo,
    usage::price::{KINDS, Kind, OwnPrice, Rate, Rates, name, set_price},
};

/// What a model costs.
#[derive(Debug, clap::Args)]
pub(crate) struct Price {
    /// The model, by any of its names.
    model: String,
    /// Dollars for a million tokens sent; 0 for what costs nothing.
    #[arg(long)]
    input: f64,
    /// Dollars for a million tokens received.
    #[arg(long)]
    output: f64,
    /// Another kind, `cached=0.1`: dollars for a million tokens, or for one `image`. May be given several times.
    #[arg(long)]
    other: Vec<String>,
    /// At this provider alone.
    #[arg(long)]
    provider: Option<String>,
    /// For the account with this id alone.
    #[arg(long)]
    user: Option<String>,
    /// From this day (UTC); from now when absent.
    #[arg(long)]
    from: Option<Date>,
}

/// Sets the price.
pub(crate) async fn set(mongo: &Mongo, price: Price) -> anyhow::Result<()> {
    let price = price.into_own(clock::now())?;
    set_price(mongo, &price).await?;
    println!("{} costs that from {}, everywhere within six minutes", price.model, price.from);
    Ok(())
}

impl Price {
    fn into_own(self, now: Moment) -> anyhow::Result<OwnPrice> {
        ensure!(!name::normal(&self.model).is_empty(), "a model has a name");
        let from = match self.from {
            Some(day) => TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0))?.into(),
            None => now,
        };
        let price = |dollars| Rate::a_million(dollars).with_context(|| format!("{dollars} is not a price in dollars"));
        let mut rates = Rates::text(price(self.input)?, price(self.output)?);
        for other in &self.other {
            let (kind, dollars) = other.split_once('=').with_context(|| format!("{other} is not kind=dollars"))?;
            let names = || KINDS.map(|(_, name)| name).join(", ");
            let known = KINDS.into_iter().find(|(_, name)| *name == kind);
            let (kind, _) = known.with_context(|| format!("{kind} is none of {}", names()))?;
            let dollars: f64 = dollars.parse().with_context(|| format!("{dollars} is not a number"))?;
            let rate = if kind == Kind::Image { Rate::each(dollars) } else { Rate::a_million(dollars) };
            rates.own[kind as usize] = Some(rate.with_context(|| format!("{other} is not a price in dollars"))?);
        }
        Ok(OwnPrice { user_id: self.user, provider: self.provider, model: self.model, from, rates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_or_said_to_be_odd() {
        let price = |input, other: &[&str]| {
            let other = other.iter().map(|other| (*other).to_owned()).collect();
            Price { model: "m".into(), input, output: 1.0, other, provider: None, user: None, from: None }
                .into_own(Moment::default())
        };
        let sound = price(0.0, &["cached=0.1", "image=0.04"]).expect("a price");
        assert_eq!(sound.rates.own[Kind::Cached as usize], Rate::a_million(0.1));
        assert_eq!(sound.rates.own[Kind::Image as usize], Rate::each(0.04));
        for (input, other) in [(-1.0, vec![]), (0.0, vec!["blue=1"]), (0.0, vec!["cached"]), (0.0, vec!["cached=x"])] {
            assert!(price(input, &other).is_err(), "{input} {other:?}");
        }
    }
}
