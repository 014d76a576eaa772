//! Reading what the old application stored: its validation was loose, so each field may be absent, null or of another
//! type than meant.

use bson::{Bson, Document, oid::ObjectId};
use jiff::{SignedDuration, Timestamp, fmt::strtime};
use shared::{clock::Moment, keys, text};
use uuid::{Builder, Uuid};

/// The fields of an old document, each as what it was meant to be; `None` for what cannot be read as that.
pub(super) trait OldFields {
    /// A text that is not blank, in normal form C.
    fn text(&self, field: &str) -> Option<String>;
    /// An id of another document.
    fn reference(&self, field: &str) -> Option<String>;
    fn at(&self, field: &str) -> Option<Moment>;
    fn number(&self, field: &str) -> Option<f64>;
    /// A whole number, 0 or more.
    fn count(&self, field: &str) -> Option<u64>;
    fn flag(&self, field: &str) -> Option<bool>;
    /// The texts of a list.
    fn texts(&self, field: &str) -> Vec<String>;
    fn object(&self, field: &str) -> Option<&Document>;
}

impl OldFields for Document {
    fn text(&self, field: &str) -> Option<String> {
        readable_text(self.get(field)?)
    }

    fn reference(&self, field: &str) -> Option<String> {
        match self.get(field)? {
            Bson::Null => None,
            value => Some(id_text(value)).filter(|id| !id.trim().is_empty()),
        }
    }

    fn at(&self, field: &str) -> Option<Moment> {
        moment(self.get(field)?)
    }

