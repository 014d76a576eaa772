//! How often a password may be guessed.
//!
//! Failures are counted per account and where they come from, so that a stranger locks out themselves and not the
//! owner. After the fifth there is one attempt at a time, after a wait that doubles. Over all networks an account has a
//! high threshold, beyond which attempts have to wait for one another. A device that signed in before has a count of
//! its own, whatever strangers do. An IPv6 /48, of which one customer has every /64, never gets an account there alone.
//!
//! Of an address that has no account nothing is stored but what its network did: there is no end of such addresses.

use std::time::Duration;

use super::PasswordAttempt;
use crate::{
    cache::Count,
    counters::Counters,
    http::{ClientInfo, Problem, wide_network},
    mongo,
    users::{EmailAttempt, User},
};

/// How long failures at an account are remembered, from the first of them.
const REMEMBERED: Duration = Duration::from_hours(24);
/// The same of one source, of which there are many.
const SOURCE_REMEMBERED: Duration = Duration::from_hours(6);
/// Failures of one source at one account before attempts have to wait; the fifth attempt is the last without.
const FREE_PER_SOURCE: u64 = 4;
/// The same of an IPv6 /48. With what gets through its waits it stays below [`FREE_PER_ACCOUNT`] in a day.
const FREE_PER_WIDE_SOURCE: u64 = 10;
/// The first wait; each one after it is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Failures at one account, wherever they come from, before attempts from networks have to wait for one another.
const FREE_PER_ACCOUNT: u64 = 100;
const ACCOUNT_WAIT: Duration = Duration::from_secs(30);
/// Failures of one network, at whatever accounts, and for how long they count.
const PER_NETWORK: u64 = 20;
/// The same of an IPv6 /48.
const PER_WIDE_NETWORK: u64 = 100;
const NETWORK_WINDOW: Duration = Duration::from_mins(15);

/// Sources whose failures at one account are remembered at once, at most: those before attempts wait for one another,
/// and one for each wait.
pub const SOURCES_REMEMBERED: u64 = FREE_PER_ACCOUNT + SOURCE_REMEMBERED.as_secs() / ACCOUNT_WAIT.as_secs();

/// Counts attempts before they are made, so that no number of them at once gets past a limit.
#[derive(Clone)]
pub struct Lockout {
    counters: Counters,
}

/// Whose password is tried: an account, or an address that none has. A proved reset makes it another one, for which
/// nothing is counted yet.
pub struct Subject {
    key: String,
    is_account: bool,
}

/// Where an attempt comes from.
pub enum Source {
    /// A device that signed in to the account before.
    Device(String),
    Network(String),
}

/// An attempt that was counted, as the failure that it may become.
#[must_use]
pub struct Counted {
    /// Of this source at this account.
    own: [String; 2],
    /// Of the account, of the network, and of the /48.
    wider: Vec<String>,
}

/// A count at a subject, and how long an attempt waits that is beyond what is free of it.
struct Step {
    key: String,
    remembered: Duration,
    free: u64,
    wait: fn(u64) -> Duration,
}

/// Why an attempt may not be made.
#[derive(Debug)]
pub enum Refused {
    Locked {
        /// Whether it is the first that was refused since the last that was not.
        first: bool,
        retry_after_s: u64,
    },
    Store(mongo::Error),
}

impl From<mongo::Error> for Refused {
    fn from(error: mongo::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Locked { retry_after_s, .. } => Self::too_many_requests(retry_after_s),
            Refused::Store(error) => error.into(),
        }
    }
}

impl Subject {
    /// The accounts with this address.
    pub fn at(email: &EmailAttempt, users: &[User]) -> Self {
        let reset = users.iter().filter_map(|user| user.password_reset_at).max();
        let key = format!("{}:{}", email.key(), reset.map_or(0, |at| at.as_millisecond()));
        Self { key, is_account: !users.is_empty() }
    }

    /// Somebody who is signed in.
    fn signed_in(user: &User) -> Self {
        let reset = user.password_reset_at.map_or(0, |at| at.as_millisecond());
        Self { key: format!("{}:{reset}", user.id), is_account: true }
    }
}

impl Lockout {
    pub fn new(counters: Counters) -> Self {
        Self { counters }
    }

