//! Time: UTC everywhere, BSON dates in the store, RFC 3339 with milliseconds in JSON.

use bson::DateTime;
use jiff::Timestamp;

/// A UTC day has no daylight saving and, in Unix time, no leap second.
const DAY_S: i64 = 24 * 60 * 60;

/// The current instant, to the millisecond: as exact as the store keeps it.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// `2026-01-31T09:00:00.000Z`: the one form in which an instant leaves the system.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The UTC day of an instant, `2026-01-31`.
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Midnight UTC at the start of the day `days_before` the day of `at`.
pub fn start_of_day(at: Timestamp, days_before: i64) -> Timestamp {
    let seconds = at.as_second().div_euclid(DAY_S) * DAY_S - days_before * DAY_S;
    Timestamp::from_second(seconds).unwrap_or(at)
}

/// As stored; sub-millisecond digits are dropped.
pub fn to_bson(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millisecond())
}

/// As read from the store.
pub fn from_bson(at: DateTime) -> Timestamp {
    Timestamp::from_millisecond(at.timestamp_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_one_form_with_three_digits() {
        let at: Timestamp = "2026-01-31T09:00:00Z".parse().expect("valid");
        assert_eq!(rfc3339(at), "2026-01-31T09:00:00.000Z");
        assert_eq!(from_bson(to_bson(at)), at);
    }

    #[test]
    fn days_begin_at_midnight_utc_across_a_leap_day() {
        let at: Timestamp = "2028-03-01T23:59:59Z".parse().expect("valid");
        assert_eq!(day(at), "2028-03-01");
        assert_eq!(rfc3339(start_of_day(at, 1)), "2028-02-29T00:00:00.000Z");
    }
}
