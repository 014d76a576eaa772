//! What an environment does before its first invocation.
//!
//! Lambda gives a function a whole processor while it starts, and its share of one (a seventh, at 256 MB) from the first
//! invocation on. So whoever will need something at the first request registers here what makes it; the entries run it
//! all at once, and no longer than [`LIMIT`]. What failed or was late by then is made by whoever needs it, as if nothing
//! had been registered.

use std::{
    future::Future,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture, future::join_all};
use tokio::time::timeout;

/// The longest that a start waits for what was registered. AWS answers within 50 ms as a rule.
const LIMIT: Duration = Duration::from_secs(1);

static REGISTERED: Mutex<Vec<BoxFuture<'static, ()>>> = Mutex::new(Vec::new());

/// Has `work` done before the first invocation. It may be dropped at any point.
pub fn register(work: impl Future<Output = ()> + Send + 'static) {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner).push(work.boxed());
}

/// Does what was registered, within [`LIMIT`]. Never fails.
pub(super) async fn run() {
    let registered = mem::take(&mut *REGISTERED.lock().unwrap_or_else(PoisonError::into_inner));
    if timeout(LIMIT, join_all(registered)).await.is_err() {
        tracing::warn!(limit_ms = LIMIT.as_millis(), "not all of the start's work was done in time");
    }
}