    /// Counts an attempt.
    pub async fn attempt(&self, subject: &Subject, source: &Source) -> Result<Counted, Refused> {
        let counters = if subject.is_account { self.counters.clone() } else { self.counters.unstored() };
        let own = Step::of_source(subject, &source.key(), FREE_PER_SOURCE);
        let own_keys = [own.key.clone(), waiting(&own.key)];
        let Source::Network(network) = source else {
            pass(&counters, &own).await?;
            return Ok(Counted { own: own_keys, wider: Vec::new() });
        };
        let wide = wide_network(network);
        // The network first: one that is over its limit must not lock everybody's account.
        let networks = self.count_networks(network, wide.as_deref()).await?;
        let wide = wide.map(|wide| Step::of_source(subject, &wide, FREE_PER_WIDE_SOURCE));
        let account = Step {
            key: format!("lockout:{}", subject.key),
            remembered: REMEMBERED,
            free: FREE_PER_ACCOUNT,
            wait: |_| ACCOUNT_WAIT,
        };
        let mut counted = Vec::new();
        for step in [own].into_iter().chain(wide).chain([account]) {
            if let Err(refused) = pass(&counters, &step).await {
                // Nobody learnt anything: it is no failure of anybody.
                counters.give_back(&counted).await?;
                self.counters.give_back(&networks).await?;
                return Err(refused);
            }
            counted.push(step.key);
        }
        let wider = counted.into_iter().skip(1).chain(networks).collect();
        Ok(Counted { own: own_keys, wider })
    }

    /// Counts a failure of the network, and of the /48 that it is one of; none of either when one is over its limit.
    async fn count_networks(&self, network: &str, wide: Option<&str>) -> Result<Vec<String>, Refused> {
        let mut counted = Vec::new();
        for (network, limit) in [(network, PER_NETWORK)].into_iter().chain(wide.map(|wide| (wide, PER_WIDE_NETWORK))) {
            let key = format!("lockout:network:{network}");
            let failures = self.counters.increment(&key, NETWORK_WINDOW).await?;
            if failures.used > limit {
                self.counters.give_back(&counted).await?;
                return Err(locked(failures, failures.used == limit + 1));
            }
            counted.push(key);
        }
        Ok(counted)
    }

    /// The password was right: the source's failures are forgotten. What cannot be noted is logged.
    pub async fn succeeded(&self, Counted { own, wider }: Counted) {
        let (cleared, given_back) = futures_util::join!(self.counters.clear(&own), self.counters.give_back(&wider));
        if let Err(error) = cleared.and(given_back) {
            tracing::warn!(%error, "failures before a right password are not forgotten");
        }
    }

    /// Whether `password` is that of somebody who is signed in: an access token, which may be stolen, gives no more
    /// guesses than a sign-in.
    pub async fn confirm(&self, user: &User, client: &ClientInfo, password: &PasswordAttempt) -> Result<bool, Problem> {
        let counted = self.attempt(&Subject::signed_in(user), &Source::of(client)).await?;
        let right = password.matches(user.password_hash.as_deref());
        if right {
            self.succeeded(counted).await;
        }
        Ok(right)
    }
}

/// Counts; beyond what is free lets one attempt through, and no other before a wait is over.
async fn pass(counters: &Counters, Step { key, remembered, free, wait }: &Step) -> Result<(), Refused> {
    let failures = counters.increment(key, *remembered).await?;
    let Some(beyond @ 1..) = failures.used.checked_sub(*free) else { return Ok(()) };
    let turn = counters.increment(&waiting(key), wait(beyond)).await?;
    if turn.used == 1 {
        return Ok(());
    }
    counters.give_back(std::slice::from_ref(key)).await?;
    Err(locked(turn, turn.used == 2))
}

impl Step {
    fn of_source(subject: &Subject, source: &str, free: u64) -> Self {
        let key = format!("lockout:{}:{source}", subject.key);
        Self { key, remembered: SOURCE_REMEMBERED, free, wait: growing }
    }
}

impl Source {
    /// The network of a request.
    pub fn of(client: &ClientInfo) -> Self {
        Self::Network(client.network())
    }

    fn key(&self) -> String {
        match self {
            Self::Device(id) => format!("device:{id}"),
            Self::Network(network) => network.clone(),
        }
    }
}

fn waiting(key: &str) -> String {
    format!("{key}:wait")
}

/// The wait after the failure number `beyond` of those that are not free.
fn growing(beyond: u64) -> Duration {
    let doublings = u32::try_from(beyond - 1).unwrap_or(u32::MAX).min(16);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}

