//! How often one caller may use a family of routes: a fixed window, counted in the cache.
//!
//! Every policy works without the cache too: the count then goes on in this environment alone, so that
//! an outage of the cache neither locks everybody out nor lets everything in.

use std::time::Duration;

use super::{Caller, Problem};
use crate::cache::{Cache, Count};

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

/// What is left of a policy after a request, as its answer tells.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    pub(super) policy: Policy,
    pub(super) count: Count,
}

impl Policy {
    /// Counts this request of `principal` (an id; or the address that API Gateway saw, never a header);
    /// 429 when the window is used up. The answer carries what is left.
    pub async fn check(&self, cache: &Cache, caller: &Caller, principal: &str) -> Result<(), Problem> {
        let key = format!("rate:{}:{principal}", self.name);
        let count = cache.increment(&key, self.window).await;
        // The first policy of a request is the one its answer tells of.
        let _ = caller.quota.set(Quota { policy: *self, count });
        if count.used > self.requests {
            return Err(Problem::too_many_requests(seconds(count.resets_in)));
        }
        Ok(())
    }

    /// As [`Policy::check`], by the caller's address.
    pub async fn check_address(&self, cache: &Cache, caller: &Caller) -> Result<(), Problem> {
        self.check(cache, caller, &caller.source_ip).await
    }
}

impl Quota {
    /// The header fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    pub(super) fn fields(&self) -> [(&'static str, String); 2] {
        let Policy { name, requests, window } = self.policy;
        let left = requests.saturating_sub(self.count.used);
        [
            ("ratelimit-policy", format!("\"{name}\";q={requests};w={}", window.as_secs())),
            ("ratelimit", format!("\"{name}\";r={left};t={}", seconds(self.count.resets_in))),
        ]
    }
}

/// Rounded up: a caller who waits that long is let in.
fn seconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_window_is_counted_per_principal_and_told() {
        let (cache, policy) = (Cache::in_process(), Policy { name: "p", requests: 2, window: Duration::from_mins(1) });
        let call = async |principal: &str| {
            let caller = Caller::default();
            let outcome = policy.check(&cache, &caller, principal).await;
            (outcome.is_ok(), caller.quota.get().map(Quota::fields))
        };
        let (admitted, fields) = call("a").await;
        let fields = fields.expect("told");
        assert_eq!((admitted, fields[0].1.as_str(), fields[1].1.as_str()), (true, "\"p\";q=2;w=60", "\"p\";r=1;t=60"));
        assert!(call("a").await.0 && !call("a").await.0 && call("b").await.0);
    }
}
