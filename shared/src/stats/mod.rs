//! Statistics of the platform: one computation an hour, whoever asks.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::{
    cache::Cache,
    clock::{self, Moment},
    content,
    mongo::{self, Mongo, REQUEST_TIMEOUT, WORK_TIMEOUT},
};

const KEY: &str = "site:stats:v1";
/// When the figures were last made invalid. A key of its own: a computation that is under way keeps what it counted
/// before, and must not undo it.
const INVALIDATED: &str = "site:stats:v1:invalidated";
const LOCK: &str = "site:stats:v1:lock";
/// How long statistics count as fresh: computed 24 times a day, however often they are asked for.
pub const FRESH_FOR: Duration = Duration::from_hours(1);
/// How long they are kept for the time when the database is away.
const KEEP_FOR: Duration = Duration::from_hours(168);
/// One caller computes, within this time.
const LOCK_FOR: Duration = Duration::from_secs(4);
/// How long nobody computes after it failed, so that an outage costs one request a wait and not each.
const LOCK_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Who has nothing to serve meanwhile looks for the result this often.
const POLL: Duration = Duration::from_millis(50);

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
    pub last_updated: Moment,
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
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedStats {
    /// The figures.
    #[serde(flatten)]
    pub stats: Stats,
    /// Whether they came from the cache.
    pub cached: bool,
    /// Older than an hour, or made invalid: the next ones are being computed, or the database is away.
    pub stale: bool,
}

impl ServedStats {
    fn is_fresh(&self) -> bool {
        !self.stale
    }
}

/// Statistics behind the cache. At most one caller computes at a time, and none for half a minute after that failed;
/// the others are served the last figures, which say so. An error only when there are none.
pub async fn serve(mongo: &Mongo, cache: &Cache) -> Result<ServedStats, mongo::Error> {
    let kept = read(cache).await;
    let is_fresh = kept.as_ref().is_some_and(ServedStats::is_fresh);
    cache.tally(KEY, is_fresh);
    if let Some(kept) = kept.clone().filter(|_| is_fresh) {
        return Ok(kept);
    }
    renew(mongo, cache, kept).await
}

/// `kept` is what the caller read, not fresh.
async fn renew(mongo: &Mongo, cache: &Cache, kept: Option<ServedStats>) -> Result<ServedStats, mongo::Error> {
    if cache.lock(LOCK, LOCK_FOR).await {
        // Another may have computed, and left the lock, after the caller read.
        if let Some(fresh) = read(cache).await.filter(ServedStats::is_fresh) {
            cache.delete(LOCK).await;
            return Ok(fresh);
        }
    } else {
        let last = if kept.is_some() { kept.clone() } else { await_other(cache).await };
        if let Some(last) = last {
            return Ok(last);
        }
    }
    match compute(mongo, REQUEST_TIMEOUT, clock::now()).await {
        Ok(stats) => {
            keep(cache, &stats).await;
            Ok(ServedStats { stats, cached: false, stale: false })
        }
        Err(error) => {
            let Some(kept) = kept else {
                // The next one may have more luck, and nothing else to serve.
                cache.delete(LOCK).await;
                return Err(error);
            };
            cache.set(LOCK, "1", LOCK_AFTER_FAILURE).await;
            tracing::warn!(%error, "the database is away: stale statistics are served");
            Ok(kept)
        }
    }
}

/// Computes whatever the cache's age, and keeps the result.
pub async fn refresh(mongo: &Mongo, cache: &Cache, at: Moment) -> Result<Stats, mongo::Error> {
    let stats = compute(mongo, WORK_TIMEOUT, at).await?;
    keep(cache, &stats).await;
    Ok(stats)
}

/// Makes statistics that were counted before now count as old, without losing them or their date.
pub async fn invalidate(cache: &Cache) {
    cache.set(INVALIDATED, &clock::now().to_string(), KEEP_FOR).await;
    cache.delete(LOCK).await;
}

/// The statistics that are kept, and whether they are fresh: counted within the hour, and since they were made invalid.
async fn read(cache: &Cache) -> Option<ServedStats> {
    let (kept, invalidated) = tokio::join!(cache.peek(KEY), cache.peek(INVALIDATED));
    let stats: Stats = serde_json::from_str(&kept?).ok()?;
    let invalidated = invalidated.and_then(|at| at.parse::<Moment>().ok());
    let is_young = clock::now().duration_since(*stats.last_updated).unsigned_abs() < FRESH_FOR;
    let is_valid = invalidated.is_none_or(|at| at < stats.last_updated);
    Some(ServedStats { stats, cached: true, stale: !(is_young && is_valid) })
}

async fn keep(cache: &Cache, stats: &Stats) {
    if let Ok(text) = serde_json::to_string(stats) {
        cache.set(KEY, &text, KEEP_FOR).await;
    }
    cache.delete(LOCK).await;
}

