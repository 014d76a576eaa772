//! Users who call, are refused above a cap, try again and give up: event by event. And Erlang's formula, which tells the
//! same of users without number who do not try again.

#![allow(clippy::cast_precision_loss, reason = "counts are small")]

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Between an answer and the same user's next call, on average.
pub const THINK: Duration = Duration::from_secs(5);
/// How often a front end tries again, as the README advises, and the longest wait before it.
pub const RETRIES: u32 = 2;
pub const RETRY_WAIT: Duration = Duration::from_millis(500);
/// Simulated time.
const LONG: Duration = Duration::from_mins(20);

/// One kind of call, to a route and a function of its own.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its part of all calls.
    pub share: f64,
    /// How long a call keeps an environment, on average.
    pub service: Duration,
    /// Environments.
    pub cap: u64,
}

#[derive(Default)]
pub struct Counts {
    pub answered: u64,
    /// The same by kind.
    pub by_kind: Vec<u64>,
    /// Above a cap.
    pub refused: u64,
    /// Refused, and not tried again.
    pub given_up: u64,
}

impl Counts {
    /// Share of calls that met no free environment.
    pub fn refused_share(&self) -> f64 {
        self.refused as f64 / (self.answered + self.refused).max(1) as f64
    }

    /// Of what users wanted, the share that they did not get.
    pub fn given_up_share(&self) -> f64 {
        self.given_up as f64 / (self.answered + self.given_up).max(1) as f64
    }

    /// Answered a second of simulated time.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / LONG.as_secs_f64()
    }

    /// The same of the kind that is answered most often.
    pub fn busiest_rate(&self) -> f64 {
        self.by_kind.iter().copied().max().unwrap_or_default() as f64 / LONG.as_secs_f64()
    }

    /// Operations a second of simulated time, when an answer costs so many, by kind.
    pub fn operations(&self, of_an_answer: &[f64]) -> f64 {
        let all: f64 = self.by_kind.iter().zip(of_an_answer).map(|(calls, each)| *calls as f64 * each).sum();
        all / LONG.as_secs_f64()
    }
}

/// In the order of what must happen first at one instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Leaves { kind: usize },
    Calls { kind: usize, attempt: u32 },
}

/// What became of the calls of so many users, who try again so often.
pub fn simulate(kinds: &[Kind], users: u64, retries: u32) -> Counts {
    let mut random = fastrand::Rng::with_seed(users);
    let mut busy = vec![0; kinds.len()];
    let mut counts = Counts { by_kind: vec![0; kinds.len()], ..Counts::default() };
    let mut events = BinaryHeap::new();
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
        let (kind, attempt) = match event {
            Event::Leaves { kind } => {
                busy[kind] -= 1;
                counts.answered += 1;
                counts.by_kind[kind] += 1;
                events.push(begins(now, &mut random));
                continue;
            }
            Event::Calls { kind, attempt } => (kind, attempt),
        };
        if busy[kind] < kinds[kind].cap {
            busy[kind] += 1;
            let service = exponential(kinds[kind].service, &mut random);
            events.push(Reverse((now + service, Event::Leaves { kind })));
            continue;
        }
        counts.refused += 1;
        if attempt < retries {
            let wait = RETRY_WAIT.mul_f64(random.f64());
            events.push(Reverse((now + wait, Event::Calls { kind, attempt: attempt + 1 })));
        } else {
            counts.given_up += 1;
            events.push(begins(now, &mut random));
        }
    }
    counts
}

/// The kind at this place of the line on which each has its share.
pub fn choose(kinds: &[Kind], place: f64) -> usize {
    let mut left = place * kinds.iter().map(|kind| kind.share).sum::<f64>();
    let found = kinds.iter().position(|kind| {
        left -= kind.share;
        left < 0.0
    });
    found.unwrap_or(kinds.len() - 1)
}

/// Times without a memory, as those of independent users are.
pub fn exponential(mean: Duration, random: &mut fastrand::Rng) -> Duration {
    mean.mul_f64(-(1.0 - random.f64()).ln())
}

/// Share of calls refused when `offered` calls are in progress on average and `servers` are allowed.
pub fn erlang_b(offered: f64, servers: u64) -> f64 {
    (1..=servers).fold(1.0, |blocked, n| offered * blocked / (n as f64 + offered * blocked))
}
