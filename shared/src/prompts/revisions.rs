//! What a prompt was, and what each change made of it.

use std::{collections::HashMap, time::Duration};

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Prompt, fields::EDITABLE, may_edit, may_read};
use crate::{
    auth::Principal,
    clock::{self, Moment},
    http::{Cursor, Page, Problem},
    id,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// A changed value is told up to here; the snapshot holds the whole.
const MAX_VALUE_CHARS: usize = 500;

/// The fields that decide who may read a prompt.
const ACCESS: [&str; 4] = ["isPublic", "isPremium", "requiresAuth", "active"];

/// Half a minute is much for one of an import's operations.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// `prompt_revisions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredRevision<'a> {
    id: String,
    prompt_id: &'a str,
    revision: i64,
    #[serde(serialize_with = "mongo::free_form")]
    changes: Vec<Value>,
    #[serde(serialize_with = "mongo::free_form")]
    snapshot: Map<String, Value>,
    changed_by: Option<&'a str>,
    reason: Option<&'a str>,
    created_at: Moment,
}

/// A prompt's last revision.
#[derive(Deserialize)]
struct Last {
    #[serde(rename = "_id")]
    id: String,
    revision: i64,
}

/// A page of revisions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionPage {
    /// The newest first: `revisionNumber`, `changes`, `snapshot`, `changedBy`, `changeReason`, `createdAt`.
    #[schema(value_type = Vec<Object>)]
    pub revisions: Vec<Map<String, Value>>,
    /// The prompt's revision now.
    pub current_revision: i64,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// One revision of a prompt, with the prompt as it is after it.
pub(super) fn document(
    before: Option<&Prompt>,
    after: &Prompt,
    changed_by: Option<&str>,
    reason: Option<&str>,
    at: Moment,
) -> bson::error::Result<Document> {
    let snapshot: Map<String, Value> =
        after.0.iter().filter(|(field, _)| EDITABLE.contains(&field.as_str())).map(clone).collect();
    mongo::to_document(&StoredRevision {
        id: id::new(),
        prompt_id: after.id(),
        revision: after.revision(),
        changes: changes(before, after),
        snapshot,
        changed_by,
        reason,
        created_at: at,
    })
}

fn clone((field, value): (&String, &Value)) -> (String, Value) {
    (field.clone(), value.clone())
}

/// Field by field, what was created, updated or deleted. The prompt's going is a change of `active`.
fn changes(before: Option<&Prompt>, after: &Prompt) -> Vec<Value> {
    let compared = EDITABLE.iter().chain(["active"].iter());
    let change = |field: &&str| {
        let old = before.and_then(|before| before.0.get(*field)).filter(|value| !value.is_null());
        let new = after.0.get(*field).filter(|value| !value.is_null());
        let kind = match (old, new) {
            (None, Some(_)) => "created",
            (Some(_), None) => "deleted",
            (Some(old), Some(new)) if old != new => "updated",
            _ => return None,
        };
        Some(json!({"field": field, "changeType": kind, "oldValue": old.map(shorten), "newValue": new.map(shorten)}))
    };
    compared.filter_map(change).collect()
}

fn shorten(value: &Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= MAX_VALUE_CHARS {
        return value.clone();
    }
    Value::String(text.chars().take(MAX_VALUE_CHARS).collect())
}

/// Makes prompts that are about to be imported follow what was done here: one that is older than its last
/// revision becomes the next one, so that whoever has read that revision does not overwrite the import, and the
/// next change does not meet a number that is taken. Returns these revisions, for [`keep_imported`].
pub async fn follow(mongo: &Mongo, items: &mut [Map<String, Value>]) -> anyhow::Result<Vec<Document>> {
    let ids: Vec<_> = items.iter().filter_map(|item| item.get("id")?.as_str()).collect();
    let last = vec![
        doc! {"$match": {"promptId": {"$in": ids}}},
        doc! {"$group": {"_id": "$promptId", "revision": {"$max": "$revision"}}},
    ];
    let find = async |database: Database| {
        let revisions = database.collection::<Document>("prompt_revisions").aggregate(last).await?;
        revisions.with_type::<Last>().try_collect::<Vec<_>>().await
    };
    let last: HashMap<_, _> =
        mongo.run(IMPORT_TIMEOUT, find).await?.into_iter().map(|last| (last.id, last.revision)).collect();
    let mut followed = Vec::new();
    for item in items {
        let prompt = Prompt(std::mem::take(item));
        let last = last.get(prompt.id()).copied().filter(|last| prompt.revision() < *last);
        *item = prompt.0;
        if let Some(last) = last {
            item.insert("currentRevision".into(), (last + 1).into());
            followed.push(document(None, &Prompt(item.clone()), None, Some("imported"), clock::now())?);
        }
    }
    Ok(followed)
}

