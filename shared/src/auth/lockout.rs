//! How often a password, or a code, may be guessed.

use std::time::Duration;

use crate::{
    cache::{Cache, Count},
    clock::{self, Moment},
    http::{ClientInfo, Problem},
    users::EmailAttempt,
};

/// Failures that lock, and for how long after the first of them.
const WINDOW: Duration = Duration::from_mins(15);
const PER_ACCOUNT: u64 = 5;
const PER_ADDRESS: u64 = 20;

/// Counts attempts before they are made, so that no number of them at once gets past the limit; a
/// success takes its account's count back, and one that could not be made takes back its own.
pub struct Lockout {
    cache: Cache,
}

/// An attempt that may not be made.
#[derive(Debug)]
pub struct Locked {
    /// Whether this is the first refused attempt of the window.
    pub first: bool,
    /// When the window began.
    pub since: Moment,
    retry_after_s: u64,
}

impl From<Locked> for Problem {
    fn from(locked: Locked) -> Self {
        Self::too_many_requests(locked.retry_after_s)
    }
}

impl Lockout {
    /// Counts in `cache`.
    pub fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// Counts an attempt at this account's password from the caller's address.
    pub async fn attempt(&self, email: &EmailAttempt, client: &ClientInfo) -> Result<(), Locked> {
        // The address first: one that is over its limit must not lock everybody's account.
        let address = self.cache.increment(&address_key(client), WINDOW).await;
        Locked::beyond(PER_ADDRESS, address)?;
        let account = self.cache.increment(&account_key(email), WINDOW).await;
        if let Err(locked) = Locked::beyond(PER_ACCOUNT, account) {
            // Nobody learnt anything: it is no failure of the address.
            self.cache.subtract(&address_key(client), 1).await;
            return Err(locked);
        }
        // What the address's count has of this account, for as long as the address's count.
        self.cache.increment(&own_key(email, client), address.resets_in).await;
        Ok(())
    }

    /// The password was right.
    pub async fn clear(&self, email: &EmailAttempt, client: &ClientInfo) {
        self.cache.delete(&account_key(email)).await;
        for key in [address_key(client), own_key(email, client)] {
            self.cache.subtract(&key, 1).await;
        }
    }

    /// The attempt could not be made after all: nobody learnt whether the password was right.
    pub async fn give_back(&self, email: &EmailAttempt, client: &ClientInfo) {
        for key in [account_key(email), address_key(client), own_key(email, client)] {
            self.cache.subtract(&key, 1).await;
        }
    }

    /// The owner proved the mailbox at `proved`: failures at this account count no more. Once for each proof, so that
    /// whoever goes on guessing is locked out again.
    pub async fn forgive(&self, email: &EmailAttempt, client: &ClientInfo, proved: Moment) {
        if self.cache.lock(&format!("lockout:proved:{}:{proved}", email.key()), WINDOW).await {
            self.cache.delete(&account_key(email)).await;
        }
        let key = own_key(email, client);
        let own = self.cache.peek(&key).await.and_then(|count| count.parse().ok()).unwrap_or_default();
        self.cache.delete(&key).await;
        self.cache.subtract(&address_key(client), own).await;
    }
}

impl Locked {
    fn beyond(limit: u64, count: Count) -> Result<(), Self> {
        if count.used <= limit {
            return Ok(());
        }
        let gone = WINDOW.saturating_sub(count.resets_in);
        let since = clock::now() - gone;
        Err(Self { first: count.used == limit + 1, since, retry_after_s: count.resets_in.as_secs() + 1 })
    }
}

fn account_key(email: &EmailAttempt) -> String {
    format!("lockout:account:{}", email.key())
}

fn address_key(client: &ClientInfo) -> String {
    format!("lockout:address:{}", client.network())
}

