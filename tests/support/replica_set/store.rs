//! What the set of nodes holds: documents, and the answers to writes that a driver may send again.

use std::collections::HashMap;

use bson::{Bson, Document, doc};

#[derive(Default)]
pub(super) struct Store {
    collections: HashMap<String, Vec<Document>>,
    /// By session and transaction number: a write that is sent again is answered again, not done again.
    answered: HashMap<String, Document>,
}

impl Store {
    pub(super) fn documents(&self, collection: &str) -> Vec<Document> {
        self.collections.get(collection).cloned().unwrap_or_default()
    }

    pub(super) fn run(&mut self, command: &Document) -> Document {
        let once = command.get("txnNumber").map(|number| format!("{:?} {number}", command.get("lsid")));
        if let Some(answer) = once.as_ref().and_then(|once| self.answered.get(once)) {
            return answer.clone();
        }
        let name = command.keys().next().map_or("", String::as_str);
        let collection = command.get_str(name).unwrap_or_default();
        let answer = match name {
            "insert" => self.insert(collection, &list(command, "documents")),
            "update" => self.update(collection, &list(command, "updates")),
            "find" => self.find(collection, command),
            _ => doc! {"ok": 1.0},
        };
        if let Some(once) = once {
            self.answered.insert(once, answer.clone());
        }
        answer
    }

    /// The first half of a command's documents or updates; the others are refused with `code`.
    pub(super) fn run_half(&mut self, command: &Document, code: i32) -> Document {
        let field = if command.contains_key("documents") { "documents" } else { "updates" };
        let mut half = list(command, field);
        let all = half.len();
        half.truncate(all / 2);
        let refused = half.len()..all;
        let mut command = command.clone();
        command.insert(field, half);
        let mut answer = self.run(&command);
        let mut errors = list(&answer, "writeErrors");
        errors.extend(refused.map(|index| doc! {"index": count(index), "code": code, "errmsg": "refused"}));
        answer.insert("writeErrors", errors);
        answer
    }

    /// As an unordered insert: one that is there already does not stop the others.
    pub(super) fn insert(&mut self, collection: &str, documents: &[Document]) -> Document {
        let stored = self.collections.entry(collection.to_owned()).or_default();
        let mut errors = Vec::new();
        for (index, document) in (0_i32..).zip(documents) {
            if stored.iter().any(|other| other.get("_id") == document.get("_id")) {
                errors.push(doc! {"index": index, "code": 11000, "errmsg": "E11000 duplicate key error"});
            } else {
                stored.push(document.clone());
            }
        }
        let mut answer = doc! {"ok": 1.0, "n": count(documents.len() - errors.len())};
        if !errors.is_empty() {
            answer.insert("writeErrors", errors);
        }
        answer
    }

    /// `$set` and `$inc`, where every field of the filter is equal.
    fn update(&mut self, collection: &str, updates: &[Document]) -> Document {
        let stored = self.collections.entry(collection.to_owned()).or_default();
        let mut matched = 0;
        for update in updates {
            let (Ok(filter), Ok(change)) = (update.get_document("q"), update.get_document("u")) else { continue };
            let Some(document) = stored.iter_mut().find(|document| matches(document, filter)) else { continue };
            matched += 1;
            for (field, value) in change.get_document("$set").into_iter().flatten() {
                document.insert(field, value.clone());
            }
            for (field, value) in change.get_document("$inc").into_iter().flatten() {
                let sum = document.get_i32(field).unwrap_or_default() + value.as_i32().unwrap_or_default();
                document.insert(field, sum);
            }
        }
        doc! {"ok": 1.0, "n": matched, "nModified": matched}
    }

    fn find(&self, collection: &str, command: &Document) -> Document {
        let filter = command.get_document("filter").cloned().unwrap_or_default();
        let mut found = self.documents(collection);
        found.retain(|document| matches(document, &filter));
        let name = format!("{}.{collection}", command.get_str("$db").unwrap_or_default());
        doc! {"ok": 1.0, "cursor": {"id": 0_i64, "ns": name, "firstBatch": found}}
    }
}

fn matches(document: &Document, filter: &Document) -> bool {
    filter.iter().all(|(field, value)| document.get(field) == Some(value))
}

fn list(command: &Document, field: &str) -> Vec<Document> {
    let items = command.get_array(field).cloned().unwrap_or_default();
    items.into_iter().filter_map(|item| if let Bson::Document(item) = item { Some(item) } else { None }).collect()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap()
}
