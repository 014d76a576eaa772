//! Writing here: what is new, and what changed there and not here. Nothing else is ever replaced.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::{
    Database,
    error::{ErrorKind, WriteFailure},
};
use shared::mongo::{self, DUPLICATE_KEY, Mongo, WORK_TIMEOUT};

use super::{
    convert::{NewDocument, Row},
    ledger::{Entry, Ledger, Wrote, merged, version, whole_version},
    pace::{BATCH, Pace},
    report::Left,
};

/// The server's code for a document that a validator refuses.
const REFUSED_BY_VALIDATOR: i32 = 121;
/// Ids in one look-up.
const LOOKED_UP: usize = 500;

/// What is to be done for an old collection.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) unchanged: u64,
    pub(super) skipped: Vec<Left>,
    pub(super) steps: Vec<Step>,
}

/// What is to be done for one old document.
pub(super) struct Step {
    entry: Entry,
    inserts: Vec<NewDocument>,
    /// Each with what it replaces, of which it has what the functions keep.
    replacements: Vec<(Document, NewDocument)>,
}

impl Plan {
    /// Compares what there is on both sides with what the ledger knows.
    pub(super) async fn make(
        mongo: &Mongo,
        ledger: &Ledger,
        collection: &str,
        rows: &[Row],
        pace: &mut Pace,
    ) -> anyhow::Result<Self> {
        let mut plan = Self::default();
        let mut open = Vec::new();
        for Row { id, version, outcome, .. } in rows {
            let entry = ledger.of(collection, id);
            match outcome {
                Err(reason) => plan.skipped.push(Left { id: id.clone(), reason: reason.clone() }),
                Ok(_) if entry.is_some_and(|entry| entry.done && entry.version == *version) => plan.unchanged += 1,
                Ok(documents) => open.push((id, version, documents)),
            }
        }
        let wanted = open.iter().flat_map(|(.., documents)| *documents).map(|new| (new.collection, new.id()));
        let current = current(mongo, wanted, pace).await?;
        for (id, version, documents) in open {
            let entry = Entry::new(collection.to_owned(), id.clone(), version.clone(), documents);
            match Step::make(entry, documents, ledger.of(collection, id), &current) {
                Ok(step) => plan.steps.push(step),
                Err(reason) => plan.skipped.push(Left { id: id.clone(), reason: reason.into() }),
            }
        }
        Ok(plan)
    }

    /// Bytes of what is to be written.
    pub(super) fn bytes(&self) -> u64 {
        let size = |new: &NewDocument| bson::serialize_to_vec(&new.document).map_or(0, |bytes| bytes.len() as u64);
        let of = |step: &Step| step.documents().map(size).sum::<u64>();
        self.steps.iter().map(of).sum()
    }
}

impl Step {
    fn make(
        entry: Entry,
        documents: &[NewDocument],
        old: Option<&Entry>,
        current: &HashMap<(&'static str, String), Document>,
    ) -> Result<Self, &'static str> {
        let (mut inserts, mut replacements) = (Vec::new(), Vec::new());
        for new in documents {
            let (name, id) = (new.collection, new.id());
            let Some(here) = current.get(&(name, id.clone())) else {
                if old.is_some_and(|old| old.done && old.has_written(name, &id)) {
                    return Err("it was removed here, and changed there since: it stays removed");
                }
                inserts.push(new.clone());
                continue;
            };
            if new.any_will_do || entry.wrote_whole(name, &id, &whole_version(here)) {
                continue;
            }
            match old {
                Some(old) if old.knows(name, &id, &version(name, here)) => {
                    let document = merged(name, here, new.document.clone());
                    if document != *here {
                        replacements.push((here.clone(), NewDocument { document, ..new.clone() }));
                    }
                }
                Some(_) => return Err("it was changed here and there: it stays as it is here"),
                // Made by a session of the front end, whose account it is: the old one was not brought yet.
                None if name == "users" && is_made_by_cookie(here) => {
                    let document = merged(name, here, new.document.clone());
                    replacements.push((here.clone(), NewDocument { document, ..new.clone() }));
                }
                None => return Err("another document with its id is here: it stays as it is here"),
            }
        }
        Ok(Self { entry, inserts, replacements })
    }

    fn documents(&self) -> impl Iterator<Item = &NewDocument> {
        self.inserts.iter().chain(self.replacements.iter().map(|(_, new)| new))
    }
}

/// An account that nobody can sign in to but by the front end's cookie.
fn is_made_by_cookie(account: &Document) -> bool {
    account.get("passwordHash").is_none() && account.get("emailVerifiedAt").is_none()
}

impl Entry {
    fn new(collection: String, id: String, of: String, documents: &[NewDocument]) -> Self {
        let wrote = |new: &NewDocument| Wrote {
            collection: new.collection.to_owned(),
            id: new.id(),
            version: version(new.collection, &new.document),
            whole: whole_version(&new.document),
        };
        let wrote = documents.iter().map(wrote).collect();
        Self { collection, id, version: of, wrote, done: false, earlier: Vec::new() }
    }

