//! Revisions of prompts. The application before numbered them without a unique index: of two with one number the later
//! gets the next that is free.

use std::collections::HashMap;

use bson::{Bson, doc};

use super::{
    super::{
        old::{OldFields, made_at},
        source::OldDocument,
    },
    Context,
    context::Taken,
    row::{NewDocument, Row, each},
};

const OLD: &str = "prompt_revisions";

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let numbers = numbers(context);
    let ours = changed_here(context);
    each(context.old(collection), |revision, mapped| {
        let prompt =
            context.prompt(&revision.fields, "promptId").ok_or("there is no such prompt any more: leave it")?;
        let is_here = context.ledger.of(collection, &revision.id).is_some();
        if ours.contains(&prompt) && !is_here {
            return Err(format!("the prompt {prompt} was changed here since: its later revisions there stay there"));
        }
        let number = numbers[&revision.id];
        if revision.fields.count("revisionNumber").and_then(|own| i64::try_from(own).ok()) != Some(number) {
            mapped.push(format!("its number is taken or none: {number}"));
        }
        let made = made_at(&revision.fields, &["createdAt"]).ok_or("it has no date: give it createdAt, or leave it")?;
        let changes = revision.fields.get_array("changes").cloned().unwrap_or_default();
        let snapshot = revision.fields.object("snapshot").cloned().unwrap_or_default();
        Ok(vec![NewDocument::new(
            OLD,
            doc! {
                "_id": &revision.id, "promptId": prompt, "revision": number, "changes": changes, "snapshot": snapshot,
                "changedBy": context.user(&revision.fields, "changedBy"), "reason": revision.fields.text("changeReason"),
                "createdAt": made,
            },
        )])
    })
}

/// The greatest number that an adopted revision of each prompt has.
pub(super) fn last_numbers(context: &Context<'_>) -> HashMap<String, i64> {
    let mut last = HashMap::new();
    let numbers = numbers(context);
    for revision in context.old(OLD) {
        let Some(prompt) = context.prompt(&revision.fields, "promptId") else { continue };
        let last = last.entry(prompt).or_insert(0);
        *last = numbers[&revision.id].max(*last);
    }
    last
}

/// The number of each old revision.
fn numbers(context: &Context<'_>) -> HashMap<String, i64> {
    number_all(context, context.old(OLD).iter(), "revisionNumber", &context.here.revisions)
}

/// Each document's number: the one that it has here, else its own, else the next that no other of its prompt has.
pub(super) fn number_all<'a>(
    context: &Context<'_>,
    documents: impl Iterator<Item = &'a OldDocument>,
    field: &str,
    here: &Taken,
) -> HashMap<String, i64> {
    let prompt = |document: &OldDocument| context.prompt(&document.fields, "promptId").unwrap_or_default();
    let own = |document: &OldDocument| {
        document.fields.count(field).and_then(|own| i64::try_from(own).ok()).unwrap_or(1).max(1)
    };
    let mut taken = here.0.clone();
    let mut numbers = HashMap::new();
    for numbered in here.0.values() {
        numbers.extend(numbered.iter().map(|(number, id)| (id.clone(), *number)));
    }
    let mut ordered: Vec<_> = documents.filter(|document| !numbers.contains_key(&document.id)).collect();
    ordered.sort_by_key(|document| {
        (prompt(document), own(document), made_at(&document.fields, &["createdAt", "auditedAt"]), &document.id)
    });
    for document in ordered {
        let taken = taken.entry(prompt(document)).or_default();
        let mut free = own(document);
        while taken.contains_key(&free) {
            free += 1;
        }
        taken.insert(free, document.id.clone());
        numbers.insert(document.id.clone(), free);
    }
    numbers
}

/// Prompts of which there are revisions that were made here.
fn changed_here(context: &Context<'_>) -> Vec<String> {
    let written = context.ledger.written();
    let is_ours = |id: &String| !written.contains_key(&(OLD, id.as_str()));
    let is_old = |id: &String| context.old(OLD).iter().any(|old| old.id == *id);
    let prompts = context.here.revisions.0.iter();
    let changed = prompts.filter(|(_, numbers)| numbers.values().any(|id| is_ours(id) && !is_old(id)));
    changed.map(|(prompt, _)| prompt.clone()).collect()
}

/// A list of texts, whatever it was.
pub(super) fn list(value: Option<&Bson>) -> Vec<Bson> {
    match value {
        Some(Bson::Array(items)) => items.clone(),
        Some(Bson::Null) | None => Vec::new(),
        Some(other) => vec![other.clone()],
    }
}
