//! Reading the audit log, the newest first.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::ToSpan;
use mongodb::Database;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
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
    #[serde(default, deserialize_with = "given")]
    pub actor: Option<String>,
    /// `auth.login.failed`, …
    #[serde(default, deserialize_with = "given")]
    pub action: Option<String>,
    /// `auth`, `security`, `admin` or `data`.
    #[serde(default, rename = "eventCategory", deserialize_with = "given")]
    #[param(rename = "eventCategory")]
    pub category: Option<String>,
    /// Whether it was done, or refused.
    #[serde(default, deserialize_with = "flag")]
    #[param(value_type = Option<bool>)]
    pub success: Option<bool>,
    /// `info`, `warning` or `error`.
    #[serde(default, deserialize_with = "given")]
    pub severity: Option<String>,
    /// `user/<id>`, …
    #[serde(default, deserialize_with = "given")]
    pub resource: Option<String>,
    /// From this instant (RFC 3339) or UTC day on.
    #[serde(default, rename = "startDate", deserialize_with = "start")]
    #[param(rename = "startDate", value_type = Option<String>)]
    pub from: Option<Moment>,
    /// Before this instant (RFC 3339), or up to this UTC day.
    #[serde(default, rename = "endDate", deserialize_with = "end")]
    #[param(rename = "endDate", value_type = Option<String>)]
    pub to: Option<Moment>,
    /// Which page, from 1 to 100; a `cursor` goes further.
    #[serde(default, deserialize_with = "page")]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub page: Option<u64>,
}

/// Pages that are counted off; whoever looks further goes on by the cursor, which skips nothing.
const MAX_PAGE: u64 = 100;

/// Text; `None` where a form left its field empty.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    given(deserializer)?.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

fn page<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let page = |text: String| text.parse().ok().filter(|page| (1..=MAX_PAGE).contains(page));
    let refused = || D::Error::custom(format!("must be a whole number from 1 to {MAX_PAGE}"));
    given(deserializer)?.map(|text| page(text).ok_or_else(refused)).transpose()
}

fn start<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
    given(deserializer)?.map(|text| moment(&text, 0)).transpose()
}

fn end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
    given(deserializer)?.map(|text| moment(&text, 1)).transpose()
}

/// An instant; of a day, the beginning of the day `days` later.
fn moment<E: Error>(text: &str, days: i64) -> Result<Moment, E> {
    let of_day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        let begins: Moment = format!("{}T00:00:00Z", day.checked_add(days.days()).ok()?).parse().ok()?;
        Some(begins)
    };
    let at = if text.contains(['T', 't', ' ']) { text.parse().ok() } else { of_day() };
    at.ok_or_else(|| E::custom("must be an instant (RFC 3339) or a day, 2026-11-22"))
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// Always true.
    pub success: bool,
    /// The entries as they were written.
    #[schema(value_type = Vec<AuditEntry>)]
    pub data: Vec<Map<String, Value>>,
    /// Which page of how many it is.
    pub pagination: Pagination,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Which page of how many, of those that match.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPagination)]
pub struct Pagination {
    /// From 1. Behind a cursor it is not known, and 1.
    pub page: u64,
    /// Entries of a page.
    pub limit: usize,
    /// Entries that match, counted up to 100 pages.
    pub total: u64,
    /// Pages of them.
    pub total_pages: u64,
}

/// Entries that match, from `cursor` on.
pub async fn list(mongo: &Mongo, filter: &AuditFilter, Page { limit, cursor }: Page) -> Result<AuditPage, Problem> {
    let page = filter.page.filter(|_| cursor.is_none()).unwrap_or(1);
    let (matching, query) = (query(filter, None), query(filter, cursor));
    let size = u64::try_from(limit).unwrap_or(1);
    let find = async |database: Database| {
        let entries = database.collection::<RawDocumentBuf>(AuditEntry::COLLECTION);
        let found = entries.find(query).sort(doc! {"_id": -1}).skip((page - 1) * size).limit(Page::to_read(limit));
        let read: Vec<_> = found.await?.try_collect().await?;
        // No further than pages are counted off: the log of a year would be counted anew for each page.
        Ok((read, entries.count_documents(matching).limit(MAX_PAGE * size).await?))
    };
    let (read, total) = mongo.run(REQUEST_TIMEOUT, find).await?;
    let (read, next_cursor) = Page::cut(read, limit, Page::by_id);
    let pagination = Pagination { page, limit, total, total_pages: total.div_ceil(size) };
    let data = mongo::readable_json(AuditEntry::COLLECTION, &read);
    Ok(AuditPage { success: true, data, pagination, next_cursor })
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
    if let Some(success) = filter.success {
        query.insert("outcome", if success { "success" } else { "failure" });
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
