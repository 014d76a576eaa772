//! Prompts, patterns and learning resources: every field is kept, as our routes read it.

use std::collections::{HashMap, HashSet};

use bson::{Bson, Document, RawDocumentBuf, doc};
use serde_json::{Map, Value};
use shared::{content::to_document, mongo::to_json_leniently, text};

use super::{
    super::{
        old::{OldFields, number},
        source::OldDocument,
    },
    Context, prompt_revisions,
    row::{NewDocument, Outcome, Row, each},
};

/// Fields that count something: whole numbers, 0 or more.
const COUNTS: [&str; 6] = ["views", "favorites", "shares", "ratingCount", "promptCount", "usageCount"];
/// Fields that are instants.
const INSTANTS: [&str; 6] = ["createdAt", "updatedAt", "publishedAt", "lastRevisedAt", "deletedAt", "lastViewedAt"];

pub(super) fn patterns(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut ids = HashSet::new();
    each(context.old(collection), |pattern, mapped| {
        let id = own_id(pattern, &mut ids, mapped);
        Ok(vec![NewDocument::new("patterns", item(pattern, &id, mapped)?)])
    })
}

pub(super) fn learning(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let (mut ids, mut slugs) = (HashSet::new(), HashSet::new());
    each(context.old(collection), |resource, mapped| {
        let id = own_id(resource, &mut ids, mapped);
        let mut resource = item(resource, &id, mapped)?;
        tell_slug(&mut resource, &mut slugs, mapped);
        Ok(vec![NewDocument::new("learning_resources", resource)])
    })
}

pub(super) fn prompts(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut slugs = HashSet::new();
    let last = prompt_revisions::last_numbers(context);
    let mut rows =
        each(context.old(collection), |prompt, mapped| one_prompt(context, prompt, &mut slugs, &last, mapped));
    for (row, prompt) in rows.iter_mut().zip(context.old(collection)) {
        // With another last revision it is another version.
        row.version.extend(last.get(&context.prompt_id(prompt)).map(|last| format!("+{last}")));
    }
    rows
}

fn one_prompt(
    context: &Context<'_>,
    prompt: &OldDocument,
    slugs: &mut HashSet<String>,
    last: &HashMap<String, i64>,
    mapped: &mut Vec<String>,
) -> Outcome {
    let id = context.prompt_id(prompt);
    if prompt.fields.text("id").is_some_and(|own| own != id) {
        mapped.push("another prompt has the same id: this one is known by its ObjectId".into());
    }
    let mut new = item(prompt, &id, mapped)?;
    tell_slug(&mut new, slugs, mapped);
    if !new.contains_key("authorId")
        && let Some(author) = context.user(&prompt.fields, "userId")
    {
        new.insert("authorId", author);
    }
    let revision = new.count("currentRevision").and_then(|revision| i64::try_from(revision).ok());
    match (revision, last.get(&id)) {
        (revision, Some(last)) if revision.is_none_or(|revision| revision < *last) => {
            // The next change must not meet a number that is taken.
            new.insert("currentRevision", *last);
        }
        (Some(revision), _) if revision > 0 => drop(new.insert("currentRevision", revision)),
        _ => drop(new.remove("currentRevision")),
    }
    let views = i64::try_from(new.count("views").unwrap_or_default()).unwrap_or_default();
    // Where there are none, the count of views here would add the field.
    new.insert("views", views);
    // As our own import keeps them: what is counted later is added.
    let counted = doc! {
        "_id": format!("imported/{id}"), "promptId": &id, "day": "imported", "counts": {"view": views},
    };
    Ok(vec![NewDocument::new("prompts", new), NewDocument::new("prompt_daily", counted)])
}

/// Its `id`, or its `ObjectId` where it has none or another has the same.
fn own_id(item: &OldDocument, taken: &mut HashSet<String>, mapped: &mut Vec<String>) -> String {
    let Some(own) = item.fields.text("id") else { return item.id.clone() };
    if taken.insert(own.clone()) {
        return own;
    }
    mapped.push("another has the same id: this one is known by its ObjectId".into());
    item.id.clone()
}

/// The item as it is stored here, under this id.
fn item(old: &OldDocument, id: &str, mapped: &mut Vec<String>) -> Result<Document, String> {
    let mut fields = old.fields.clone();
    fields.remove("_id");
    for field in COUNTS {
        if let Some(value) = old.fields.get(field).filter(|value| **value != Bson::Null) {
            let count = old.fields.count(field).and_then(|count| i64::try_from(count).ok());
            if count.is_none() {
                mapped.push(format!("{field} was no count ({}): 0", kind(value)));
            }
            fields.insert(field, count.unwrap_or_default());
        }
    }
    for field in INSTANTS {
        if let Some(value) = old.fields.get(field).filter(|value| **value != Bson::Null) {
            if let Some(at) = old.fields.at(field) {
                fields.insert(field, at.to_string());
            } else {
                mapped.push(format!("{field} was no date ({}): left out", kind(value)));
                fields.remove(field);
            }
        }
    }
    let mut odd = Vec::new();
    let raw = RawDocumentBuf::try_from(&fields).map_err(|_| "it cannot be read: mend it, or leave it".to_owned())?;
    let read = to_json_leniently(&raw, &mut odd).map_err(|_| "it cannot be read: mend it, or leave it".to_owned())?;
    // An ObjectId becomes its digits, of which nothing is lost.
    odd.retain(|path| !matches!(old.fields.get(path), Some(Bson::ObjectId(_))));
    if !odd.is_empty() {
        mapped.push(format!("with other values in {}, for which JSON has no form", odd.join(", ")));
    }
    let mut read = Value::Object(read);
    text::normalise(&mut read);
    let Value::Object(read) = read else { return Err("it is no object".into()) };
    let mut new: Map<String, Value> = Map::new();
    new.insert("id".into(), id.into());
    for (name, value) in read {
        if name.is_empty() || name.starts_with('$') || name.contains('.') {
            mapped.push("a field whose name MongoDB takes for its own is left out".into());
        } else if name != "id" {
            new.insert(name, value);
        }
    }
    to_document(&new).map_err(|error| format!("it cannot be stored: {error}"))
}

/// A second item with a slug gets one of its own; links lead to the first, as they did.
fn tell_slug(item: &mut Document, taken: &mut HashSet<String>, mapped: &mut Vec<String>) {
    let Ok(slug) = item.get_str("slug").map(str::to_owned) else {
        if item.get("slug").is_some_and(|slug| *slug != Bson::Null) {
            mapped.push("its slug was no text: left out".into());
            item.remove("slug");
        }
        return;
    };
    if slug.is_empty() || taken.insert(slug.clone()) {
        return;
    }
    let mut other = slug.clone();
    for number in 2.. {
        other = format!("{slug}-{number}");
        if taken.insert(other.clone()) {
            break;
        }
    }
    mapped.push(format!("another has the same slug: {other}"));
    item.insert("slug", other);
}

fn kind(value: &Bson) -> &'static str {
    match (value, number(value)) {
        (_, Some(number)) if number < 0.0 => "below 0",
        (Bson::Double(_), None) => "no number",
        (Bson::String(_), _) => "a text",
        (Bson::DateTime(_), _) => "beyond the calendar",
        _ => "of another type",
    }
}
