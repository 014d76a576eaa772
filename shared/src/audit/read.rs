//! Reading the audit log, the newest first.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::AuditEntry;
use crate::{
    clock::Moment,
    http::{Cursor, Page, Problem},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::QueuedEvent,
};

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Id of who did it.
    pub actor: Option<String>,
    /// `auth.login.failed`, …
    pub action: Option<String>,
    /// `auth`, `security`, `admin` or `data`.
    pub category: Option<String>,
    /// `info`, `warning` or `error`.
    pub severity: Option<String>,
    /// `user/<id>`, …
    pub resource: Option<String>,
    /// From this instant on (RFC 3339).
    #[param(value_type = Option<String>, format = "date-time")]
    pub from: Option<Moment>,
    /// Before this instant (RFC 3339).
    #[param(value_type = Option<String>, format = "date-time")]
    pub to: Option<Moment>,
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// As they were written.
    #[schema(value_type = Vec<AuditEntry>)]
    pub entries: Vec<Map<String, Value>>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Entries that match, from `cursor` on.
pub async fn list(mongo: &Mongo, filter: &AuditFilter, Page { limit, cursor }: Page) -> Result<AuditPage, Problem> {
    let query = query(filter, cursor);
    let find = async |database: Database| {
        let entries = database.collection::<RawDocumentBuf>(AuditEntry::COLLECTION);
        let page = entries.find(query).sort(doc! {"_id": -1}).limit(Page::to_read(limit));
        page.await?.try_collect::<Vec<_>>().await
    };
    let read = mongo.run(REQUEST_TIMEOUT, find).await?;
    let (read, next_cursor) = Page::cut(read, limit, Page::by_id);
    Ok(AuditPage { entries: mongo::readable_json(AuditEntry::COLLECTION, &read), next_cursor })
}

/// Ids are ordered by time, so they are what a page is cut by.
fn query(filter: &AuditFilter, cursor: Option<Cursor>) -> Document {
    let mut query = Document::new();
    let exact = [
        ("actorId", &filter.actor),
        ("action", &filter.action),
        ("category", &filter.category),
        ("severity", &filter.severity),
        ("resource", &filter.resource),
    ];
    for (field, value) in exact {
        if let Some(value) = value {
            query.insert(field, value);
        }
    }
    let mut time = Document::new();
    if let Some(from) = filter.from {
        time.insert("$gte", from);
    }
    if let Some(to) = filter.to {
        time.insert("$lt", to);
    }
    if !time.is_empty() {
        query.insert("at", time);
    }
    if let Some(Cursor(_, last)) = cursor {
        query.insert("_id", doc! {"$lt": last});
    }
    query
}
