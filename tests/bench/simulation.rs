//! Users who call, are refused above a cap, try again and give up: event by event.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Between an answer and the same user's next call, on average.
pub(crate) const THINK: Duration = Duration::from_secs(5);
/// How often a front end tries again, as the README advises, and the longest wait before it.
pub(crate) const RETRIES: u32 = 2;
pub(crate) const RETRY_WAIT: Duration = Duration::from_millis(500);
/// Simulated time.
const LONG: Duration = Duration::from_mins(20);

/// One kind of call, to a function of its own.
pub(crate) struct Kind {
    /// Its part of all calls.
    pub(crate) share: f64,
    /// How long a call keeps an environment, on average.
    pub(crate) service: Duration,
    /// Environments.
    pub(crate) cap: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// Refused, and not tried again.
    pub(crate) given_up: u64,
}

impl Counts {
    /// Share of attempts that met no free environment.
    pub(crate) fn refused_share(&self) -> f64 {
        self.refused as f64 / (self.answered + self.refused).max(1) as f64
    }
}

/// In the order of what must happen first at one instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Leaves { kind: usize },
    Calls { kind: usize, attempt: u32 },
}

/// Answered calls a second, and what became of all calls.
pub(crate) fn simulate(kinds: &[Kind], users: u64) -> (f64, Counts) {
    let mut random = fastrand::Rng::with_seed(users);
    let mut busy = vec![0; kinds.len()];
    let (mut counts, mut events) = (Counts::default(), BinaryHeap::new());
    let begins = |at: Duration, random: &mut fastrand::Rng| {
        let kind = choose(kinds, random.f64());
        Reverse((at + exponential(THINK, random), Event::Calls { kind, attempt: 0 }))
    };
    for _ in 0..users {
        events.push(begins(Duration::ZERO, &mut random));
    }
    while let Some(Reverse((now, event))) = events.pop() {
        if now > LONG {
            break;
        }
        match event {
            Event::Leaves { kind } => {
                busy[kind] -= 1;
                counts.answered += 1;
                events.push(begins(now, &mut random));
            }
            Event::Calls { kind, .. } if busy[kind] < kinds[kind].cap => {
                busy[kind] += 1;
                let service = exponential(kinds[kind].service, &mut random);
                events.push(Reverse((now + service, Event::Leaves { kind })));
            }
            Event::Calls { kind, attempt } if attempt < RETRIES => {
                counts.refused += 1;
                let wait = RETRY_WAIT.mul_f64(random.f64());
                events.push(Reverse((now + wait, Event::Calls { kind, attempt: attempt + 1 })));
            }
            Event::Calls { .. } => {
                counts.refused += 1;
                counts.given_up += 1;
                events.push(begins(now, &mut random));
            }
        }
    }
    (counts.answered as f64 / LONG.as_secs_f64(), counts)
}

/// The kind at this place of the line on which each has its share.
pub(crate) fn choose(kinds: &[Kind], place: f64) -> usize {
    let mut left = place * kinds.iter().map(|kind| kind.share).sum::<f64>();
    let found = kinds.iter().position(|kind| {
        left -= kind.share;
        left < 0.0
    });
    found.unwrap_or(kinds.len() - 1)
}

/// Times without a memory, as those of independent users are.
pub(crate) fn exponential(mean: Duration, random: &mut fastrand::Rng) -> Duration {
    mean.mul_f64(-(1.0 - random.f64()).ln())
}
