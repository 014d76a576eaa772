//! How often a password may be guessed.
//!
//! Failures are counted per account and where they come from, so that a stranger locks out themselves and not the
//! owner. After the fifth there is one attempt at a time, after a wait that doubles. Over all networks an account has a
//! high threshold, beyond which attempts have to wait for one another. A device that signed in before has a count of
//! its own, whatever strangers do.

use std::time::Duration;

use super::PasswordAttempt;
use crate::{
    cache::Count,
    counters::Counters,
    http::{ClientInfo, Problem},
    mongo,
    users::{EmailAttempt, User},
};

/// How long failures are remembered, from the first of them.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Failures of one source at one account before attempts have to wait; the fifth attempt is the last without.
const FREE_PER_SOURCE: u64 = 4;
/// The first wait; each one after it is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Failures at one account, wherever they come from, before attempts from networks have to wait for one another.
const FREE_PER_ACCOUNT: u64 = 100;
const ACCOUNT_WAIT: Duration = Duration::from_secs(30);
/// Failures of one network, at whatever accounts, and for how long they count.
const PER_NETWORK: u64 = 20;
const NETWORK_WINDOW: Duration = Duration::from_mins(15);

/// Counts attempts before they are made, so that no number of them at once gets past a limit.
#[derive(Clone)]
pub struct Lockout {
    counters: Counters,
}

/// Whose password is tried: an account, or an address that none has. A proved reset makes it another one, for which
/// nothing is counted yet.
pub struct Subject(String);

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
    /// Of the account, and of the network.
    wider: Vec<String>,
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
        Self(format!("{}:{}", email.key(), reset.map_or(0, |at| at.as_millisecond())))
    }

    /// Somebody who is signed in.
    fn signed_in(user: &User) -> Self {
        let reset = user.password_reset_at.map_or(0, |at| at.as_millisecond());
        Self(format!("{}:{reset}", user.id))
    }
}

impl Lockout {
    pub fn new(counters: Counters) -> Self {
        Self { counters }
    }

    /// Counts an attempt.
    pub async fn attempt(&self, subject: &Subject, source: &Source) -> Result<Counted, Refused> {
        let Subject(subject) = subject;
        let (own, account) = (format!("lockout:{subject}:{}", source.key()), format!("lockout:{subject}"));
        let counted = |wider: Vec<String>| Counted { own: [own.clone(), waiting(&own)], wider };
        let Source::Network(network) = source else {
            self.pass(&own, FREE_PER_SOURCE, growing).await?;
            return Ok(counted(Vec::new()));
        };
        // The network first: one that is over its limit must not lock everybody's account.
        let network = format!("lockout:network:{network}");
        let failures = self.counters.increment(&network, NETWORK_WINDOW).await?;
        if failures.used > PER_NETWORK {
            return Err(locked(failures, failures.used == PER_NETWORK + 1));
        }
        let passed = async {
            self.pass(&own, FREE_PER_SOURCE, growing).await?;
            let passed = self.pass(&account, FREE_PER_ACCOUNT, |_| ACCOUNT_WAIT).await;
            if passed.is_err() {
                self.counters.give_back(std::slice::from_ref(&own)).await?;
            }
            passed
        };
        if let Err(refused) = passed.await {
            // Nobody learnt anything: it is no failure of the network.
            self.counters.give_back(&[network]).await?;
            return Err(refused);
        }
        Ok(counted(vec![account, network]))
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

    /// Counts under `key`; beyond `free` lets one through, and no other before a wait is over.
    async fn pass(&self, key: &str, free: u64, wait: fn(u64) -> Duration) -> Result<(), Refused> {
        let failures = self.counters.increment(key, REMEMBERED).await?;
        let Some(beyond @ 1..) = failures.used.checked_sub(free) else { return Ok(()) };
        let turn = self.counters.increment(&waiting(key), wait(beyond)).await?;
        if turn.used == 1 {
            return Ok(());
        }
        self.counters.give_back(&[key.to_owned()]).await?;
        Err(locked(turn, turn.used == 2))
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
    async fn another_spelling_of_an_address_has_no_guesses_of_its_own() {
        let lockout = lockout();
        let mut open = 0;
        for text in ["a@münchen.example", "a@mu\u{308}nchen.example", "A@xn--mnchen-3ya.example"] {
            open += let_through(&lockout, &nobody(text), &network(1), 5).await;
        }
        assert_eq!(open, 5);
    }
}