/// Keeps what [`follow`] returned, once its items are imported: not before, or a prompt whose import failed would meet
/// its next revision as one that is taken, for ever. (Of an import that failed in part none are kept: the next change
/// of a prompt makes up for its own.)
pub async fn keep_imported(mongo: &Mongo, followed: &[Document]) -> anyhow::Result<()> {
    for revision in followed {
        // Who was so fast as to change the prompt meanwhile has kept it already.
        let at = doc! {"promptId": revision.get("promptId"), "revision": revision.get("revision")};
        let keep = async |database: Database| {
            let revisions = database.collection::<Document>("prompt_revisions");
            revisions.update_one(at, doc! {"$setOnInsert": revision}).upsert(true).await
        };
        mongo.run(IMPORT_TIMEOUT, keep).await?;
    }
    Ok(())
}

/// The revisions of a prompt, the newest first, from `cursor` on: to its editors all of them, to others those that they
/// could have read as the prompt was then.
pub async fn list(
    mongo: &Mongo,
    prompt: &Prompt,
    reader: Option<&Principal>,
    page: Page,
) -> Result<RevisionPage, Problem> {
    let (mut revisions, next_cursor) = stored(mongo, prompt.id(), page).await?;
    if !reader.is_some_and(|reader| may_edit(reader, prompt)) {
        revisions.retain(|revision| as_of(prompt, revision).is_some_and(|then| may_read(reader, &then)));
        revisions.iter_mut().for_each(for_readers);
    }
    revisions.iter_mut().for_each(rename);
    Ok(RevisionPage { revisions, current_revision: prompt.revision(), next_cursor })
}

/// A page of a prompt's revisions as they are stored, the newest first, and where the next one begins.
pub async fn stored(
    mongo: &Mongo,
    prompt_id: &str,
    Page { limit, cursor }: Page,
) -> Result<(Vec<Map<String, Value>>, Option<String>), Problem> {
    let mut filter = doc! {"promptId": prompt_id};
    if let Some(Cursor(_, last)) = cursor {
        let last: i64 = last.parse().map_err(|_| Problem::invalid_field("cursor", "is not one of this list"))?;
        filter.insert("revision", doc! {"$lt": last});
    }
    let wanted = Page::to_read(limit);
    let find = async |database: Database| {
        let revisions = database.collection::<RawDocumentBuf>("prompt_revisions");
        Page::read(revisions.find(filter).sort(doc! {"revision": -1}).limit(wanted).await?, limit).await
    };
    let (read, shown) = mongo.run(REQUEST_TIMEOUT, find).await?;
    let place = |revision: &RawDocumentBuf| {
        let number = revision
            .get("revision")
            .ok()
            .flatten()
            .and_then(|number| number.as_i64().or_else(|| number.as_i32().map(i64::from)));
        Cursor(String::new(), number.unwrap_or_default().to_string())
    };
    let (read, next_cursor) = Page::cut(read, shown, place);
    Ok((mongo::readable_json("prompt_revisions", &read), next_cursor))
}

/// The prompt as a revision left it; `None` when it has no snapshot, as another tool wrote it: nobody can tell who could
/// read the prompt then.
fn as_of(prompt: &Prompt, revision: &Map<String, Value>) -> Option<Prompt> {
    let snapshot = revision.get("snapshot").and_then(Value::as_object).filter(|snapshot| !snapshot.is_empty())?;
    let mut fields = prompt.0.clone();
    fields.retain(|field, _| !EDITABLE.contains(&field.as_str()));
    fields.extend(snapshot.clone());
    Some(Prompt(fields))
}

/// Without who wrote it; and without what the prompt was before, where it was others' to read then.
fn for_readers(revision: &mut Map<String, Value>) {
    revision.insert("changedBy".into(), "editor".into());
    let changes = revision.get_mut("changes").and_then(Value::as_array_mut);
    let changes = changes.map(Vec::as_mut_slice).unwrap_or_default();
    let opens = changes.iter().any(|change| change["field"].as_str().is_some_and(|field| ACCESS.contains(&field)));
    for change in changes.iter_mut().filter_map(|change| change.as_object_mut().filter(|_| opens)) {
        change.insert("oldValue".into(), Value::Null);
    }
}

/// A stored revision under the names by which readers know its number and its reason.
fn rename(revision: &mut Map<String, Value>) {
    for (stored, name) in [("revision", "revisionNumber"), ("reason", "changeReason")] {
        let value = revision.shift_remove(stored).unwrap_or_default();
        revision.insert(name.into(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(value: Value) -> Prompt {
        let Value::Object(map) = value else { panic!("an object") };
        Prompt(map)
    }

    #[test]
    fn a_change_tells_both_sides_and_long_ones_in_part() {
        let before = prompt(json!({"title": "a", "role": "r", "tags": ["x"], "views": 1}));
        let after = prompt(json!({"title": "b", "tags": ["x"], "content": "c".repeat(600), "views": 2}));
        let changes = changes(Some(&before), &after);
        let kinds: Vec<_> = changes.iter().map(|change| (&change["field"], &change["changeType"])).collect();
        assert_eq!(
            kinds,
            [
                (&json!("title"), &json!("updated")),
                (&json!("content"), &json!("created")),
                (&json!("role"), &json!("deleted"))
            ]
        );
        assert_eq!(changes[0], json!({"field": "title", "changeType": "updated", "oldValue": "a", "newValue": "b"}));
        assert_eq!(changes[1]["newValue"].as_str().map(str::len), Some(MAX_VALUE_CHARS));
    }
}
