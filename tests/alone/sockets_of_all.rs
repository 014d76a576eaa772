//! All functions together under a load above their caps.

use std::time::Duration;

use tests::{
    callers::Callers,
    eventually,
    saturation::{saturate, without_limits},
    stack::stack,
};

/// The quick form of `cargo local bench connections`.
#[tokio::test]
async fn under_a_load_that_saturates_every_cap_the_total_stays_within_the_budget() {
    let stack = stack();
    // A batch that finds its consumer at its cap stays away for so long: the load is over then, and the tests are not.
    stack.set_visibility_timeout(15).await;
    let load = async { saturate(&Callers::new(&stack).await, Duration::from_secs(10)).await };
    let saturation = without_limits(&stack, load).await;
    stack.set_visibility_timeout(390).await;
    saturation.print();
    saturation.check();
    eventually("the queue is empty", 60, async || (stack.depth(&stack.events_queue_url).await == 0).then_some(()))
        .await;
    assert_eq!(stack.depth(&stack.events_dlq_url).await, 0);
}
