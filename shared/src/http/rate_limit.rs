//! How often one caller may use a family of routes: a fixed window, counted in the cache.

use std::time::Duration;

use super::{Caller, Problem};
use crate::cache::Cache;

/// A limit on a family of routes.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Names the counter.
    pub name: &'static str,
    /// Requests that one caller has in a window.
    pub requests: u64,
    /// Length of the window.
    pub window: Duration,
}

/// Applies one policy. Fails open: with the cache away the count goes on in this environment alone.
pub struct RateLimiter {
    cache: Cache,
    policy: Policy,
}

impl RateLimiter {
    /// Counts in `cache`.
    pub fn new(cache: Cache, policy: Policy) -> Self {
        Self { cache, policy }
    }

    /// Counts this request; 429 when the caller has used up the window. The caller is the address that
    /// API Gateway saw, never a header.
    pub async fn check(&self, caller: &Caller) -> Result<(), Problem> {
        let key = format!("rate:{}:{}", self.policy.name, caller.source_ip);
        let used = self.cache.increment(&key, self.policy.window).await;
        if used > self.policy.requests {
            return Err(Problem::too_many_requests(self.policy.window.as_secs()));
        }
        Ok(())
    }
}
