//! Everything that is kept about an account, as lines of JSON in files of some megabytes.

use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    ExportFiles,
    collections::{HOLDINGS, Holding},
};
use crate::{
    clock::{self, Moment},
    http::Problem,
    id,
    mongo::{self, Mongo, REQUEST_TIMEOUT, WORK_TIMEOUT},
};

/// How long an export is kept, and its request.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A part's size, as soon as it has one more line: Lambda answers with 6 MB at most, in which a quote counts twice.
const PART_BYTES: usize = 2_000_000;
/// One collection's documents about an account, which are some megabytes at most ([`crate::ledger::ACCOUNT_TOTAL`]).
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// `account_exports`: the last one that an account's owner asked for.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportRequest {
    #[serde(rename = "_id")]
    pub account_id: String,
    folder: String,
    asked_at: Moment,
    /// When it was written; none while it is not.
    done_at: Option<Moment>,
    parts: u32,
    bytes: i64,
    expires_at: Moment,
}

/// How an export stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExportStatus {
    /// It is written within a quarter of an hour.
    Pending,
    /// It can be read.
    Ready,
}

/// An export of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "ready", "askedAt": "2026-11-29T10:00:00Z", "readyAt": "2026-11-29T10:03:02Z",
    "expiresAt": "2026-12-06T10:03:02Z", "parts": 1, "bytes": 48210}))]
pub struct ExportView {
    /// Whether it can be read.
    pub status: ExportStatus,
    /// When it was asked for.
    pub asked_at: Moment,
    /// When it was written.
    pub ready_at: Option<Moment>,
    /// Until when it can be read.
    pub expires_at: Moment,
    /// In how many parts it is read, one after the other from 1 on.
    pub parts: u32,
    /// Their size together.
    pub bytes: i64,
}

impl From<ExportRequest> for ExportView {
    fn from(request: ExportRequest) -> Self {
        Self {
            status: if request.done_at.is_some() { ExportStatus::Ready } else { ExportStatus::Pending },
            asked_at: request.asked_at,
            ready_at: request.done_at,
            expires_at: request.expires_at,
            parts: request.parts,
            bytes: request.bytes,
        }
    }
}

/// Exports, as their owners ask for them and read them.
pub struct Exports {
    mongo: Mongo,
    files: ExportFiles,
}

impl Exports {
    pub fn new(mongo: Mongo, files: ExportFiles) -> Self {
        Self { mongo, files }
    }