fn locked(count: Count, first: bool) -> Refused {
    Refused::Locked { first, retry_after_s: count.resets_in.as_secs() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockout() -> Lockout {
        Lockout::new(Counters::in_process())
    }

    fn nobody(email: &str) -> Subject {
        Subject::at(&EmailAttempt::parse(email).expect("good"), &[])
    }

    fn network(n: usize) -> Source {
        Source::Network(format!("192.0.2.{n}"))
    }

    /// How many of so many attempts are let through.
    async fn let_through(lockout: &Lockout, subject: &Subject, source: &Source, attempts: usize) -> usize {
        let mut open = 0;
        for _ in 0..attempts {
            open += usize::from(lockout.attempt(subject, source).await.is_ok());
        }
        open
    }

    #[test]
    fn each_wait_is_twice_as_long_up_to_an_hour() {
        let minutes = [1, 2, 3, 4, 5, 6, 7, 8, 100].map(|beyond| growing(beyond).as_secs() / 60);
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test]
    async fn the_sixth_failure_waits_and_a_success_starts_anew() {
        let (lockout, ada) = (lockout(), nobody("a@example.com"));
        let counted = lockout.attempt(&ada, &network(1)).await.expect("free");
        assert_eq!(let_through(&lockout, &ada, &network(1), 3).await, 3);
        lockout.succeeded(counted).await;
        assert_eq!(let_through(&lockout, &ada, &network(1), 5).await, 5);
        for first in [true, false] {
            let Err(Refused::Locked { first: told, retry_after_s }) = lockout.attempt(&ada, &network(1)).await else {
                panic!("locked")
            };
            assert_eq!((told, retry_after_s), (first, 60));
        }
    }

    #[tokio::test]
    async fn a_stranger_locks_out_neither_another_network_nor_a_known_device() {
        let (lockout, ada) = (lockout(), nobody("a@example.com"));
        assert_eq!(let_through(&lockout, &ada, &network(1), 40).await, 5);
        assert_eq!(let_through(&lockout, &ada, &network(2), 40).await, 5);
        for n in 3..40 {
            let_through(&lockout, &ada, &network(n), 5).await;
        }
        assert_eq!(let_through(&lockout, &ada, &network(40), 1).await, 0, "the account's own threshold");
        let device = Source::Device("phone".into());
        assert_eq!(let_through(&lockout, &ada, &device, 40).await, 5, "a stolen device token has its own limit");
    }

    #[tokio::test]
    async fn one_network_cannot_try_many_accounts_and_what_is_refused_is_no_failure_of_it() {
        let lockout = lockout();
        let_through(&lockout, &nobody("b@example.com"), &network(1), 40).await;
        let mut open = 0;
        for n in 0..30 {
            open += let_through(&lockout, &nobody(&format!("a{n}@example.com")), &network(1), 1).await;
        }
        assert_eq!(open, 15, "five were of the first account");
        assert_eq!(let_through(&lockout, &nobody("a25@example.com"), &network(2), 5).await, 5, "nobody else is locked");
    }

    #[tokio::test]
    async fn every_64_of_a_48_together_stays_below_the_accounts_own_threshold() {
        let (lockout, ada) = (lockout(), nobody("a@example.com"));
        let of_wide = |n: usize| Source::Network(format!("2001:db8:7:{n:x}::/64"));
        let mut open = 0;
        for n in 0..20 {
            open += let_through(&lockout, &ada, &of_wide(n), 5).await;
        }
        assert_eq!(open, 11, "ten are free, and one attempt at a time after that");
        assert_eq!(let_through(&lockout, &ada, &Source::Network("2001:db8:8:1::/64".into()), 5).await, 5);
        for n in 0..20 {
            for name in 0..10 {
                open += let_through(&lockout, &nobody(&format!("{n}-{name}@example.com")), &of_wide(n), 1).await;
            }
        }
        assert_eq!(open, 100, "at whatever accounts");
    }

    #[tokio::test]
    async fn another_spelling_of_an_address_has_no_guesses_of_its_own() {
        let lockout = lockout();
        let mut open = 0;
        for text in ["a@münchen.example", "a@mu\u{308}nchen.example", "A@xn--mnchen-3ya.example"] {
            open += let_through(&lockout, &nobody(text), &network(1), 5).await;
        }
        assert_eq!(open, 5);
    }
}
