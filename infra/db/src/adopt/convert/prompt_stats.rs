//! Counts of a prompt: the base of later ones. Its views are those that the prompt itself has.

use bson::doc;

use super::{
    super::old::OldFields,
    Context,
    row::{NewDocument, Row, each},
};

/// Counts that are no views, under a day of their own.
const DAY: &str = "imported-counts";

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut taken = std::collections::HashSet::new();
    each(context.old(collection), |stats, _| {
        let prompt = context.prompt(&stats.fields, "promptId").ok_or("there is no such prompt any more: leave it")?;
        if !taken.insert(prompt.clone()) {
            return Err("the prompt has another document of counts, which is kept".into());
        }
        let count = |names: &[&str]| {
            let count = names.iter().find_map(|name| stats.fields.count(name)).unwrap_or_default();
            i64::try_from(count).unwrap_or_default()
        };
        let counts = doc! {
            "copy": count(&["copy", "copies"]), "execute": count(&["execute", "executions"]),
            "favorite": count(&["favorite", "favorites"]), "share": count(&["share", "shareCount", "shares"]),
        };
        let counted = doc! {"_id": format!("{DAY}/{prompt}"), "promptId": prompt, "day": DAY, "counts": counts};
        Ok(vec![NewDocument::new("prompt_daily", counted)])
    })
}
