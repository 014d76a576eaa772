//! Work whose time tells nothing.

use std::time::Duration;

/// So long such work takes at least: longer than all of it does as a rule.
const ALWAYS: Duration = Duration::from_millis(400);

/// Does `work`, in the same time whether there is an account to do it for or not.
pub(super) async fn unhurried<T>(work: impl Future<Output = T>) -> T {
    let (outcome, ()) = futures_util::join!(work, tokio::time::sleep(ALWAYS));
    outcome
}
