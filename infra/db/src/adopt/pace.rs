//! How fast the two servers are asked: M0 takes 100 operations a second from everybody, and the application goes on
//! meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Operations a second on both servers together. With [`BATCH`] more in the same moment it is 50, whichever second one
/// looks at.
const RATE: u32 = 40;
/// The most documents in one command: each counts as an operation, as the server itself counts them.
pub(super) const BATCH: usize = 10;

/// Spaces operations out, and counts them.
pub(super) struct Pace {
    next: Instant,
    operations: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { next: Instant::now(), operations: 0 }
    }

    /// Waits until so many operations may be sent at once.
    pub(super) async fn wait(&mut self, operations: usize) {
        sleep_until(self.start(operations, Instant::now())).await;
    }

    /// When so many operations may be sent.
    fn start(&mut self, operations: usize, now: Instant) -> Instant {
        let operations = u32::try_from(operations).unwrap_or(u32::MAX);
        let start = self.next.max(now);
        self.next = start + Duration::from_secs(1) * operations / RATE;
        self.operations += u64::from(operations);
        start
    }

    /// Operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_fifty_operations() {
        let (mut pace, mut sent, begin) = (Pace::new(), Vec::new(), Instant::now());
        let batches = [1, BATCH, 1, 1, BATCH, BATCH, 1];
        for (number, operations) in batches.into_iter().cycle().take(500).enumerate() {
            // The servers answer at once, but for a pause now and then.
            let now = begin + Duration::from_secs(number as u64 / 100);
            sent.push((pace.start(operations, now), operations));
        }
        for (from, _) in &sent {
            let until = *from + Duration::from_secs(1);
            let within = sent.iter().filter(|(at, _)| at >= from && *at < until);
            let operations: usize = within.map(|(_, operations)| operations).sum();
            assert!(operations <= 50, "{operations}");
        }
        assert_eq!(pace.operations(), sent.iter().map(|(_, operations)| *operations as u64).sum::<u64>());
    }
}
