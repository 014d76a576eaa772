//! Whole numbers as people and programs write them: 12, and 12.0. The one reader of counts, in content and in requests.

use serde_json::Value;

/// Above it a float is no longer every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A float that is a whole number, 0 or more.
pub fn whole(float: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within the range")]
    (float.fract() == 0.0 && (0.0..EXACT).contains(&float)).then_some(float as u64)
}

/// A count in JSON; `None` for what is none, or more than the store can add to.
pub fn count(value: &Value) -> Option<u64> {
    let integer = value.as_u64().filter(|count| i64::try_from(*count).is_ok());
    integer.or_else(|| value.as_f64().filter(|_| value.is_f64()).and_then(whole))
}

/// Writes every whole number in `value` without its `.0`. Tells whether there was one.
pub fn without_fractions(value: &mut Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => {
            let Some(count) = number.as_f64().and_then(whole) else { return false };
            *value = count.into();
            true
        }
        // All of them, also after the first.
        Value::Array(items) => items.iter_mut().map(without_fractions).filter(|changed| *changed).count() > 0,
        Value::Object(fields) => fields.values_mut().map(without_fractions).filter(|changed| *changed).count() > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (value, expected) in [(json!(12), 12), (json!(12.0), 12), (json!(1e3), 1000), (json!(-0.0), 0)] {
            assert_eq!(count(&value), Some(expected), "{value}");
        }
        for value in [json!(1.5), json!(-1), json!(-1.0), json!(u64::MAX), json!(1e30), json!("12"), json!(null)] {
            assert_eq!(count(&value), None, "{value}");
        }
        let mut value = json!({"a": [1.0, 1.5], "b": {"c": 2e2}, "d": "3.0"});
        assert!(without_fractions(&mut value) && !without_fractions(&mut value.clone()));
        assert_eq!(value, json!({"a": [1, 1.5], "b": {"c": 200}, "d": "3.0"}));
    }
}