/// Attempts at one account from one address.
fn own_key(email: &EmailAttempt, client: &ClientInfo) -> String {
    format!("lockout:own:{}:{}", email.key(), client.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sixth_failure_is_refused_and_a_success_starts_anew() {
        let lockout = Lockout::new(Cache::in_process());
        let email = EmailAttempt::parse("a@example.com").expect("good");
        let client = ClientInfo::default();
        for _ in 0..4 {
            assert!(lockout.attempt(&email, &client).await.is_ok());
        }
        lockout.clear(&email, &client).await;
        for _ in 0..5 {
            assert!(lockout.attempt(&email, &client).await.is_ok());
        }
        assert!(matches!(lockout.attempt(&email, &client).await, Err(Locked { first: true, .. })));
        assert!(matches!(lockout.attempt(&email, &client).await, Err(Locked { first: false, .. })));
    }

    #[tokio::test]
    async fn what_is_given_back_does_not_count() {
        let (lockout, client) = (Lockout::new(Cache::in_process()), ClientInfo::default());
        let email = EmailAttempt::parse("a@example.com").expect("good");
        for _ in 0..30 {
            assert!(lockout.attempt(&email, &client).await.is_ok());
            lockout.give_back(&email, &client).await;
        }
        for _ in 0..5 {
            assert!(lockout.attempt(&email, &client).await.is_ok());
        }
        assert!(matches!(lockout.attempt(&email, &client).await, Err(Locked { first: true, .. })));
    }

    #[tokio::test]
    async fn one_address_cannot_try_many_accounts() {
        let (lockout, client) = (Lockout::new(Cache::in_process()), ClientInfo::default());
        let mut open = 0;
        for n in 0..30 {
            let email = EmailAttempt::parse(&format!("a{n}@example.com")).expect("good");
            open += u32::from(lockout.attempt(&email, &client).await.is_ok());
        }
        assert_eq!(open, 20);
        let (elsewhere, email) =
            (ClientInfo { source_ip: "192.0.2.1".into(), ..ClientInfo::default() }, "a25@example.com");
        let email = EmailAttempt::parse(email).expect("good");
        for _ in 0..5 {
            assert!(lockout.attempt(&email, &elsewhere).await.is_ok(), "nobody else is locked");
        }
    }
    fn email(text: &str) -> EmailAttempt {
        EmailAttempt::parse(text).expect("good")
    }

    async fn attempts(lockout: &Lockout, email: &EmailAttempt, client: &ClientInfo, count: usize) -> usize {
        let mut open = 0;
        for _ in 0..count {
            open += usize::from(lockout.attempt(email, client).await.is_ok());
        }
        open
    }

    #[tokio::test]
    async fn who_proved_the_mailbox_has_five_more_guesses_and_once() {
        let (lockout, client) = (Lockout::new(Cache::in_process()), ClientInfo::default());
        let (ada, proved) = (email("a@example.com"), clock::now());
        assert_eq!(attempts(&lockout, &ada, &client, 40).await, 5, "and the address is not locked by the rest");
        let locked = lockout.attempt(&ada, &client).await.expect_err("locked");
        assert!(locked.since <= clock::now() && locked.since > clock::now() - Duration::from_mins(1));
        for open in [5, 0, 0] {
            lockout.forgive(&ada, &client, proved).await;
            assert_eq!(attempts(&lockout, &ada, &client, 10).await, open);
        }
        lockout.forgive(&ada, &client, clock::now() + Duration::from_secs(1)).await;
        assert_eq!(attempts(&lockout, &ada, &client, 10).await, 5, "another proof");
    }

    #[tokio::test]
    async fn a_proof_takes_back_the_failures_of_its_own_account_and_no_others() {
        let (lockout, client) = (Lockout::new(Cache::in_process()), ClientInfo::default());
        for n in 0..3 {
            assert_eq!(attempts(&lockout, &email(&format!("a{n}@example.com")), &client, 5).await, 5);
        }
        let ada = email("a@example.com");
        assert_eq!(attempts(&lockout, &ada, &client, 5).await, 5);
        assert!(lockout.attempt(&email("b@example.com"), &client).await.is_err(), "the address is locked");
        for _ in 0..3 {
            lockout.forgive(&ada, &client, clock::now()).await;
        }
        assert!(lockout.attempt(&ada, &client).await.is_ok());
        assert!(attempts(&lockout, &email("b@example.com"), &client, 20).await < 5, "fifteen were of others");
    }

    #[tokio::test]
    async fn another_spelling_of_an_address_has_no_guesses_of_its_own() {
        let (lockout, client) = (Lockout::new(Cache::in_process()), ClientInfo::default());
        let mut open = 0;
        for text in ["a@münchen.example", "a@mu\u{308}nchen.example", "A@xn--mnchen-3ya.example"] {
            open += attempts(&lockout, &email(text), &client, 5).await;
        }
        assert_eq!(open, 5);
    }
}
