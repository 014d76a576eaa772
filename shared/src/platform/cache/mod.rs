//! Valkey (or Redis) with an in-process stand-in.
//!
//! The cache may be absent, away or slow, and everything still works: each call is bounded by
//! [`CALL_TIMEOUT`], a failure makes the next calls use the process's own memory for
//! [`PAUSE_AFTER_FAILURE`], and no call returns an error. Nothing that must not be lost belongs here.

mod elasticache;
mod lookup;
mod quota_counter;
mod server;

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::Context;
use futures_util::{FutureExt, future::BoxFuture};
use redis::{AsyncCommands, Script, aio::MultiplexedConnection};
use tokio::{sync::Mutex, time::timeout};

use crate::{config::ConfigError, connection::Connection, init};
use server::{CALL_TIMEOUT, Server};

pub use lookup::Lookup;
pub use quota_counter::{Counted, CountedOnce, QuotaCounter};
pub use server::check_url;

/// How long a cache that failed is left alone.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A connection unused for longer may have died while Lambda had the process frozen: dialling anew
/// costs less than finding out.
const REDIAL_AFTER: Duration = Duration::from_secs(5);
/// The process's own memory holds at most this many entries.
const LOCAL_ENTRIES: usize = 10_000;

/// In front of every key on the server, which other applications may use too: the one before has keys of the same names.
const PREFIX: &str = "promptlib:";

/// Counts and, with the first count, starts the window: in one step, so that no key stays without an
/// end. Returns the count and the milliseconds that are left.
const ADD: &str = "local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {n, redis.call('PTTL', KEYS[1])}";

/// Takes from what is there, or nothing.
const DRAW: &str = "local n = tonumber(redis.call('GET', KEYS[1]))
if not n or n < tonumber(ARGV[1]) then return 0 end
redis.call('DECRBY', KEYS[1], ARGV[1])
return 1";

/// A counter that ended meanwhile must not come back without an end, and one that began anew meanwhile has less to
/// give than was taken from the one before: never below zero.
const SUBTRACT: &str = "local n = tonumber(redis.call('GET', KEYS[1]))
if n then redis.call('DECRBY', KEYS[1], math.min(n, tonumber(ARGV[1]))) end";

/// A counter after its increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How often it was counted in this window.
    pub used: u64,
    /// When the window ends.
    pub resets_in: Duration,
}

/// A handle to the environment's cache; clones share it.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    server: Option<Server>,
    live: Mutex<Option<Live>>,
    paused_until: Mutex<Option<SystemTime>>,
    local: quick_cache::sync::Cache<String, LocalEntry>,
    /// Until when things are remembered that count once: apart, since they are many and must not drive counters out.
    counted: quick_cache::sync::Cache<String, SystemTime>,
    tallies: std::sync::Mutex<BTreeMap<String, Tally>>,
    /// Calls that the server should have had, and memory answered.
    fallbacks: AtomicU64,
}

/// How often a kind of key was found, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    hits: u64,
    misses: u64,
}

struct Live {
    connection: MultiplexedConnection,
    last_used: SystemTime,
}

#[derive(Clone)]
struct LocalEntry {
    value: String,
    /// By the wall clock, which goes on while Lambda has the process frozen.
    expires: SystemTime,
}