async fn await_other(cache: &Cache) -> Option<ServedStats> {
    let mut waited = Duration::ZERO;
    while waited < LOCK_FOR / 2 {
        tokio::time::sleep(POLL).await;
        waited += POLL;
        if let Some(kept) = read(cache).await.filter(ServedStats::is_fresh) {
            return Some(kept);
        }
    }
    None
}

/// Four operations. A failing one fails the whole: a zero would be a lie, kept for an hour.
async fn compute(mongo: &Mongo, limit: Duration, at: Moment) -> Result<Stats, mongo::Error> {
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

/// One pass over the public prompts; folded here, since there are a few hundred. Content is kept as it comes, and a
/// category or role may be anything: what is no text is not counted.
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
    let text = |field: &str| doc! {"$cond": [{"$eq": [{"$type": field}, "string"]}, field, null]};
    let pipeline = [
        doc! {"$match": {"isPublic": {"$ne": false}, "active": {"$ne": false}}},
        doc! {"$group": {"_id": {"category": text("$category"), "role": text("$role")}, "count": {"$sum": 1}}},
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mongo::{Lifetime, MongoSettings};
    use jiff::SignedDuration;
    use std::time::Instant;

    /// A database that refuses connections.
    fn away() -> Mongo {
        Mongo::new(
            MongoSettings::new("mongodb://127.0.0.1:1/?directConnection=true".to_owned(), "test"),
            Lifetime::FromFirstUse,
        )
    }

    async fn cache_with(last_updated: Moment) -> Cache {
        let (cache, total) = (Cache::in_process(), Total { total: 7 });
        let prompts = PromptStats { total: 7, ..PromptStats::default() };
        let stats = Stats { prompts, patterns: total, learning_resources: total, users: total, last_updated };
        keep(&cache, &stats).await;
        cache
    }

    #[tokio::test]
    async fn an_outage_costs_one_request_a_wait_and_the_others_none() {
        let (mongo, hours_ago) = (away(), clock::now() - SignedDuration::from_hours(3));
        let cache = cache_with(hours_ago).await;
        let first = serve(&mongo, &cache).await.expect("the last figures");
        assert_eq!((first.stale, first.cached, first.stats.last_updated), (true, true, hours_ago));
        let started = Instant::now();
        for _ in 0..10 {
            assert!(serve(&mongo, &cache).await.expect("the last figures").stale);
        }
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
        assert!(serve(&mongo, &Cache::in_process()).await.is_err(), "never zeros");
    }

    #[tokio::test]
    async fn who_locks_after_another_has_computed_computes_nothing() {
        let (mongo, now) = (away(), clock::now());
        let cache = cache_with(now).await;
        for _ in 0..2 {
            let served = renew(&mongo, &cache, None).await.expect("the other's figures");
            assert_eq!((served.cached, served.stats.last_updated), (true, now));
        }
        assert!(cache.lock(LOCK, LOCK_FOR).await, "who served it left the lock");
    }

    #[tokio::test]
    async fn invalid_figures_keep_their_date() {
        let (mongo, now) = (away(), clock::now());
        let cache = cache_with(now).await;
        assert!(!serve(&mongo, &cache).await.expect("fresh").stale);
        invalidate(&cache).await;
        let served = serve(&mongo, &cache).await.expect("the last figures");
        assert_eq!((served.stale, served.stats.last_updated), (true, now));
        keep(&cache, &served.stats).await;
        assert!(read(&cache).await.expect("figures").stale, "kept since, and counted before");
        let counted_after = Stats { last_updated: clock::now() + SignedDuration::from_secs(1), ..served.stats };
        keep(&cache, &counted_after).await;
        assert!(!read(&cache).await.expect("figures").stale);
    }

    #[tokio::test]
    async fn a_stale_figure_is_no_hit_and_waiting_for_another_is_one_miss() {
        let cache = cache_with(clock::now() - SignedDuration::from_hours(3)).await;
        let _ = serve(&away(), &cache).await;
        assert_eq!(cache.tallied("site"), (0, 1));
        let fresh = cache_with(clock::now()).await;
        let _ = serve(&away(), &fresh).await;
        assert_eq!(fresh.tallied("site"), (1, 0));
        let empty = Cache::in_process();
        assert!(empty.lock(LOCK, LOCK_FOR).await, "somebody computes");
        let ((), waited) = tokio::join!(
            async {
                tokio::time::sleep(3 * POLL).await;
                let other = read(&fresh).await.expect("figures");
                keep(&empty, &other.stats).await;
            },
            async { serve(&away(), &empty).await },
        );
        assert!(waited.expect("the other's figures").cached);
        assert_eq!(empty.tallied("site"), (0, 1));
    }
}
