//! Time: UTC everywhere, and one type for an instant, from the request to the store.

use std::{
    fmt,
    ops::{Add, Deref, Sub},
    str::FromStr,
};

use bson::{Bson, DateTime};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;

/// A UTC day has no daylight saving and, in Unix time, no leap second.
const DAY_S: i64 = 24 * 60 * 60;

/// An instant in UTC, to the millisecond: `2026-01-31T09:00:00.000Z`.
//
// Text where people read (JSON: the API, the queues, the cache) and a date in BSON: the format decides, so that no field
// is stored as text by mistake. The store keeps no finer digits either.
//
// In a struct that is read from the store it must not stand in a part that is flattened: what serde puts aside for such
// a part calls itself human-readable, and the date is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = "date-time")]
pub struct Moment(Timestamp);

impl Moment {
    /// An instant by its Unix time; the beginning of that for one beyond the calendar.
    pub fn from_millisecond(at: i64) -> Self {
        Self(Timestamp::from_millisecond(at).unwrap_or_default())
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self::from_millisecond(at.as_millisecond())
    }
}

/// The one reader of instants, in content and in requests: with an offset; a date, or a date and a time without one, is
/// taken as UTC.
impl FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let text = text.trim();
        let without_offset = || TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok();
        text.parse::<Timestamp>().or_else(|error| without_offset().ok_or(error)).map(Self::from)
    }
}

impl Deref for Moment {
    type Target = Timestamp;

    fn deref(&self) -> &Timestamp {
        &self.0
    }
}

impl<D> Add<D> for Moment
where
    Timestamp: Add<D, Output = Timestamp>,
{
    type Output = Self;

    fn add(self, duration: D) -> Self {
        (self.0 + duration).into()
    }
}

impl<D> Sub<D> for Moment
where
    Timestamp: Sub<D, Output = Timestamp>,
{
    type Output = Self;

    fn sub(self, duration: D) -> Self {
        (self.0 - duration).into()
    }
}

/// The one form in which an instant leaves the system: with three digits of the second's parts.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

impl From<Moment> for DateTime {
    fn from(at: Moment) -> Self {
        Self::from_millis(at.as_millisecond())
    }
}

impl From<DateTime> for Moment {
    fn from(at: DateTime) -> Self {
        Self::from_millisecond(at.timestamp_millis())
    }
}

impl From<Moment> for Bson {
    fn from(at: Moment) -> Self {
        Self::DateTime(at.into())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            DateTime::from(*self).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(|_| D::Error::custom("must be an instant, such as 2026-01-31T09:00:00Z"))
        } else {
            DateTime::deserialize(deserializer).map(Self::from)
        }
    }
}

/// The current instant.
pub fn now() -> Moment {
    Timestamp::now().into()
}

/// The UTC day of an instant, `2026-01-31`.
pub fn day(at: Moment) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Midnight UTC at the start of the month of `at`.
pub fn start_of_month(at: Moment) -> Moment {
    let day: i64 = at.strftime("%d").to_string().parse().unwrap_or(1);
    start_of_day(at, day - 1)
}

/// Midnight UTC at the start of the day `days_before` the day of `at`.
pub fn start_of_day(at: Moment, days_before: i64) -> Moment {
    let seconds = at.as_second().div_euclid(DAY_S) * DAY_S - days_before * DAY_S;
    Timestamp::from_second(seconds).map_or(at, Moment::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Document, RawDocumentBuf};
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Outer {
        at: Moment,
        maybe: Option<Moment>,
        never: Option<Moment>,
        list: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Inner {
        at: Moment,
    }

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    #[test]
    fn an_instant_is_text_in_json_and_a_date_in_the_store_wherever_it_stands() {
        let at = at("2026-01-31T09:00:00.12Z");
        let outer = Outer { at, maybe: Some(at), never: None, list: vec![Inner { at }] };
        let json = serde_json::to_value(&outer).expect("JSON");
        let text = "2026-01-31T09:00:00.120Z";
        assert_eq!(json, json!({"at": text, "maybe": text, "never": null, "list": [{"at": text}]}));
        assert_eq!(serde_json::from_value::<Outer>(json).expect("read"), outer);
        // As the driver writes and reads.
        let stored = bson::serialize_to_vec(&outer).expect("BSON");
        assert_eq!(bson::deserialize_from_slice::<Outer>(&stored).expect("read"), outer);
        let stored = Document::try_from(RawDocumentBuf::from_bytes(stored).expect("raw")).expect("a document");
        let date = Bson::from(at);
        assert!(matches!(date, Bson::DateTime(_)));
        assert_eq!(stored, bson::doc! {"at": &date, "maybe": &date, "never": null, "list": [{"at": &date}]});
    }

    #[test]
    fn an_instant_of_any_precision_and_zone_is_one_to_the_millisecond() {
        for (text, expected) in [
            ("2026-01-31T09:00:00Z", "2026-01-31T09:00:00.000Z"),
            ("2026-01-31T09:00:00.123456789Z", "2026-01-31T09:00:00.123Z"),
            ("2026-01-31T10:00:00.1+01:00", "2026-01-31T09:00:00.100Z"),
        ] {
            assert_eq!(at(text).to_string(), expected);
            assert_eq!(serde_json::from_value::<Moment>(json!(text)).expect("read"), at(expected));
        }
        assert_eq!((*now()).subsec_nanosecond() % 1_000_000, 0);
    }

    #[test]
    fn a_request_says_an_instant_as_text_alone() {
        for value in [json!({"$date": "2026-01-31T09:00:00Z"}), json!(1), json!("yesterday")] {
            assert!(serde_json::from_value::<Moment>(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn days_begin_at_midnight_utc_across_a_leap_day() {
        let at = at("2028-03-01T23:59:59Z");
        assert_eq!(day(at), "2028-03-01");
        assert_eq!(start_of_day(at, 1).to_string(), "2028-02-29T00:00:00.000Z");
    }

    #[test]
    fn an_instant_may_have_an_offset_or_be_a_date_alone() {
        let at = |text: &str| text.parse::<Moment>().ok().map(|at| at.to_string());
        for text in
            ["2026-01-31T09:00:00Z", "2026-01-31T10:00:00+01:00", "2026-01-31T09:00:00", " 2026-01-31 09:00:00Z "]
        {
            assert_eq!(at(text).as_deref(), Some("2026-01-31T09:00:00.000Z"), "{text}");
        }
        assert_eq!(at("2026-01-31").as_deref(), Some("2026-01-31T00:00:00.000Z"));
        for text in ["yesterday", "2026-02-30", "31.1.2026", "12", ""] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
