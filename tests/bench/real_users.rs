//! Users of real environments on this machine, as many as M0's caps allow: what the simulation of contention is
//! compared with.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tests::{
    host::Function,
    proxy::{NetworkFault, Proxy},
    simulation::{Counts, Kind, RETRIES, RETRY_WAIT, THINK, choose, exponential},
    test_env::Person,
};

use super::{
    Bench, answered,
    service_times::{ACTIONS, WAY},
};

/// As far as this machine's processors suffice.
const USERS: [u64; 3] = [100, 300, MOST];
pub(crate) const MOST: u64 = 1000;
const TIME: Duration = Duration::from_secs(20);
/// Of a function without a cap: more than are ever busy at once.
const ENOUGH: u64 = 5;

/// The environments that nobody keeps at the moment, by action.
type Free = Vec<Mutex<Vec<Function>>>;

/// By users, the share of calls refused.
pub(crate) async fn refused(bench: &Bench, kinds: &[Kind], people: &[Person]) -> Vec<(u64, f64)> {
    let proxy = Proxy::to(bench.env.stack.mongodb_address()).await;
    proxy.set(NetworkFault::Late(WAY));
    let uri = proxy.uri();
    let at_atlas = [("MONGODB_URI", uri.as_str())];
    let mut free = Free::new();
    for (action, kind) in ACTIONS.iter().zip(kinds) {
        let number = if kind.cap == u64::MAX { ENOUGH } else { kind.cap };
        free.push(Mutex::new(join_all((0..number).map(|_| bench.start(action.function, &at_atlas))).await));
    }
    let mut real = Vec::new();
    for users in USERS {
        let counts = run(&free, kinds, &people[..usize::try_from(users).unwrap()]).await;
        real.push((users, counts.refused_share()));
    }
    real
}

async fn run(free: &Free, kinds: &[Kind], people: &[Person]) -> Counts {
    let [answered_calls, refused, given_up] = [const { AtomicU64::new(0) }; 3];
    let deadline = Instant::now() + TIME;
    join_all(people.iter().map(async |who| {
        let mut random = fastrand::Rng::new();
        loop {
            tokio::time::sleep(exponential(THINK, &mut random)).await;
            if Instant::now() > deadline {
                break;
            }
            let kind = choose(kinds, random.f64());
            for attempt in 0..=RETRIES {
                let environment = free[kind].lock().unwrap().pop();
                if let Some(environment) = environment {
                    answered(&environment, &(ACTIONS[kind].call)(who)).await;
                    free[kind].lock().unwrap().push(environment);
                    answered_calls.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                refused.fetch_add(1, Ordering::Relaxed);
                if attempt == RETRIES {
                    given_up.fetch_add(1, Ordering::Relaxed);
                } else {
                    tokio::time::sleep(RETRY_WAIT.mul_f64(random.f64())).await;
                }
            }
        }
    }))
    .await;
    let [answered, refused, given_up] = [answered_calls, refused, given_up].map(AtomicU64::into_inner);
    Counts { answered, refused, given_up, ..Counts::default() }
}
