//! Statistics of the platform: one computation an hour, whoever asks.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::{
    cache::Cache,
    clock, content,
    mongo::{self, Mongo, REQUEST_LIMIT, WORK_LIMIT},
};

const KEY: &str = "site:stats:v1";
const LOCK: &str = "site:stats:v1:lock";
/// How long statistics count as fresh (the audit's figure).
pub const FRESH_FOR: Duration = Duration::from_hours(1);
/// How long they are kept for the time when the database is away.
const KEEP_FOR: Duration = Duration::from_hours(168);
/// One caller computes; the others wait for its result this often, this long.
const POLL: Duration = Duration::from_millis(50);
const LOCK_FOR: Duration = Duration::from_secs(4);

/// What the platform holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Prompts.
    pub prompts: PromptStats,
    /// Patterns.
    pub patterns: Total,
    /// Learning resources.
    pub learning_resources: Total,
    /// Accounts.
    pub users: Total,
    /// When this was computed.
    #[schema(value_type = String, format = "date-time")]
    pub last_updated: Timestamp,
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Total {
    /// The number.
    pub total: u64,
}

/// Public prompts, counted in three ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptStats {
    /// All.
    pub total: u64,
    /// By category.
    pub by_category: BTreeMap<String, u64>,
    /// By role; those without one are not counted.
    pub by_role: BTreeMap<String, u64>,
}

/// Statistics as served.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedStats {
    /// The figures.
    #[serde(flatten)]
    pub stats: Stats,
    /// Whether they came from the cache.
    pub cached: bool,
    /// Older than an hour, because the database is away.
    pub stale: bool,
}

/// Statistics behind the cache. At most one caller computes at a time; when the database is away
/// the last figures are served and say so; an error only when there are none.
pub async fn serve(mongo: &Mongo, cache: &Cache) -> Result<ServedStats, mongo::Error> {
    let kept = read(cache).await;
    if let Some(stats) = kept.clone().filter(is_fresh) {
        return Ok(ServedStats { stats, cached: true, stale: false });
    }
    if !cache.lock(LOCK, LOCK_FOR).await
        && let Some(stats) = await_other(cache).await
    {
        return Ok(ServedStats { stats, cached: true, stale: false });
    }
    match compute(mongo, REQUEST_LIMIT, clock::now()).await {
        Ok(stats) => {
            keep(cache, &stats).await;
            Ok(ServedStats { stats, cached: false, stale: false })
        }
        Err(error) => {
            cache.delete(LOCK).await;
            let stats = kept.ok_or(error)?;
            tracing::warn!("the database is away: stale statistics are served");
            Ok(ServedStats { stats, cached: true, stale: true })
        }
    }
}

/// Computes whatever the cache's age, and keeps the result.
pub async fn refresh(mongo: &Mongo, cache: &Cache, at: Timestamp) -> Result<Stats, mongo::Error> {
    let stats = compute(mongo, WORK_LIMIT, at).await?;
    keep(cache, &stats).await;
    Ok(stats)
}

/// Makes the kept statistics count as old, without losing them.
pub async fn invalidate(cache: &Cache) {
    if let Some(stats) = read(cache).await {
        keep(cache, &Stats { last_updated: Timestamp::UNIX_EPOCH, ..stats }).await;
    }
}

async fn read(cache: &Cache) -> Option<Stats> {
    cache.get(KEY).await.and_then(|text| serde_json::from_str(&text).ok())
}

async fn keep(cache: &Cache, stats: &Stats) {
    if let Ok(text) = serde_json::to_string(stats) {
        cache.set(KEY, &text, KEEP_FOR).await;
    }
    cache.delete(LOCK).await;
}

async fn await_other(cache: &Cache) -> Option<Stats> {
    let mut waited = Duration::ZERO;
    while waited < LOCK_FOR / 2 {
        tokio::time::sleep(POLL).await;
        waited += POLL;
        if let Some(stats) = read(cache).await.filter(is_fresh) {
            return Some(stats);
        }
    }
    None
}

fn is_fresh(stats: &Stats) -> bool {
    let age = clock::now().duration_since(stats.last_updated);
    age.unsigned_abs() < FRESH_FOR
}

/// Four operations. A failing one fails the whole: a zero would be a lie, kept for an hour.
async fn compute(mongo: &Mongo, limit: Duration, at: Timestamp) -> Result<Stats, mongo::Error> {
    mongo
        .run(limit, async |database| {
            Ok(Stats {
                prompts: prompts(&database).await?,
                patterns: count(&database, content::Kind::Patterns.collection(), doc! {}).await?,
                learning_resources: count(&database, content::Kind::Learning.collection(), doc! {"status": "active"})
                    .await?,
                users: count(&database, "users", doc! {}).await?,
                last_updated: at,
            })
        })
        .await
}

async fn count(database: &Database, collection: &str, filter: Document) -> mongodb::error::Result<Total> {
    Ok(Total { total: database.collection::<Document>(collection).count_documents(filter).await? })
}

/// One pass over the public prompts; folded here, since there are a few hundred.
async fn prompts(database: &Database) -> mongodb::error::Result<PromptStats> {
    #[derive(Deserialize)]
    struct Group {
        #[serde(rename = "_id")]
        key: GroupKey,
        count: u64,
    }
    #[derive(Deserialize)]
    struct GroupKey {
        category: Option<String>,
        role: Option<String>,
    }
    let pipeline = [
        doc! {"$match": {"isPublic": {"$ne": false}, "active": {"$ne": false}}},
        doc! {"$group": {"_id": {"category": "$category", "role": "$role"}, "count": {"$sum": 1}}},
    ];
    let groups = database.collection::<Document>(content::Kind::Prompts.collection()).aggregate(pipeline).await?;
    let groups: Vec<Group> = groups.with_type().try_collect().await?;
    let mut stats = PromptStats::default();
    for Group { key, count } in groups {
        stats.total += count;
        if let Some(category) = key.category {
            *stats.by_category.entry(category).or_default() += count;
        }
        if let Some(role) = key.role {
            *stats.by_role.entry(role).or_default() += count;
        }
    }
    Ok(stats)
}
