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
/// The longest that a start waits for a connection: with closing it, should it fail, less than [`LIMIT`].
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_millis(700);

static REGISTERED: Mutex<Vec<BoxFuture<'static, ()>>> = Mutex::new(Vec::new());

/// Has `work` done before the first invocation. It may be dropped at any point.
pub fn register(work: impl Future<Output = ()> + Send + 'static) {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner).push(work.boxed());
}

/// Does what was registered, within [`LIMIT`]. Never fails.
pub(super) async fn run() {
    let registered = mem::take(&mut *REGISTERED.lock().unwrap_or_else(PoisonError::into_inner));
    do_all(registered, LIMIT).await;
}

async fn do_all(works: Vec<BoxFuture<'static, ()>>, limit: Duration) {
    if timeout(limit, join_all(works)).await.is_err() {
        tracing::warn!(limit_ms = limit.as_millis(), "not all of the start's work was done in time");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn all_is_done_at_once() {
        let all_are_there = Arc::new(Barrier::new(3));
        let works = (0..3).map(|_| Arc::clone(&all_are_there)).map(|barrier| async move {
            barrier.wait().await;
        });
        let waits_for_nobody = do_all(works.map(FutureExt::boxed).collect(), Duration::MAX);
        timeout(Duration::from_secs(10), waits_for_nobody).await.expect("none waits for another's end");
    }

    #[tokio::test]
    async fn what_never_ends_keeps_a_start_no_longer_than_the_limit_and_the_rest_from_nothing() {
        let done = Arc::new(AtomicBool::new(false));
        let rest = Arc::clone(&done);
        let works = vec![pending().boxed(), async move { rest.store(true, Ordering::Relaxed) }.boxed()];
        timeout(Duration::from_secs(10), do_all(works, Duration::from_millis(10))).await.expect("it ends");
        assert!(done.load(Ordering::Relaxed));
    }
}
