//! How often a password, or a code, may be guessed.

use std::time::Duration;

use crate::{
    cache::Cache,
    http::{ClientInfo, Problem},
    users::Email,
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
    pub async fn attempt(&self, email: &Email, client: &ClientInfo) -> Result<(), Locked> {
        // The address first: one that is over its limit must not lock everybody's account.
        for (key, limit) in [(address_key(client), PER_ADDRESS), (account_key(email), PER_ACCOUNT)] {
            let count = self.cache.increment(&key, WINDOW).await;
            if count.used > limit {
                let retry_after_s = count.resets_in.as_secs() + 1;
                return Err(Locked { first: count.used == limit + 1, retry_after_s });
            }
        }
        Ok(())
    }

    /// The password was right.
    pub async fn clear(&self, email: &Email, client: &ClientInfo) {
        self.cache.delete(&account_key(email)).await;
        self.cache.subtract(&address_key(client), 1).await;
    }

    /// The attempt could not be made after all: nobody learnt whether the password was right.
    pub async fn give_back(&self, email: &Email, client: &ClientInfo) {
        for key in [account_key(email), address_key(client)] {
            self.cache.subtract(&key, 1).await;
        }
    }
}

fn account_key(email: &Email) -> String {
    format!("lockout:account:{}", email.key())
}

fn address_key(client: &ClientInfo) -> String {
    format!("lockout:address:{}", client.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sixth_failure_is_refused_and_a_success_starts_anew() {
        let lockout = Lockout::new(Cache::in_process());
        let email = Email::parse("a@example.com").expect("good");
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
        let email = Email::parse("a@example.com").expect("good");
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
            let email = Email::parse(&format!("a{n}@example.com")).expect("good");
            open += u32::from(lockout.attempt(&email, &client).await.is_ok());
        }
        assert_eq!(open, 20);
        let (elsewhere, email) =
            (ClientInfo { source_ip: "192.0.2.1".into(), ..ClientInfo::default() }, "a25@example.com");
        let email = Email::parse(email).expect("good");
        for _ in 0..5 {
            assert!(lockout.attempt(&email, &elsewhere).await.is_ok(), "nobody else is locked");
        }
    }
}
