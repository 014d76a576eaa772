//! A prompt as the database has it: every field that it came with, and a few that rules ask for.

use axum::response::IntoResponse;
use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use http::header;
use mongodb::{Collection, Database};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    http::{IfMatch, Problem, Reply},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// A stored prompt, as JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Prompt(pub Map<String, Value>);

impl Prompt {
    /// The prompt with this id, or else this slug, unless it was deleted.
    pub async fn find(mongo: &Mongo, id_or_slug: &str) -> Result<Option<Self>, Problem> {
        Ok(Self::find_any(mongo, id_or_slug).await?.filter(|prompt| prompt.flag("active", true)))
    }

    /// As [`Prompt::find`], deleted or not.
    pub(super) async fn find_any(mongo: &Mongo, id_or_slug: &str) -> Result<Option<Self>, Problem> {
        let either = doc! {"$or": [{"_id": id_or_slug}, {"slug": id_or_slug}]};
        let find = async |database: Database| collection(&database).find(either).await?.try_collect::<Vec<_>>().await;
        let found = mongo.run(REQUEST_TIMEOUT, find).await?;
        let prompts = mongo::readable_json("prompts", &found).into_iter().map(Self);
        // An id wins over another prompt's slug, as in the library.
        Ok(prompts.max_by_key(|prompt| prompt.id() == id_or_slug))
    }

    pub fn id(&self) -> &str {
        self.text("id").unwrap_or_default()
    }

    /// How often it was changed, its making included; what was imported without one is at its first.
    pub fn revision(&self) -> i64 {
        self.0.get("currentRevision").and_then(Value::as_i64).unwrap_or(1)
    }

    /// The field, if it is text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(Value::as_str)
    }

    /// Whether the flag is set; `default` when it is absent.
    pub fn flag(&self, field: &str, default: bool) -> bool {
        match self.0.get(field) {
            None | Some(Value::Null) => default,
            Some(value) => *value == Value::Bool(true),
        }
    }

    /// Whether everybody may know of it. What was imported without the flag is public, unless an organisation owns it.
    pub fn is_public(&self) -> bool {
        self.flag("isPublic", self.0.get("organizationId").is_none_or(Value::is_null))
    }

    /// 200 for one of its editors, with the ETag that a change asks for; no cache keeps it.
    pub fn reply(&self) -> Reply {
        Reply::ok(self).with(header::ETAG, IfMatch::etag(self.revision()))
    }

    /// As [`Prompt::reply`], for one just made.
    pub fn created_reply(&self) -> impl IntoResponse + use<> {
        Reply::created(self).with(header::ETAG, IfMatch::etag(self.revision()))
    }
}

/// `prompts`, as it is on the disk.
pub(super) fn collection(database: &Database) -> Collection<RawDocumentBuf> {
    database.collection("prompts")
}

/// As [`collection`], for what is written.
pub(super) fn writable(database: &Database) -> Collection<Document> {
    database.collection("prompts")
}
