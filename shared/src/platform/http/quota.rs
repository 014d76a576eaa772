//! A limit, and what is left of it, as an answer tells.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::cache::Count;

/// A limit on a family of routes.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub name: &'static str,
    /// Requests that one caller has in a window.
    pub requests: u64,
    pub window: Duration,
}

/// What is left of a policy after a request, as its answer tells.
#[derive(Debug)]
pub struct Quota(Mutex<Left>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) policy: Policy,
    pub(super) count: Count,
}

impl From<Left> for Quota {
    fn from(left: Left) -> Self {
        Self(Mutex::new(left))
    }
}

impl Quota {
    pub(super) fn left(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    pub(super) fn fields(&self) -> [(&'static str, String); 2] {
        let Left { policy: Policy { name, requests, window }, count } = *self.left();
        let left = requests.saturating_sub(count.used);
        [
            ("ratelimit-policy", format!("\"{name}\";q={requests};w={}", window.as_secs())),
            ("ratelimit", format!("\"{name}\";r={left};t={}", seconds(count.resets_in))),
        ]
    }
}

/// Rounded up: a caller who waits that long is let in.
pub(super) fn seconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}
