//! The list of prices that comes with the functions: what providers ask of everybody.
//!
//! `list.txt` is made by `cargo db prices` from the figures that the package `litellm` carries; its first line says
//! which release. A line is a model: `[host/]model input output [kind=price …] [since=day] [above=tokens input output
//! [kind=price …]]`, in dollars for a million tokens, and for one image. A model without a host has that price
//! wherever no other is listed. A changed price is another line, with the day from which it holds.

use std::{collections::HashMap, fmt::Write, sync::LazyLock};

use jiff::civil::Date;

use super::{
    name::{self, Names},
    rates::{KINDS, Kind, Rate, Rates},
};

/// The list as a text.
pub const TEXT: &str = include_str!("list.txt");

static LIST: LazyLock<PriceList> = LazyLock::new(|| PriceList::parse(TEXT).0);

/// Prices of models by the keys under which they are looked up.
#[derive(Debug, Default)]
pub struct PriceList {
    prices: HashMap<String, Vec<Listed>>,
}

/// The prices of a model from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `host/model`, or `model` where any host is meant; as providers write it.
    pub name: String,
    /// From which day (UTC); always when absent.
    pub since: Option<Date>,
    /// The prices.
    pub rates: Rates,
}

impl PriceList {
    /// The list of this release.
    pub fn current() -> &'static Self {
        &LIST
    }

    /// Reads a list. What is no line of a list is left out, and returned.
    pub fn parse(text: &str) -> (Self, Vec<&str>) {
        let (mut list, mut odd) = (Self::default(), Vec::new());
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match Listed::parse(line) {
                Some(listed) => list.add(listed),
                None => odd.push(line),
            }
        }
        (list, odd)
    }

    /// Adds a line.
    pub fn add(&mut self, listed: Listed) {
        self.prices.entry(name::normal(&listed.name)).or_default().push(listed);
    }

    /// Takes a line out.
    pub fn remove(&mut self, listed: &Listed) {
        if let Some(lines) = self.prices.get_mut(&name::normal(&listed.name)) {
            lines.retain(|line| line != listed);
        }
    }

    /// Every line, in no order.
    pub fn lines(&self) -> impl Iterator<Item = &Listed> {
        self.prices.values().flatten()
    }

    /// The price that a provider asked for a model on a day, under the most particular of its names.
    pub fn find(&self, provider: &str, model: &str, day: Date) -> Option<&Listed> {
        let names = name::names(provider, model);
        names.keys.iter().find_map(|key| self.under(key, &names, day))
    }

    /// The price listed under one of a model's names on a day.
    pub(super) fn under(&self, key: &str, names: &Names, day: Date) -> Option<&Listed> {
        let counts = |listed: &&Listed| {
            listed.since.is_none_or(|since| since <= day) && (listed.has_host() || !names.on_own_machine)
        };
        self.prices.get(key)?.iter().filter(counts).max_by_key(|listed| listed.since)
    }
}

impl Listed {
    /// The model, without its host and what that adds to the name.
    pub fn model(&self) -> &str {
        self.name.rsplit_once('/').map_or(&self.name, |(_, model)| name::bare(model))
    }

    fn has_host(&self) -> bool {
        self.name.contains('/')
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        let (mut since, mut rates) = (None, Rates::text(tokens(words.next()?)?, tokens(words.next()?)?));
        while let Some(word) = words.next() {
            match word.split_once('=')? {
                ("since", day) => since = Some(day.parse().ok()?),
                ("above", number) => {
                    rates.long = Some(long(number.parse().ok()?, &mut words)?);
                }
                own => set(&mut rates, own)?,
            }
        }
        Some(Self { name, since, rates })
    }

    /// As a line of the list.
    pub fn line(&self) -> String {
        let mut line = self.name.clone();
        write_rates(&mut line, &self.rates);
        if let Some(since) = self.since {
            let _ = write!(line, " since={since}");
        }
        if let Some((above, rates)) = &self.rates.long {
            let _ = write!(line, " above={above}");
            write_rates(&mut line, rates);
        }
        line
    }
}

/// What follows `above=`, to the end of the line.
fn long<'a>(above: u64, words: &mut impl Iterator<Item = &'a str>) -> Option<(u64, Box<Rates>)> {
    let mut rates = Rates::text(tokens(words.next()?)?, tokens(words.next()?)?);
    words.try_for_each(|word| set(&mut rates, word.split_once('=')?))?;
    Some((above, Box::new(rates)))
}

fn set(rates: &mut Rates, (name, price): (&str, &str)) -> Option<()> {
    let (kind, _) = KINDS.into_iter().find(|(_, known)| *known == name)?;
    let price = if kind == Kind::Image { Rate::each(price.parse().ok()?)? } else { tokens(price)? };
    rates.own[kind as usize] = Some(price);
    Some(())
}

fn tokens(dollars_a_million: &str) -> Option<Rate> {
    Rate::a_million(dollars_a_million.parse().ok()?)
}