    /// What is known once only these of its documents are written: the next run tries the others again.
    fn in_part(mut self, ledger: &Ledger, written: &[(&str, String)]) -> Self {
        let is_written = |wrote: &Wrote| written.iter().any(|(name, id)| wrote.collection == *name && wrote.id == *id);
        self.wrote.retain(is_written);
        if let Some(before) = ledger.of(&self.collection, &self.id) {
            let others = before.wrote.iter().chain(&before.earlier).filter(|wrote| !is_written(wrote));
            self.wrote.extend(others.cloned());
        }
        Self { version: String::new(), ..self }
    }
}

/// Ids of old documents that are there no more, while what was written of them is still here.
pub(super) async fn gone(
    mongo: &Mongo,
    ledger: &Ledger,
    collection: &str,
    there: &HashMap<&str, &Document>,
    unreadable: &[Left],
    pace: &mut Pace,
) -> anyhow::Result<Vec<String>> {
    let is_read = |id: &str| there.contains_key(id) || unreadable.iter().any(|left| left.id == id);
    let gone: Vec<_> = ledger.of_collection(collection).filter(|entry| entry.done && !is_read(&entry.id)).collect();
    let wrote = gone.iter().flat_map(|entry| &entry.wrote);
    let here = current(mongo, wrote.map(|wrote| (wrote.collection.as_str(), wrote.id.clone())), pace).await?;
    let is_here = |wrote: &Wrote| here.contains_key(&(wrote.collection.as_str(), wrote.id.clone()));
    let mut ids: Vec<_> =
        gone.iter().filter(|entry| entry.wrote.iter().any(is_here)).map(|entry| entry.id.clone()).collect();
    ids.sort();
    Ok(ids)
}

/// What is here now of these collections and ids.
async fn current<'a>(
    mongo: &Mongo,
    wanted: impl Iterator<Item = (&'a str, String)>,
    pace: &mut Pace,
) -> anyhow::Result<HashMap<(&'a str, String), Document>> {
    let mut ids: BTreeMap<&'a str, Vec<String>> = BTreeMap::new();
    wanted.for_each(|(name, id)| ids.entry(name).or_default().push(id));
    let mut found = HashMap::new();
    for (name, ids) in ids {
        for ids in ids.chunks(LOOKED_UP) {
            pace.wait(1).await;
            let find = async |database: Database| {
                let these = doc! {"_id": {"$in": ids}};
                let these = database.collection::<Document>(name).find(these).batch_size(1000).await?;
                these.try_collect::<Vec<_>>().await
            };
            for document in mongo.run(WORK_TIMEOUT, find).await? {
                let id = document.get_str("_id").unwrap_or_default().to_owned();
                found.insert((name, id), document);
            }
        }
    }
    Ok(found)
}

