//! The budgets of anonymous events, for functions without the database: counted in the cache, and bounded by what is
//! published of the day ([`IntakeState`]).

use std::{sync::Arc, time::Duration};

use super::{
    budgets::{
        ANONYMOUS_DAY, ENVIRONMENT_HOUR, NETWORK_DAY, PAUSE_ABOVE_PERCENT, STATE_IS_OLD_AFTER, WIDE_NETWORK_DAY,
    },
    intake_state::{IntakeState, PublishedState},
    payer::seconds_left,
};
use crate::{
    cache::{Cache, CountedOnce, QuotaCounter},
    clock::{self, Moment},
    config::ConfigError,
    content::PublishedContent,
    http::{ClientInfo, Problem, wide_network},
    init,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The network, the wide network, everybody, and this environment alone.
const COUNTERS: usize = 4;

/// An event on its way into the store: one that comes again under its id takes nothing.
#[derive(Clone, Debug)]
pub struct Charge {
    /// The event's id.
    pub id: String,
    /// What it will fill.
    pub bytes: u64,
}

/// What was taken for events, to be given back if the queue does not take them.
pub struct Taken {
    counters: [QuotaCounter; COUNTERS],
    events: Vec<CountedOnce<COUNTERS>>,
}

/// What callers who are not signed in may store.
pub struct AnonymousBudget {
    cache: Cache,
    state: Arc<PublishedState>,
}

impl AnonymousBudget {
    /// Reads `CONTENT_URL`; counts in `cache`. What is published of the day is read in the environment's start.
    pub fn from_env(cache: &Cache) -> Result<Self, ConfigError> {
        let budget = Self::new(cache.clone(), PublishedContent::from_env()?);
        let state = Arc::clone(&budget.state);
        init::register(async move { state.read_ahead().await });
        Ok(budget)
    }

    fn new(cache: Cache, source: PublishedContent) -> Self {
        Self { cache, state: Arc::new(PublishedState::new(source)) }
    }

    /// Reads what is published of the day, if that is due: ahead of [`AnonymousBudget::take`], which reads it otherwise.
    pub async fn read_state(&self) {
        self.state.current().await;
    }

    /// Takes what these events fill, for all of them or for none. 429 when they do not fit into the day of the caller's
    /// network or of everybody; 503 while anonymous events are not taken at all.
    pub async fn take(&self, client: &ClientInfo, events: &[Charge], now: Moment) -> Result<Taken, Problem> {
        let is_shared = self.cache.is_up().await;
        if let Some(state) = self.state.current().await {
            check(&state, is_shared, now)?;
        }
        let counters = counters(&client.network(), is_shared, now);
        let is_wide = wide_network(&client.network()).is_some();
        let once = |Charge { id, bytes }: &Charge| {
            let of_wide = if is_wide { *bytes } else { 0 };
            CountedOnce { key: format!("{{bytes}}:event:{id}"), amounts: [*bytes, of_wide, *bytes, *bytes] }
        };
        let events: Vec<_> = events.iter().map(once).collect();
        match self.cache.count_once(&counters, &events, HOUR).await {
            Ok(counted) => {
                let new = events.into_iter().zip(counted.new).filter_map(|(event, new)| new.then_some(event));
                Ok(Taken { counters, events: new.collect() })
            }
            Err(0 | 1) => Err(full("Your network has stored all that it may without an account on this UTC day", now)),
            Err(_) => Err(full("Callers without an account have stored all that they may on this UTC day", now)),
        }
    }

    /// Gives back what was taken: the events are not stored.
    pub async fn give_back(&self, taken: &Taken) {
        self.cache.uncount(&taken.counters, &taken.events).await;
    }
}

/// Whether events are taken at all, by what is published.
fn check(state: &IntakeState, is_shared: bool, now: Moment) -> Result<(), Problem> {
    if state.storage_percent > PAUSE_ABOVE_PERCENT {
        return Err(Problem::unavailable("the storage is nearly used up: no anonymous events are taken"));
    }
    if state.is_of_day(now) && state.anonymous_bytes >= ANONYMOUS_DAY {
        return Err(full("Callers without an account have stored all that they may on this UTC day", now));
    }
    if !is_shared && now.duration_since(*state.at) > STATE_IS_OLD_AFTER {
        return Err(Problem::unavailable("what is published of the day is old, and there is no cache to count in"));
    }
    Ok(())
}

fn full(detail: &str, now: Moment) -> Problem {
    Problem::limit_reached(detail, seconds_left(now))
}

/// The braces keep all of them together where the cache is a cluster.
fn counters(network: &str, is_shared: bool, now: Moment) -> [QuotaCounter; COUNTERS] {
    let (day, hour) = (clock::day(now), now.strftime("%Y-%m-%dT%H"));
    let wide = wide_network(network).unwrap_or_default();
    let alone = if is_shared { u64::MAX } else { ENVIRONMENT_HOUR };
    [
        (format!("{day}:network:{network}"), NETWORK_DAY, DAY),
        (format!("{day}:wide-network:{wide}"), WIDE_NETWORK_DAY, DAY),
        (format!("{day}:anonymous"), ANONYMOUS_DAY, DAY),
        (format!("{hour}:anonymous"), alone, HOUR),
    ]
    .map(|(key, limit, window)| QuotaCounter { key: format!("{{bytes}}:{key}"), limit, window })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use axum::response::IntoResponse;

    use super::*;

    const SECOND: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

    fn now() -> Moment {
        "2026-11-28T10:59:59Z".parse().expect("valid")
    }

    fn client(source_ip: &str) -> ClientInfo {
        ClientInfo { source_ip: source_ip.into(), ..ClientInfo::default() }
    }

    struct Scene {
        folder: PathBuf,
        budget: AnonymousBudget,
    }

    impl Scene {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(crate::id::new());
            fs::create_dir(&folder).expect("a folder");
            let source = PublishedContent::at(&format!("file://{}", folder.display())).expect("a folder's URL");
            Self { folder, budget: AnonymousBudget::new(Cache::in_process(), source) }
        }

        async fn publish(&self, at: Moment, anonymous_bytes: u64, storage_percent: f64) {
            let state = IntakeState { at, anonymous_bytes, storage_percent };
            let text = serde_json::to_vec(&state).expect("JSON");
            fs::write(self.folder.join("intake.json"), text).expect("written");
            self.budget.state.forget_when_read().await;
        }

        /// The status, 202 when all were taken.
        async fn take(&self, source_ip: &str, bytes: u64, now: Moment) -> u16 {
            let event = Charge { id: crate::id::new(), bytes };
            let taken = self.budget.take(&client(source_ip), &[event], now).await;
            taken.map_or_else(|problem| problem.into_response().status().as_u16(), |_| 202)
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    #[tokio::test]
    async fn an_environment_alone_takes_so_much_an_hour_from_however_many_networks() {
        let scene = Scene::new();
        let mut taken = 0;
        while scene.take(&format!("198.51.100.{}", taken % 250), 5_000, now()).await == 202 {
            taken += 1;
        }
        assert_eq!(taken * 5_000, ENVIRONMENT_HOUR);
        assert_eq!(scene.take("192.0.2.1", 5_000, now() + SECOND).await, 202, "another hour");
    }

    #[tokio::test]
    async fn what_is_published_pauses_the_intake() {
        let scene = Scene::new();
        assert_eq!(scene.take("192.0.2.1", 1_000, now()).await, 202, "nothing is published yet");
        for (at, bytes, percent, status) in [
            (now(), ANONYMOUS_DAY - 1, 80.0, 202),
            (now(), ANONYMOUS_DAY, 80.0, 429),
            (now(), 0, 80.1, 503),
            (now() - STATE_IS_OLD_AFTER, 0, 0.0, 202),
            (now() - STATE_IS_OLD_AFTER - SECOND, 0, 0.0, 503),
        ] {
            scene.publish(at, bytes, percent).await;
            assert_eq!(scene.take("192.0.2.1", 1_000, now()).await, status, "{at} {bytes} {percent}");
        }
        let midnight = "2026-11-29T00:00:01Z".parse().expect("valid");
        scene.publish("2026-11-28T23:59:30Z".parse().expect("valid"), ANONYMOUS_DAY, 0.0).await;
        assert_eq!(scene.take("192.0.2.1", 1_000, midnight).await, 202, "yesterday's sum is not today's");
    }

    #[tokio::test]
    async fn an_event_that_comes_again_takes_nothing_and_one_given_back_takes_anew() {
        let scene = Scene::new();
        let event = [Charge { id: "e".into(), bytes: 200_000 }];
        for _ in 0..3 {
            assert!(scene.budget.take(&client("192.0.2.1"), &event, now()).await.is_ok(), "once");
        }
        assert_eq!(scene.take("192.0.2.1", 200_000, now()).await, 429);
        let other = [Charge { id: "f".into(), bytes: 100_000 }];
        let taken = scene.budget.take(&client("192.0.2.1"), &other, now()).await.expect("room");
        scene.budget.give_back(&taken).await;
        assert_eq!(scene.take("192.0.2.1", 100_000, now()).await, 202);
    }

    #[test]
    fn a_48_has_ten_times_as_much_as_each_64_of_it() {
        let limits = |network: &str| counters(network, true, now()).map(|counter| (counter.key, counter.limit));
        let [network, wide, all, alone] = limits("2001:db8:7:1::/64");
        assert_eq!(network, ("{bytes}:2026-11-28:network:2001:db8:7:1::/64".into(), NETWORK_DAY));
        assert_eq!(wide, ("{bytes}:2026-11-28:wide-network:2001:db8:7::/48".into(), WIDE_NETWORK_DAY));
        assert_eq!((all.1, alone.1), (ANONYMOUS_DAY, u64::MAX));
        const { assert!(WIDE_NETWORK_DAY < ANONYMOUS_DAY, "one customer leaves something to everybody else") };
        assert_ne!(limits("2001:db8:7:2::/64")[0].0, network.0);
        assert_eq!(limits("2001:db8:7:2::/64")[1].0, wide.0);
    }
}