    /// Asks for an export, in the place of the one before; of one that is pending already nothing changes.
    pub async fn ask(&self, account_id: &str) -> Result<ExportView, Problem> {
        let now = clock::now();
        let request = ExportRequest {
            account_id: account_id.to_owned(),
            folder: id::new(),
            asked_at: now,
            done_at: None,
            parts: 0,
            bytes: 0,
            expires_at: now + KEPT,
        };
        let replace = async |database: Database| {
            let none_pending = doc! {"_id": account_id, "doneAt": {"$ne": null}};
            collection(&database).replace_one(none_pending, &request).upsert(true).await
        };
        match self.mongo.run(REQUEST_TIMEOUT, replace).await {
            Ok(_) => Ok(request.into()),
            // One is pending.
            Err(error) if error.is_duplicate() => self.status(account_id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The last export; 404 when there is none.
    pub async fn status(&self, account_id: &str) -> Result<ExportView, Problem> {
        self.find(account_id).await.map(ExportView::from)
    }

    /// A part of the last export, from 1 on; 404 when there is none.
    pub async fn read(&self, account_id: &str, part: u32) -> Result<Vec<u8>, Problem> {
        let request = self.find(account_id).await?;
        if request.done_at.is_none() || part == 0 || part > request.parts {
            return Err(Problem::not_found("The export has no such part."));
        }
        let read = self.files.read(account_id, &request.folder, part).await.map_err(Problem::unavailable)?;
        read.ok_or_else(|| Problem::not_found("The export expired: ask for another one."))
    }

    async fn find(&self, account_id: &str) -> Result<ExportRequest, Problem> {
        let lives = doc! {"_id": account_id, "expiresAt": {"$gt": clock::now()}};
        let find = async |database: Database| collection(&database).find_one(lives).await;
        let found = self.mongo.run(REQUEST_TIMEOUT, find).await?;
        found.ok_or_else(|| Problem::not_found("There is no export: ask for one first."))
    }
}

/// Those that are not written yet.
pub(super) async fn pending(mongo: &Mongo) -> Result<Vec<ExportRequest>, mongo::Error> {
    let find = async |database: Database| {
        let found = collection(&database).find(doc! {"doneAt": null}).sort(doc! {"askedAt": 1}).await?;
        found.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
    };
    Ok(mongo::readable("account_exports", &mongo.run(WORK_TIMEOUT, find).await?))
}

/// Writes an export. Begun again it writes the same files.
pub(super) async fn write(
    mongo: &Mongo,
    files: &ExportFiles,
    request: &ExportRequest,
    at: Moment,
) -> anyhow::Result<()> {
    let mut writer = Writer { files, request, lines: Vec::new(), parts: 0, bytes: 0 };
    for holding in HOLDINGS {
        for document in read(mongo, holding, &request.account_id).await? {
            writer.add(&line(holding, &document)?).await?;
        }
    }
    writer.flush().await?;
    let set = doc! {"$set": {
        "doneAt": at, "parts": i64::from(writer.parts), "bytes": i64::try_from(writer.bytes)?, "expiresAt": at + KEPT,
    }};
    let written = doc! {"_id": &request.account_id, "folder": &request.folder};
    mongo.run(WORK_TIMEOUT, async |database| collection(&database).update_one(written, set).await).await?;
    Ok(())
}

/// The documents of a holding, as an index finds them: sorting would cost the database memory.
async fn read(mongo: &Mongo, holding: &Holding, account_id: &str) -> Result<Vec<RawDocumentBuf>, mongo::Error> {
    let theirs = holding.of(account_id);
    let find = async |database: Database| {
        let found = database.collection::<Document>(holding.collection).find(theirs).await?;
        found.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
    };
    mongo.run(READ_TIMEOUT, find).await
}

/// `{"collection": …, "document": …}`. What has no form in JSON becomes what comes nearest.
fn line(holding: &Holding, document: &RawDocumentBuf) -> anyhow::Result<Vec<u8>> {
    let mut document = mongo::to_json_leniently(document, &mut Vec::new())?;
    for path in holding.left_out {
        remove(&mut document, path);
    }
    let mut line = serde_json::to_vec(&json!({"collection": holding.collection, "document": document}))?;
    line.push(b'\n');
    Ok(line)
}

fn remove(object: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        Some((first, rest)) => {
            if let Some(Value::Object(inner)) = object.get_mut(first) {
                remove(inner, rest);
            }
        }
        None => drop(object.shift_remove(path)),
    }
}

/// The files of an export, as they are written.
struct Writer<'a> {
    files: &'a ExportFiles,
    request: &'a ExportRequest,
    lines: Vec<u8>,
    parts: u32,
    bytes: usize,
}

impl Writer<'_> {
    async fn add(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.lines.extend_from_slice(line);
        if self.lines.len() >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.bytes += self.lines.len();
        self.parts += 1;
        let lines = std::mem::take(&mut self.lines);
        self.files.write(&self.request.account_id, &self.request.folder, self.parts, lines).await
    }
}

fn collection(database: &Database) -> Collection<ExportRequest> {
    database.collection("account_exports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_something_is_left_out() {
        let user = doc! {
            "_id": "ada", "email": "ada@example.com", "passwordHash": "$argon2id$",
            "mfa": {"method": "sms", "phone": "+41790000000", "totp": "sealed", "recovery": ["h"], "recoverySalt": "s", "pending": {"totp": "t"}},
        };
        let users = HOLDINGS.iter().find(|holding| holding.collection == "users").expect("users");
        let line = line(users, &RawDocumentBuf::try_from(&user).expect("raw")).expect("a line");
        let read: Value = serde_json::from_slice(&line).expect("JSON");
        let expected = json!({"id": "ada", "email": "ada@example.com",
            "mfa": {"method": "sms", "phone": "+41790000000", "pending": {}}});
        assert_eq!(read, json!({"collection": "users", "document": expected}));
    }
}