/// Takes the steps; returns the ids of the old documents that were written, and those that the server refused. `progress`
/// is told how many steps are done.
pub(super) async fn write(
    mongo: &Mongo,
    ledger: &mut Ledger,
    steps: Vec<Step>,
    pace: &mut Pace,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<(Vec<String>, Vec<Left>)> {
    let (mut written, mut refused, mut done) = (Vec::new(), Vec::<Left>::new(), 0);
    let mut steps = steps.into_iter().peekable();
    while steps.peek().is_some() {
        let (mut batch, mut documents) = (Vec::new(), 0);
        while let Some(step) = steps.next_if(|step| batch.is_empty() || documents + step.inserts.len() <= BATCH) {
            documents += step.inserts.len();
            batch.push(step);
            if batch.len() == BATCH {
                break;
            }
        }
        done += batch.len();
        let before = refused.len();
        let ids: Vec<String> = batch.iter().map(|step| step.entry.id.clone()).collect();
        write_batch(mongo, ledger, batch, &mut refused, pace).await?;
        written.extend(ids.into_iter().filter(|id| refused[before..].iter().all(|left| left.id != *id)));
        progress(done);
    }
    Ok((written, refused))
}

async fn write_batch(
    mongo: &Mongo,
    ledger: &mut Ledger,
    batch: Vec<Step>,
    refused: &mut Vec<Left>,
    pace: &mut Pace,
) -> anyhow::Result<()> {
    let entries: Vec<Entry> = batch.iter().map(|step| step.entry.clone()).collect();
    let intent = ledger.intend(mongo, &entries, pace).await?;
    let mut reasons: HashMap<usize, String> = HashMap::new();
    let mut written: Vec<Vec<(&'static str, String)>> = vec![Vec::new(); entries.len()];
    let mut inserts: Vec<(usize, NewDocument)> = Vec::new();
    for (place, step) in batch.into_iter().enumerate() {
        for (here, new) in step.replacements {
            if reasons.contains_key(&place) {
                break;
            }
            match replace(mongo, &here, &new, pace).await? {
                None => written[place].push((new.collection, new.id())),
                Some(reason) => drop(reasons.insert(place, reason)),
            }
        }
        inserts.extend(step.inserts.into_iter().map(|new| (place, new)));
    }
    // A prompt before its counts: what is refused leaves nothing of itself behind.
    while let Some(name) = inserts.first().map(|(_, new)| new.collection) {
        let (these, others): (Vec<_>, Vec<_>) = inserts.into_iter().partition(|(_, new)| new.collection == name);
        inserts = others;
        let these: Vec<_> = these.into_iter().filter(|(place, _)| !reasons.contains_key(place)).collect();
        for chunk in these.chunks(BATCH) {
            let refusals: HashMap<usize, (usize, String)> = insert(mongo, name, chunk, pace).await?;
            for (index, (place, new)) in chunk.iter().enumerate() {
                if !refusals.contains_key(&index) {
                    written[*place].push((name, new.id()));
                }
            }
            reasons.extend(refusals.into_values());
        }
    }
    let mut kept = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let Some(reason) = reasons.remove(&place) else {
            kept.push(entry);
            continue;
        };
        refused.push(Left { id: entry.id.clone(), reason });
        if !written[place].is_empty() {
            kept.push(entry.in_part(ledger, &written[place]));
        }
    }
    Ok(ledger.finish(mongo, intent, kept, pace).await?)
}

/// Inserts documents of one collection; returns which were refused, by their index, each with the place of its step and
/// why.
async fn insert(
    mongo: &Mongo,
    name: &str,
    documents: &[(usize, NewDocument)],
    pace: &mut Pace,
) -> anyhow::Result<HashMap<usize, (usize, String)>> {
    pace.wait(documents.len()).await;
    let all: Vec<&Document> = documents.iter().map(|(_, new)| &new.document).collect();
    let command = doc! {"insert": name, "documents": all, "ordered": false, "writeConcern": {"w": "majority"}};
    let answer = mongo.run(WORK_TIMEOUT, async |database| database.run_command(command).await).await?;
    let mut reasons = HashMap::new();
    for error in answer.get_array("writeErrors").into_iter().flatten().filter_map(Bson::as_document) {
        let number = |field: &str| super::old::number(error.get(field).unwrap_or(&Bson::Null)).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the batch, and a code")]
        let (index, code) = (number("index") as usize, number("code") as i32);
        let reason = refusal(name, code, error.get_document("keyPattern").ok())?;
        let (step, _) = documents.get(index).context("the server refused a document that it was not sent")?;
        reasons.insert(index, (*step, reason));
    }
    Ok(reasons)
}

/// Why the server refused a document; an error where it takes no other document either.
fn refusal(name: &str, code: i32, key: Option<&Document>) -> anyhow::Result<String> {
    let fields = key.map(|key| key.keys().cloned().collect::<Vec<_>>().join(", "));
    match code {
        DUPLICATE_KEY => {
            let fields = fields.unwrap_or_else(|| "key".into());
            Ok(format!("another document here has the same {fields}: change one of the two"))
        }
        REFUSED_BY_VALIDATOR => Ok(format!("{name} does not take it: it lacks what its validator asks for")),
        _ => bail!("the server refused to write to {name} (code {code}): is its storage full?"),
    }
}

/// Replaces a document if it is as it was when it was looked at; else returns why not.
async fn replace(mongo: &Mongo, here: &Document, new: &NewDocument, pace: &mut Pace) -> anyhow::Result<Option<String>> {
    pace.wait(1).await;
    let is_plain = |(name, value): &(&String, &Bson)| {
        let plain =
            matches!(value, Bson::String(_) | Bson::Boolean(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::DateTime(_));
        plain && !name.starts_with('$') && !name.contains('.')
    };
    let as_it_was: Document = here.iter().filter(is_plain).map(|(name, value)| (name.clone(), value.clone())).collect();
    let replace = async |database: Database| {
        database.collection::<Document>(new.collection).replace_one(as_it_was, &new.document).await
    };
    match mongo.run(WORK_TIMEOUT, replace).await {
        Ok(done) if done.matched_count == 1 => Ok(None),
        Ok(_) => Ok(Some("it was changed here a moment ago: it stays as it is here".into())),
        Err(mongo::Error::Refused(error)) => {
            let (code, key) = match error.kind.as_ref() {
                ErrorKind::Write(WriteFailure::WriteError(write)) => (write.code, write.details.as_ref()),
                ErrorKind::Command(command) => (command.code, None),
                _ => return Err(mongo::Error::Refused(error).into()),
            };
            let key = key.and_then(|details| details.get_document("keyPattern").ok());
            refusal(new.collection, code, key).map(Some)
        }
        Err(error) => Err(error.into()),
    }
}
