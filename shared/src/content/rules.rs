//! What an item must be, the same whether it is served, imported or published. A file is judged whole before any of it
//! counts; of the database an odd document is left out by itself. A verdict names the item and the field.

use serde_json::{Map, Value};

use crate::{clock::Moment, number};

/// Fields that count something.
const COUNTS: [&str; 6] = ["views", "favorites", "shares", "ratingCount", "promptCount", "usageCount"];
/// Fields that are instants, and dates in the store: content is free in form, so that no type says it.
pub(super) const INSTANTS: [&str; 5] = ["createdAt", "updatedAt", "publishedAt", "lastRevisedAt", "deletedAt"];

/// Judges an item; its counts are whole numbers afterwards (`12.0` becomes 12). The error names the item and the field.
pub(super) fn judge(item: &mut Map<String, Value>) -> Result<(), String> {
    let id = item.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = id.ok_or("every item must have an `id` text")?.to_owned();
    let refused = |field: &str, rule: &str| format!("the item {id}: `{field}` {rule}");
    if let Some(name) = item.keys().find(|name| name.is_empty() || name.starts_with('$') || name.contains('.')) {
        return Err(refused(name, "is no name of a field: MongoDB takes `$`, dots and nothing for its own"));
    }
    for field in COUNTS {
        let Some(value) = item.get_mut(field).filter(|value| !value.is_null()) else { continue };
        let count = number::count(value).ok_or_else(|| refused(field, "must be a whole number, 0 or more"))?;
        *value = count.into();
    }
    for field in INSTANTS {
        let is_none = |value: &&Value| !value.is_null() && value.as_str() != Some("");
        let Some(value) = item.get(field).filter(is_none) else { continue };
        if value.as_str().is_none_or(|text| text.parse::<Moment>().is_err()) {
            return Err(refused(field, "must be a date or an instant, such as 2026-01-31 or 2026-01-31T09:00:00Z"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(field: &str, value: &Value) -> Result<Value, String> {
        let mut item = json!({"id": "a", field: value}).as_object().expect("an object").clone();
        judge(&mut item).map(|()| item[field].clone())
    }

    #[test]
    fn a_count_is_a_whole_number_however_it_is_written_and_nothing_else() {
        for (value, count) in [
            (json!(12), json!(12)),
            (json!(12.0), json!(12)),
            (json!(1e3), json!(1000)),
            (json!(0), json!(0)),
            (json!(-0.0), json!(0)),
            (json!(null), json!(null)),
            (json!(i64::MAX), json!(i64::MAX)),
        ] {
            assert_eq!(judged("views", &value), Ok(count), "{value}");
        }
        for value in
            [json!("12"), json!(-5), json!(1.5), json!(u64::MAX), json!(1e30), json!([1]), json!(true), json!({})]
        {
            let error = judged("views", &value).expect_err("must be refused");
            assert!(error.starts_with("the item a: `views` must be a whole number"), "{value}: {error}");
        }
    }

    #[test]
    fn an_instant_may_have_an_offset_or_be_a_date_alone() {
        for text in ["2026-01-31T09:00:00Z", "2026-01-31T10:00:00+01:00", "2026-01-31"] {
            assert!(judged("publishedAt", &json!(text)).is_ok(), "{text}");
        }
        assert!(judged("createdAt", &json!("2026-01-31")).is_ok() && judged("createdAt", &json!("")).is_ok());
        let error = judged("updatedAt", &json!("yesterday")).expect_err("must be refused");
        assert!(error.starts_with("the item a: `updatedAt` must be a date"), "{error}");
        assert!(judged("publishedAt", &json!(1_767_225_600)).is_err());
    }

    #[test]
    fn a_name_that_mongodb_takes_for_its_own_is_refused() {
        for name in ["$set", "a.b", ""] {
            assert!(judged(name, &json!(1)).is_err_and(|error| error.starts_with(&format!("the item a: `{name}`"))));
        }
        assert!(judged("metadata", &json!({"$set": 1, "a.b": 2})).is_ok(), "below the top it is kept as it is");
    }
}