impl Cache {
    /// Reads where the cache is (see [`Server`]); opens nothing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(Server::from_env()?))
    }

    /// Has it connect while the environment starts ([`init`]): for functions whose every call asks it.
    pub fn connect_while_starting(&self) {
        let cache = self.clone();
        init::register(async move { cache.connect_at_start().await });
    }

    /// A cache in the process's own memory alone.
    pub fn in_process() -> Self {
        Self::new(None)
    }

    fn new(server: Option<Server>) -> Self {
        Self(Arc::new(Inner {
            server,
            live: Mutex::default(),
            paused_until: Mutex::default(),
            local: quick_cache::sync::Cache::new(LOCAL_ENTRIES),
            counted: quick_cache::sync::Cache::new(LOCAL_ENTRIES),
            tallies: std::sync::Mutex::default(),
            fallbacks: AtomicU64::default(),
        }))
    }

    /// The value under `key`, if it is there and has not expired. Counted as a hit or a miss.
    pub async fn get(&self, key: &str) -> Option<String> {
        let value = self.peek(key).await;
        self.tally(key, value.is_some());
        value
    }

    /// As [`Cache::get`], uncounted: for who decides by the value whether it is a hit, and says so by [`Cache::tally`].
    pub async fn peek(&self, key: &str) -> Option<String> {
        let remote = self.call(async |connection| connection.get::<_, Option<String>>(shared_key(key)).await).await;
        remote.unwrap_or_else(|| self.local(key))
    }

    /// Keeps `value` for `ttl`.
    pub async fn set(&self, key: &str, value: &str, ttl: Duration) {
        self.keep_local(key, value.to_owned(), ttl);
        self.call(async |connection| connection.pset_ex::<_, _, ()>(shared_key(key), value, millis(ttl)).await).await;
    }

    /// Whether there is a server besides the process's own memory.
    async fn has_server(&self) -> bool {
        match &self.0.server {
            Some(server) => server.exists().await,
            None => false,
        }
    }

    /// Whether there is a server, and it has not just failed: whether others see what is counted.
    pub async fn is_up(&self) -> bool {
        self.has_server().await && self.0.paused_until.lock().await.is_none_or(|until| until <= SystemTime::now())
    }

    /// Ends the pause after a failure.
    async fn retry_now(&self) {
        self.0.paused_until.lock().await.take();
    }

    /// Counts a hit or a miss, by what stands in the key before the first colon.
    pub fn tally(&self, key: &str, hit: bool) {
        let kind = key.split(':').next().unwrap_or_default();
        let mut tallies = self.0.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(kind.to_owned()).or_default();
        if hit { tally.hits += 1 } else { tally.misses += 1 }
    }

    /// Hits and misses so far of a kind of key.
    #[cfg(test)]
    pub(crate) fn tallied(&self, kind: &str) -> (u64, u64) {
        let tallies = self.0.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.get(kind).map_or((0, 0), |tally| (tally.hits, tally.misses))
    }

    /// As [`Cache::peek`], from the server alone: for what another environment may have taken back, which
    /// a copy in this process's memory would outlive.
    async fn peek_shared(&self, key: &str) -> Option<String> {
        self.call(async |connection| connection.get::<_, Option<String>>(shared_key(key)).await).await.flatten()
    }

    /// As [`Cache::set`], on the server alone; false when it did not take the value.
    async fn set_shared(&self, key: &str, value: &str, ttl: Duration) -> bool {
        self.call(async |connection| connection.pset_ex::<_, _, ()>(shared_key(key), value, millis(ttl)).await)
            .await
            .is_some()
    }

    /// As [`Cache::set_shared`], unless there is a value already.
    async fn add_shared(&self, key: &str, value: &str, ttl: Duration) {
        self.call(async |connection| {
            let mut command = redis::cmd("SET");
            command.arg(shared_key(key)).arg(value).arg("NX").arg("PX").arg(millis(ttl));
            command.query_async::<Option<String>>(connection).await
        })
        .await;
    }

    /// Whether the server answers; `None` when there is none.
    pub async fn ping(&self) -> Option<bool> {
        if !self.has_server().await {
            return None;
        }
        let ping =
            async |connection: &mut MultiplexedConnection| redis::cmd("PING").query_async::<()>(connection).await;
        Some(self.call(ping).await.is_some())
    }

    /// Forgets `key`.
    pub async fn delete(&self, key: &str) {
        self.0.local.remove(key);
        self.call(async |connection| connection.del::<_, ()>(shared_key(key)).await).await;
    }

    /// Adds one to the counter `key`, which ends `window` after its first count.
    pub async fn increment(&self, key: &str, window: Duration) -> Count {
        self.add(key, 1, window).await
    }

    /// Adds `amount` to the counter `key`, which ends `window` after its first count.
    pub async fn add(&self, key: &str, amount: u64, window: Duration) -> Count {
        self.add_shared_count(key, amount, window).await.unwrap_or_else(|| self.add_local(key, amount, window))
    }

    /// As [`Cache::increment`], on the server alone; `None` when there is none, or it did not answer.
    pub(crate) async fn increment_shared(&self, key: &str, window: Duration) -> Option<Count> {
        self.add_shared_count(key, 1, window).await
    }

    async fn add_shared_count(&self, key: &str, amount: u64, window: Duration) -> Option<Count> {
        let script = Script::new(ADD);
        let add = async |connection: &mut MultiplexedConnection| {
            script.key(shared_key(key)).arg(amount).arg(millis(window)).invoke_async::<(u64, u64)>(connection).await
        };
        self.call(add).await.map(|(used, left)| Count { used, resets_in: Duration::from_millis(left) })
    }

    /// Takes `amount` back from the counter `key`, if it is counting; it ends at zero.
    pub async fn subtract(&self, key: &str, amount: u64) {
        let script = Script::new(SUBTRACT);
        let take = async |connection: &mut MultiplexedConnection| {
            script.key(shared_key(key)).arg(amount).invoke_async::<()>(connection).await
        };
        if self.call(take).await.is_none() {
            self.subtract_local(key, amount);
        }
    }

    /// Takes `amount` out of what the counter `key` has; false, and nothing, when it has less.
    pub async fn draw(&self, key: &str, amount: u64) -> bool {
        let script = Script::new(DRAW);
        let draw = async |connection: &mut MultiplexedConnection| {
            script.key(shared_key(key)).arg(amount).invoke_async::<u64>(connection).await
        };
        if let Some(drawn) = self.call(draw).await {
            return drawn == 1;
        }
        let there = self.local(key).and_then(|text| text.parse::<u64>().ok());
        let is_enough = there.is_some_and(|there| there >= amount);
        if is_enough {
            self.subtract_local(key, amount);
        }
        is_enough
    }

    fn subtract_local(&self, key: &str, amount: u64) {
        if let Some(entry) = self.0.local.get(key)
            && let Ok(count) = entry.value.parse::<u64>()
        {
            let value = count.saturating_sub(amount).to_string();
            self.0.local.insert(key.to_owned(), LocalEntry { value, ..entry });
        }
    }

    fn add_local(&self, key: &str, amount: u64, window: Duration) -> Count {
        let kept = self.0.local.get(key).and_then(|entry| {
            // An error means that the window is over.
            let left = entry.expires.duration_since(SystemTime::now()).ok()?;
            Some((entry.value.parse::<u64>().ok()? + amount, left))
        });
        let (used, resets_in) = kept.unwrap_or((amount, window));
        self.keep_local(key, used.to_string(), resets_in);
        Count { used, resets_in }
    }

    /// True for the one caller who gets the lock; it ends by itself after `ttl`.
    pub async fn lock(&self, key: &str, ttl: Duration) -> bool {
        let remote = self
            .call(async |connection| {
                let mut command = redis::cmd("SET");
                command.arg(shared_key(key)).arg(1).arg("NX").arg("PX").arg(millis(ttl));
                command.query_async::<Option<String>>(connection).await
            })
            .await;
        match remote {
            Some(answer) => answer.is_some(),
            None if self.local(key).is_some() => false,
            None => {
                self.keep_local(key, "1".into(), ttl);
                true
            }
        }
    }

    /// `None` when there is no server, or it did not answer: the caller uses local memory.
    async fn call<T>(
        &self,
        command: impl AsyncFnOnce(&mut MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Option<T> {
        let server = self.0.server.as_ref()?;
        if !self.has_server().await {
            return None;
        }
        let answer = if self.is_up().await { self.ask(server, command).await } else { None };
        if answer.is_none() {
            self.0.fallbacks.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn ask<T>(
        &self,
        server: &Server,
        command: impl AsyncFnOnce(&mut MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Option<T> {
        let attempt = async {
            let mut connection = self.connection(server).await?;
            let answer = timeout(CALL_TIMEOUT, command(&mut connection)).await;
            answer.with_context(|| format!("no answer within {} ms", CALL_TIMEOUT.as_millis()))?.map_err(Into::into)
        };
        let outcome: anyhow::Result<T> = attempt.await;
        outcome.map_err(|error| tracing::warn!(%error, "the cache is away: using memory")).ok().or_else(|| {
            // Try-lock: a caller that holds either lock is about to find out for itself.
            if let Ok(mut live) = self.0.live.try_lock() {
                *live = None;
            }
            if let Ok(mut until) = self.0.paused_until.try_lock() {
                *until = Some(SystemTime::now() + PAUSE_AFTER_FAILURE);
            }
            None
        })
    }

    /// After a failure the first request does not wait for it again.
    async fn connect_at_start(&self) {
        let Some(server) = &self.0.server else { return };
        if !server.exists().await {
            return;
        }
        let connected = timeout(init::CONNECT_LIMIT, self.connection(server)).await;
        let no_answer = || format!("no connection within {} ms", init::CONNECT_LIMIT.as_millis());
        if let Err(error) = connected.with_context(no_answer).flatten() {
            tracing::warn!(%error, "not connected to the cache while starting: using memory");
            *self.0.paused_until.lock().await = Some(SystemTime::now() + PAUSE_AFTER_FAILURE);
        }
    }

    async fn connection(&self, server: &Server) -> anyhow::Result<MultiplexedConnection> {
        let mut live = self.0.live.lock().await;
        let fresh = live.take().filter(|live| live.last_used.elapsed().is_ok_and(|gap| gap < REDIAL_AFTER));
        let connection = match fresh {
            Some(live) => live.connection,
            None => server.connect().await?,
        };
        *live = Some(Live { connection: connection.clone(), last_used: SystemTime::now() });
        Ok(connection)
    }

    fn local(&self, key: &str) -> Option<String> {
        self.0.local.get(key).filter(|entry| SystemTime::now() < entry.expires).map(|entry| entry.value)
    }

    fn keep_local(&self, key: &str, value: String, ttl: Duration) {
        self.0.local.insert(key.to_owned(), LocalEntry { value, expires: SystemTime::now() + ttl });
    }
}

impl Connection for Cache {
    fn after_invocation(&self) -> BoxFuture<'_, ()> {
        let tallies = std::mem::take(&mut *self.0.tallies.lock().unwrap_or_else(PoisonError::into_inner));
        for (kind, Tally { hits, misses }) in tallies {
            tracing::info!(cache_keys = kind, cache_hits = hits, cache_misses = misses, "look-ups in the cache");
        }
        let fallbacks = self.0.fallbacks.swap(0, Ordering::Relaxed);
        if fallbacks > 0 {
            tracing::info!(cache_fallbacks = fallbacks, "memory stood in for the cache server");
        }
        ready(()).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async { drop(self.0.live.lock().await.take()) }.boxed()
    }
}

/// A key as the server has it.
fn shared_key(key: &str) -> String {
    format!("{PREFIX}{key}")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn memory_stands_in_for_a_missing_server() {
        let cache = Cache::in_process();
        assert_eq!(cache.get("k").await, None);
        cache.set("k", "v", Duration::from_secs(1)).await;
        assert_eq!(cache.get("k").await.as_deref(), Some("v"));
        cache.delete("k").await;
        assert_eq!(cache.get("k").await, None);
        let minute = Duration::from_mins(1);
        assert_eq!([cache.increment("n", minute).await.used, cache.increment("n", minute).await.used], [1, 2]);
        cache.subtract("n", 3).await;
        assert_eq!(cache.get("n").await.as_deref(), Some("0"), "never below zero");
        assert_eq!(cache.increment("n", minute).await.used, 1);
        cache.add("s", 10, minute).await;
        assert!(cache.draw("s", 7).await && !cache.draw("s", 4).await && cache.draw("s", 3).await);
        assert!(!cache.draw("s", 1).await && !cache.draw("none", 1).await);
        assert!(cache.lock("l", Duration::from_secs(1)).await);
        assert!(!cache.lock("l", Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn a_server_that_is_away_while_a_function_starts_is_not_waited_for_by_its_first_request() {
        let cache = Cache::new(Server::at("redis://127.0.0.1:1"));
        assert!(cache.is_up().await);
        cache.connect_at_start().await;
        assert!(!cache.is_up().await);
    }

    #[tokio::test]
    async fn a_server_that_is_away_costs_one_short_wait_and_no_error() {
        let cache = Cache::new(Server::at("redis://127.0.0.1:1"));
        let started = Instant::now();
        for _ in 0..100 {
            cache.set("k", "v", Duration::from_secs(1)).await;
        }
        assert_eq!(cache.get("k").await.as_deref(), Some("v"));
        assert!(started.elapsed() < 2 * CALL_TIMEOUT, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn entries_expire_in_memory_too() {
        let cache = Cache::in_process();
        cache.set("k", "v", Duration::from_millis(5)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(cache.get("k").await, None);
    }
}
