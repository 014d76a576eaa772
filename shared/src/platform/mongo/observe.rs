//! The cluster as it sees itself: connections, storage, size of each collection.

use bson::{Bson, Document, doc};
use mongodb::Database;
use serde::Serialize;

use super::{Error, Mongo, WORK_TIMEOUT};
use crate::telemetry::{self, Metric};

/// What the tier allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections (M0: 500, M10: 1,500).
    pub connections: u64,
    /// Storage with indexes, in MB (M0: 512).
    pub storage_mb: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Connections at the node that answered (the primary), the observer's own included.
    pub connections: u64,
    /// Connections since the node's start.
    pub connections_created: u64,
    /// Share of the tier's connections, percent.
    pub connections_percent: f64,
    /// Data and indexes, bytes.
    pub storage_bytes: u64,
    /// Share of the tier's storage, percent.
    pub storage_percent: f64,
    pub growing: Vec<Size>,
}

/// How large a collection is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    pub collection: &'static str,
    pub documents: u64,
    /// Documents and indexes, bytes; `None` where the server does not tell.
    pub bytes: Option<u64>,
}

/// The one whose growth is a metric: it fills the database first.
const USAGE: &str = "ai_usage";
/// Collections that grow with use; their sizes over time are their growth rates.
const GROWING: [&str; 8] = [
    USAGE,
    "api_key_usage",
    "analytics_events",
    "audit_logs",
    "notifications",
    "workbench_runs",
    "usage_daily",
    "prompt_daily",
];

/// Reads the server's own counters. What an alarm watches, and how fast usage grows, is emitted as metrics.
#[expect(clippy::cast_precision_loss, reason = "CloudWatch stores doubles")]
pub async fn observe(mongo: &Mongo, limits: &Limits) -> Result<Observation, Error> {
    let seen = mongo.run(WORK_TIMEOUT, async |database| read(&database, limits).await).await?;
    let usage = seen.growing.iter().find(|size| size.collection == USAGE).map_or(0, |size| size.documents);
    telemetry::emit(&[
        (Metric::MongoConnections, seen.connections as f64),
        (Metric::MongoStoragePercent, seen.storage_percent),
        (Metric::UsageDocuments, usage as f64),
    ]);
    for Size { collection, documents, bytes } in &seen.growing {
        tracing::info!(collection, collection_documents = documents, collection_bytes = bytes, "size of a collection");
    }
    Ok(seen)
}

async fn read(database: &Database, limits: &Limits) -> mongodb::error::Result<Observation> {
    let status = database.run_command(doc! {"serverStatus": 1}).await?;
    let connections = status.get_document("connections").cloned().unwrap_or_default();
    let current = number(&connections, "current");
    let size = database.run_command(doc! {"dbStats": 1}).await?;
    // M0 counts uncompressed documents and indexes.
    let storage_bytes = number(&size, "dataSize") + number(&size, "indexSize");
    let mut growing = Vec::new();
    for collection in GROWING {
        growing.push(size_of(database, collection).await?);
    }
    Ok(Observation {
        connections: current,
        connections_created: number(&connections, "totalCreated"),
        connections_percent: percent(current, limits.connections),
        storage_bytes,
        storage_percent: percent(storage_bytes, limits.storage_mb * 1_000_000),
        growing,
    })
}

/// A server that does not take `collStats` is asked for the number alone. Atlas does not list it among the commands that
/// M0 refuses.
async fn size_of(database: &Database, collection: &'static str) -> mongodb::error::Result<Size> {
    if let Ok(size) = database.run_command(doc! {"collStats": collection}).await {
        let bytes = number(&size, "size") + number(&size, "totalIndexSize");
        return Ok(Size { collection, documents: number(&size, "count"), bytes: Some(bytes) });
    }
    let documents = database.collection::<Document>(collection).estimated_document_count().await?;
    Ok(Size { collection, documents, bytes: None })
}

/// The server answers in whatever number type it likes.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and sizes are small and positive")]
fn number(document: &Document, field: &str) -> u64 {
    match document.get(field) {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or_default(),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or_default(),
        Some(Bson::Double(n)) => *n as u64,
        _ => 0,
    }
}

/// Two decimals are enough for a graph.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 10_000.0).round() / 100.0 }
}
