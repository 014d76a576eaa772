//! Whole numbers as clients send them.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::number;

/// A whole number from 0 to `MOST`; a refusal says so in these words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WholeNumber<const MOST: u64>(u64);

impl<const MOST: u64> WholeNumber<MOST> {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MOST: u64> Deserialize<'de> for WholeNumber<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Digits::<MOST>).map(Self)
    }
}

struct Digits<const MOST: u64>;

impl<const MOST: u64> de::Visitor<'_> for Digits<MOST> {
    type Value = u64;

    fn expecting(&self, message: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(message, "a whole number from 0 to {MOST}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        if number <= MOST { Ok(number) } else { Err(refused(MOST, number)) }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| refused(MOST, number)).and_then(|number| self.visit_u64(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        number::whole(number).map_or_else(|| Err(refused(MOST, number)), |number| self.visit_u64(number))
    }

    /// In a query, numbers are text.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        Err(refused(MOST, text))
    }
}

fn refused<E: de::Error>(most: u64, number: impl fmt::Display) -> E {
    E::custom(format!("must be a whole number from 0 to {most}, and is {number}"))
}

/// As [`WholeNumber`], in a query, where every value is text.
pub(super) fn in_query<'de, D: Deserializer<'de>, const MOST: u64>(
    deserializer: D,
) -> Result<Option<WholeNumber<MOST>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let read = |text: String| match text.trim().parse() {
        Ok(number) if number <= MOST => Ok(WholeNumber(number)),
        _ => Err(refused(MOST, text)),
    };
    text.filter(|text| !text.trim().is_empty()).map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_a_number_must_be_and_not_how_it_is_kept() {
        let read = |text: &str| serde_json::from_str::<WholeNumber<100>>(text).map(WholeNumber::get);
        for (text, number) in [("0", 0), ("100", 100), ("12.0", 12)] {
            assert_eq!(read(text).ok(), Some(number));
        }
        for text in [
            "-1",
            "101",
            "1.5",
            "1e300",
            "\"5\"",
            "null",
            "true",
            "[1]",
            "18446744073709551615",
            "99999999999999999999",
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("whole number from 0 to 100"), "{text}: {error}");
            assert!(!error.contains("u64") && !error.contains("i64"), "{text}: {error}");
        }
    }
}