    fn number(&self, field: &str) -> Option<f64> {
        number(self.get(field)?)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
    fn count(&self, field: &str) -> Option<u64> {
        match self.get(field)? {
            Bson::Int64(whole) => u64::try_from(*whole).ok(),
            value => number(value).filter(|number| (0.0..9e15).contains(number)).map(|number| number.round() as u64),
        }
    }

    fn flag(&self, field: &str) -> Option<bool> {
        match self.get(field)? {
            Bson::Boolean(flag) => Some(*flag),
            Bson::String(text) => text.trim().to_lowercase().parse().ok(),
            _ => None,
        }
    }

    fn texts(&self, field: &str) -> Vec<String> {
        match self.get(field) {
            Some(Bson::Array(items)) => items.iter().filter_map(readable_text).collect(),
            Some(value) => readable_text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn object(&self, field: &str) -> Option<&Document> {
        self.get_document(field).ok()
    }
}

fn readable_text(value: &Bson) -> Option<String> {
    let text = match value {
        Bson::String(text) | Bson::Symbol(text) => text::nfc(text.trim()),
        Bson::ObjectId(id) => id.to_hex(),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) if number.is_finite() => number.to_string(),
        Bson::Decimal128(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// An id as text: of an `ObjectId` its 24 hex digits.
pub(super) fn id_text(id: &Bson) -> String {
    match id {
        Bson::ObjectId(id) => id.to_hex(),
        Bson::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn number(value: &Bson) -> Option<f64> {
    let number = match value {
        Bson::Int32(number) => f64::from(*number),
        #[expect(clippy::cast_precision_loss, reason = "no amount is as large")]
        Bson::Int64(number) => *number as f64,
        Bson::Double(number) => *number,
        Bson::Decimal128(number) => number.to_string().parse().ok()?,
        Bson::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// An instant: a date, RFC 3339, what JavaScript makes of a date (`Sun Nov 09 2025 18:17:00 GMT+0000 (…)`), or
/// milliseconds or seconds since 1970.
pub(super) fn moment(value: &Bson) -> Option<Moment> {
    /// Seconds of the year 5138, milliseconds of 1973: what is above is in milliseconds.
    const MOST_SECONDS: i64 = 100_000_000_000;
    let of_number = |number: i64| {
        let millis = if number > MOST_SECONDS { number } else { number.checked_mul(1000)? };
        (number > 0).then(|| Timestamp::from_millisecond(millis).ok()).flatten().map(Moment::from)
    };
    match value {
        Bson::DateTime(at) => Timestamp::from_millisecond(at.timestamp_millis()).ok().map(Moment::from),
        Bson::Timestamp(at) => of_number(at.time.into()),
        Bson::String(text) => {
            let text = text.trim();
            let of_script = || {
                let head = text.split(" (").next()?;
                strtime::parse("%a %b %d %Y %H:%M:%S GMT%z", head).ok()?.to_timestamp().ok().map(Moment::from)
            };
            text.parse().ok().or_else(of_script).or_else(|| of_number(text.parse().ok()?))
        }
        Bson::Int64(number) => of_number(*number),
        Bson::Int32(number) => of_number((*number).into()),
        #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
        Bson::Double(number) if number.is_finite() => of_number(*number as i64),
        _ => None,
    }
}

/// When a document was made, of its first field that tells; else as its `ObjectId` tells.
pub(super) fn made_at(document: &Document, fields: &[&str]) -> Option<Moment> {
    let of_id = || match document.get("_id") {
        Some(Bson::ObjectId(id)) => Some(id_time(id)),
        Some(Bson::String(text)) => ObjectId::parse_str(text).ok().as_ref().map(id_time),
        _ => None,
    };
    fields.iter().find_map(|field| document.at(field)).or_else(of_id)
}

fn id_time(id: &ObjectId) -> Moment {
    Moment::from(id.timestamp())
}

/// An id as our lists need it, which show the greatest first: `UUIDv7`, of the same instant and order as the `ObjectId`. The
/// same old id has the same new one each time; one that is no `ObjectId` has the instant `made`.
pub(super) fn ordered_id(old: &str, made: Moment) -> String {
    if Uuid::try_parse(old).is_ok_and(|id| id.get_version_num() == 7) {
        return old.to_lowercase();
    }
    let mut rest = [0; 10];
    rest.copy_from_slice(&keys::sha256_bytes(old.as_bytes()).as_ref()[..10]);
    let mut millis = made.as_millisecond();
    if let Ok(id) = ObjectId::parse_str(old) {
        millis = id_time(&id).as_millisecond();
        // Its last three bytes count up within a second. Of the UUID's, the version takes four bits of the first and the
        // variant two of the third.
        let [.., high, middle, low] = id.bytes();
        (rest[0], rest[1]) = (high >> 4, high << 4 | middle >> 4);
        (rest[2], rest[3]) = (middle & 0x0f, low);
    }
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &rest).into_uuid().to_string()
}

/// A text in one line, of so many characters at most: control and invisible characters become spaces.
pub(super) fn line(text: &str, chars: usize) -> String {
    let seen: String = text.chars().map(|letter| if text::is_hidden(letter) { ' ' } else { letter }).collect();
    shorten(seen.trim(), chars)
}

/// So many of a text's characters at most.
pub(super) fn shorten(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// The day so many days before an instant.
pub(super) fn days_before(at: Moment, days: u64) -> Moment {
    at - SignedDuration::from_hours(24 * i64::try_from(days).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{DateTime, doc};

    #[test]
    fn an_instant_is_read_however_it_was_stored() {
        for value in [
            Bson::from(DateTime::from_millis(1_762_712_220_000)),
            "2025-11-09T18:17:00.000Z".into(),
            "2025-11-09T19:17:00+01:00".into(),
            "Sun Nov 09 2025 18:17:00 GMT+0000 (Coordinated Universal Time)".into(),
            1_762_712_220_000_i64.into(),
            1_762_712_220.into(),
            1_762_712_220_000_f64.into(),
            "1762712220000".into(),
        ] {
            assert_eq!(moment(&value).map(|at| at.to_string()).as_deref(), Some("2025-11-09T18:17:00.000Z"), "{value}");
        }
        for value in
            [Bson::Null, "soon".into(), "".into(), f64::NAN.into(), DateTime::MAX.into(), doc! {}.into(), 0.into()]
        {
            assert_eq!(moment(&value), None, "{value}");
        }
    }

    #[test]
    fn a_count_is_a_whole_number_in_any_type() {
        let fields = doc! {"a": 12.0, "b": "12", "c": 12_i64, "d": -5, "e": f64::NAN, "f": "many", "g": null};
        let counts = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|field| fields.count(field));
        assert_eq!(counts, [Some(12), Some(12), Some(12), None, None, None, None, None]);
    }

    #[test]
    fn new_ids_keep_the_order_of_the_old_ones_and_are_the_same_each_time() {
        let old =
            ["690f0a0000000000000fff", "690f0a00000000000010ff", "690f0a0000000000ffffff", "690f0a01000000000000ff"];
        let old = old.map(|id| format!("{id}00"));
        let ids = old.each_ref().map(|id| ordered_id(id, Moment::default()));
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[0], ordered_id(&old[0], Moment::from_millisecond(5)));
        assert_eq!(Uuid::try_parse(&ids[0]).expect("a UUID").get_version_num(), 7);
        assert_ne!(ordered_id("a", Moment::default()), ordered_id("b", Moment::default()));
    }
}