fn write_rates(line: &mut String, rates: &Rates) {
    let _ = write!(line, " {} {}", rates.input.dollars_a_million(), rates.output.dollars_a_million());
    for (kind, name) in KINDS {
        if let Some(rate) = rates.own[kind as usize] {
            let price = if kind == Kind::Image { rate.dollars_each() } else { rate.dollars_a_million() };
            let _ = write!(line, " {name}={price}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        for line in [
            "gpt-4o 2.5 10 cached=1.25",
            "groq/llama 0.59 0.79 since=2026-11-28",
            "gemini-2.5-pro 1.25 10 cached=0.125 since=2026-01-01 above=200000 2.5 15 cached=0.25",
            "free 0 0 image=0.039",
        ] {
            assert_eq!(Listed::parse(line).map(|listed| listed.line()).as_deref(), Some(line));
        }
        let (list, odd) =
            PriceList::parse("# a remark\n\ngpt-4o 1\ngpt-4o x 1\ngpt-4o 1 2 blue=1\na 1 2\nb 1 2 since=then");
        assert_eq!((list.lines().count(), odd.len()), (1, 4), "{odd:?}");
    }

    #[test]
    fn a_price_holds_from_its_day_on() {
        let (list, _) =
            PriceList::parse("m 1 1\nm 2 2 since=2026-11-01\nm 3 3 since=2026-12-01\nlate 1 1 since=2026-11-01");
        let input =
            |model: &str, at: &str| list.find("p", model, day(at)).map(|found| found.rates.input.dollars_a_million());
        assert_eq!(input("m", "2024-01-01").as_deref(), Some("1"));
        assert_eq!(input("m", "2026-10-31").as_deref(), Some("1"));
        assert_eq!(input("m", "2026-11-01").as_deref(), Some("2"));
        assert_eq!(input("m", "2027-01-01").as_deref(), Some("3"));
        assert_eq!((input("late", "2026-10-31"), input("late", "2026-11-01").as_deref()), (None, Some("1")));
    }

    #[test]
    fn the_list_has_no_odd_line_and_each_model_one_price_a_day() {
        let (list, odd) = PriceList::parse(TEXT);
        assert_eq!(odd, [""; 0]);
        assert!(TEXT.len() < 150_000, "{} bytes in every function that prices", TEXT.len());
        assert!(TEXT.starts_with("# litellm "), "the release it was made from");
        for lines in list.prices.values() {
            let mut days: Vec<_> = lines.iter().map(|listed| listed.since).collect();
            days.sort_unstable();
            days.dedup();
            assert_eq!(days.len(), lines.len(), "{lines:?}");
        }
    }

    #[test]
    fn models_are_found_as_providers_and_gateways_name_them() {
        let text = |provider: &str, model: &str| {
            let found = PriceList::current().find(provider, model, day("2026-11-28"));
            found.map(|found| {
                (
                    found.model().to_owned(),
                    found.rates.input.dollars_a_million(),
                    found.rates.output.dollars_a_million(),
                )
            })
        };
        for (provider, model, known, input, output) in [
            ("openai", "gpt-4o", "gpt-4o", "2.5", "10"),
            ("openai", "gpt-4o-2024-11-20", "gpt-4o", "2.5", "10"),
            ("openrouter", "openai/gpt-4o", "gpt-4o", "2.5", "10"),
            ("OpenAI", "GPT-4o", "gpt-4o", "2.5", "10"),
            ("anthropic", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet", "3", "15"),
            ("azure", "azure.gpt-4o-mini", "gpt-4o-mini", "0.15", "0.6"),
            ("openai", "gpt-4o ", "gpt-4o", "2.5", "10"),
            ("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet", "3", "15"),
            ("bedrock", "us.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku", "0.25", "1.25"),
            ("anthropic", "claude-3-opus-latest", "claude-3-opus", "15", "75"),
            ("vertex", "claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet", "3", "15"),
            ("openai", "ft:gpt-4o-mini-2024-07-18:org::id", "ft:gpt-4o-mini", "0.3", "1.2"),
            ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "5", "15"),
            ("openai", "o1-preview-2024-09-12", "o1-preview", "15", "60"),
            ("google", "gemini-2.0-flash-exp", "gemini-2.0-flash-exp", "0", "0"),
            ("google", "models/gemini-exp-1206", "gemini-exp-1206", "0", "0"),
            ("p", "llama-3.1-70b", "llama-3.1-70b", "0.59", "0.79"),
            ("p", "Mixtral-8x7B", "mixtral-8x7b", "0.24", "0.24"),
        ] {
            let expected = Some((known.to_owned(), input.to_owned(), output.to_owned()));
            assert_eq!(text(provider, model), expected, "{provider} {model}");
        }
        for (provider, model) in
            [("p", "unheard-of"), ("openai", "gpt-4o:free"), ("ollama", "deepseek-chat"), ("p", "")]
        {
            assert_eq!(text(provider, model), None, "{provider} {model}");
        }
    }
}
