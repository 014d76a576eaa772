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
        let operations = u32::try_from(operations).unwrap_or(u32::MAX);
        let start = self.next.max(Instant::now());
        self.next = start + Duration::from_secs(1) * operations / RATE;
        self.operations += u64::from(operations);
        sleep_until(start).await;
    }

    /// Operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_than_fifty_operations() {
        let (mut pace, mut sent) = (Pace::new(), Vec::new());
        for operations in [1, BATCH, 1, 1, BATCH, BATCH, 1].into_iter().cycle().take(500) {
            pace.wait(operations).await;
            sent.push((Instant::now(), operations));
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
