//! Records that are read far more often than they change: kept for half a minute in the process, five
//! minutes in the cache, and asked of their store only then.
//!
//! A change must be in force everywhere within [`LOCAL_TTL`]. So whoever changes a record calls
//! [`Lookup::forget`], which leaves a mark in the cache for as long as a read begun before may last:
//! until it is gone, no copy is kept there. Without the cache server, each environment asks the store
//! every half minute.
//!
//! Half a minute is too long for some ([`Lookup::uncached_locally`]): then the cache is asked each time, and the process's own
//! copy counts only where there is no server, or while it is away.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned};

use super::Cache;

/// How long a process believes its own copy; by the wall clock, which goes on while Lambda has the
/// process frozen.
const LOCAL_TTL: Duration = Duration::from_secs(30);
/// How long the cache keeps a record: so long, at most, one is old of which nobody told that it changed.
const SHARED_TTL: Duration = Duration::from_mins(5);
/// How long it keeps that there is none.
const ABSENT_TTL: Duration = Duration::from_mins(1);
/// Longer than any read of a record takes.
const FORGET_FOR: Duration = Duration::from_secs(10);
/// Stands for a record that changed just now.
const FORGOTTEN: &str = "forgotten";
/// One environment asks the store, the others wait for its answer this long, looking this often.
const WAIT: Duration = Duration::from_millis(150);
const POLL: Duration = Duration::from_millis(10);
/// An environment serves a few users at a time.
const LOCAL_ENTRIES: usize = 1_000;

/// Records of one kind, by id.
pub struct Lookup<T> {
    kind: &'static str,
    cache: Cache,
    uncached_locally: bool,
    local: quick_cache::sync::Cache<String, Copy<T>>,
}

struct Copy<T> {
    record: Option<Arc<T>>,
    read_at: SystemTime,
}

impl<T> Clone for Copy<T> {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), read_at: self.read_at }
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Lookup<T> {
    /// Records whose keys in the cache begin with `kind`.
    pub fn new(kind: &'static str, cache: Cache) -> Self {
        Self { kind, cache, uncached_locally: false, local: quick_cache::sync::Cache::new(LOCAL_ENTRIES) }
    }

    /// As [`Lookup::new`], for records whose change must be in force everywhere at once.
    pub fn uncached_locally(kind: &'static str, cache: Cache) -> Self {
        Self { uncached_locally: true, ..Self::new(kind, cache) }
    }

    /// The record with this id, from the nearest place that has it; `load` asks the store.
    pub async fn get<E>(
        &self,
        id: &str,
        load: impl AsyncFnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        let asks_cache = self.uncached_locally && self.cache.is_up().await;
        let counts = |copy: &Copy<T>| !asks_cache && copy.read_at.elapsed().is_ok_and(|age| age < LOCAL_TTL);
        if let Some(copy) = self.local.get(id).filter(counts) {
            self.cache.tally(self.kind, true);
            return Ok(copy.record);
        }
        let shared = self.shared(id).await;
        self.cache.tally(self.kind, shared.is_some());
        let record = match shared {
            Some(record) => record,
            None => self.load(id, load).await?,
        };
        let record = record.map(Arc::new);
        self.local.insert(id.to_owned(), Copy { record: record.clone(), read_at: SystemTime::now() });
        Ok(record)
    }

    /// To be called after every change of the record.
    pub async fn forget(&self, id: &str) {
        self.local.remove(id);
        let key = self.key(id);
        // Once more after a failure: an old copy would otherwise live on for up to five minutes.
        if self.cache.has_server().await && !self.cache.set_shared(&key, FORGOTTEN, FORGET_FOR).await {
            self.cache.retry_now().await;
            if !self.cache.set_shared(&key, FORGOTTEN, FORGET_FOR).await {
                tracing::error!(kind = self.kind, "a change could not be told to the cache: old copies live 5 minutes");
            }
        }
    }

    async fn load<E>(&self, id: &str, load: impl AsyncFnOnce() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
        let key = self.key(id);
        let lock = format!("{key}:loading");
        if self.cache.lock(&lock, WAIT).await {
            // Another may have loaded it, and left the lock, after the caller looked.
            if let Some(record) = self.shared(id).await {
                self.cache.delete(&lock).await;
                return Ok(record);
            }
        } else if let Some(record) = self.await_other(id).await {
            return Ok(record);
        }
        let record = load().await?;
        if let Ok(text) = serde_json::to_string(&record) {
            // Only where nothing is: a record that was forgotten meanwhile must not come back.
            self.cache.add_shared(&key, &text, if record.is_some() { SHARED_TTL } else { ABSENT_TTL }).await;
        }
        self.cache.delete(&lock).await;
        Ok(record)
    }

    async fn await_other(&self, id: &str) -> Option<Option<T>> {
        let mut waited = Duration::ZERO;
        while waited < WAIT {
            tokio::time::sleep(POLL).await;
            waited += POLL;
            if let Some(record) = self.shared(id).await {
                return Some(record);
            }
        }
        None
    }

    /// What the cache server knows: a record, that there is none, or nothing.
    async fn shared(&self, id: &str) -> Option<Option<T>> {
        let text = self.cache.peek_shared(&self.key(id)).await?;
        serde_json::from_str(&text).ok()
    }

    fn key(&self, id: &str) -> String {
        format!("{}:{id}", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Server, *};
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicU64, Ordering},
    };

    #[tokio::test]
    async fn the_store_is_asked_once_and_again_after_a_change() {
        let lookup = Lookup::<String>::new("test", Cache::in_process());
        let asked = AtomicU64::new(0);
        let load = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Some("record".to_owned()))
        };
        for _ in 0..100 {
            assert_eq!(lookup.get("a", load).await.expect("infallible").as_deref(), Some(&"record".to_owned()));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        lookup.forget("a").await;
        lookup.get("a", load).await.expect("infallible");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_must_be_in_force_at_once_has_its_own_copy_only_without_the_server() {
        let away = Cache::new(Server::at("redis://127.0.0.1:1"));
        let lookup = Lookup::<u64>::uncached_locally("test", away.clone());
        let (asked, mut seen) = (AtomicU64::new(0), Vec::new());
        for failed_just_now in [false, true, true, false] {
            if !failed_just_now {
                away.retry_now().await;
            }
            let load = async || Ok::<_, Infallible>(Some(asked.fetch_add(1, Ordering::Relaxed)));
            seen.extend(lookup.get("a", load).await.expect("infallible").as_deref().copied());
        }
        assert_eq!(seen, [0, 0, 0, 1], "asked where the server might answer");
    }

    #[tokio::test]
    async fn that_there_is_none_is_kept_too_and_a_failure_is_not() {
        let lookup = Lookup::<String>::new("test", Cache::in_process());
        assert!(lookup.get("a", async || Err("away")).await.is_err());
        assert_eq!(lookup.get("a", async || Ok::<_, &str>(None)).await, Ok(None));
        assert_eq!(lookup.get("a", async || Err("away")).await, Ok(None), "not asked again");
    }
}
