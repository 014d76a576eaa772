//! How long users' calls keep an environment, and what they ask of MongoDB: what the simulation of contention is made
//! of. With a cache that all environments share, and without one.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{
    host::Function,
    proxy::{NetworkFault, Proxy},
    requests::Call,
    simulation::{Kind, THINK},
    template::{self, TIERS},
    test_env::Person,
    wiretap::Wiretap,
};

use super::{Bench, answered, get, millis, sign_in, view};

const MEASURED: usize = 100;
/// From a function to MongoDB, one way: Atlas in the same region.
pub(crate) const WAY: Duration = Duration::from_millis(2);
/// The memory that buys one whole processor. Source: AWS's documentation of Lambda's memory setting.
const MB_PER_PROCESSOR: f64 = 1769.0;
/// How long the shared cache knows a user, and how long an environment does: `shared/src/cache/lookup.rs`.
const SHARED_COPY: Duration = Duration::from_mins(5);
const OWN_COPY: Duration = Duration::from_secs(30);

/// What users do, in parts of a hundred.
pub(crate) struct Action {
    pub(crate) function: &'static str,
    share: f64,
    /// Whether it asks who is calling.
    looks_up: bool,
    pub(crate) call: fn(&Person) -> Call,
}

const fn action(function: &'static str, share: f64, looks_up: bool, call: fn(&Person) -> Call) -> Action {
    Action { function, share, looks_up, call }
}

pub(crate) const ACTIONS: [Action; 9] = [
    action("prompts", 28.0, false, |who| get(who, "/api/prompts?limit=50")),
    action("prompt", 25.0, true, |who| get(who, "/api/prompts/prompt-7")),
    action("prompt-view", 15.0, false, view),
    action("auth-session", 14.0, true, |who| get(who, "/api/auth/session")),
    action("stats", 5.0, false, |who| get(who, "/api/stats")),
    action("usage-alerts", 5.0, true, |who| get(who, "/api/usage-alerts")),
    action("workbench-runs", 5.0, true, |who| get(who, "/api/workbench/runs")),
    action("user-preferences", 2.0, true, |who| {
        Call::new("PUT", "/api/user/notification-preferences", json!({"emailEnabled": false})).by(who)
    }),
    action("auth-login", 1.0, false, sign_in),
];

/// What a call costs.
#[derive(Clone, Copy)]
struct Cost {
    /// How long it keeps its environment.
    service: Duration,
    operations: f64,
}

/// An action's function as it was measured.
pub(crate) struct Measured {
    /// For somebody whom nobody knows yet, and for whom the environment knows.
    stranger: Cost,
    known: Cost,
    /// By tier; none without MongoDB.
    cap: [Option<u64>; TIERS.len()],
}

pub(crate) async fn measured(bench: &Bench, people: &[Person], shared: bool) -> Vec<Measured> {
    println!("\n{}", if shared { "with Valkey" } else { "without a cache that environments share" });
    println!(
        "\n| function | calls, % | environment kept, ms (for a stranger) | operations a call (for a stranger) | cap on M0 | M10 |\n|---|---|---|---|---|---|"
    );
    let mut all = Vec::new();
    for action in &ACTIONS {
        let one = measure(bench, action, people, shared).await;
        let caps = one.cap.map(|cap| cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string()));
        let (Cost { service, operations }, stranger) = (one.known, one.stranger);
        println!(
            "| `{}` | {} | {:.1} ({:.1}) | {operations:.2} ({:.2}) | {} | {} |",
            action.function,
            action.share,
            millis(service),
            millis(stranger.service),
            stranger.operations,
            caps[0],
            caps[1],
        );
        all.push(one);
    }
    all
}

/// One warm environment with MongoDB as far away as Atlas is.
async fn measure(bench: &Bench, action: &Action, people: &[Person], shared: bool) -> Measured {
    let wiretap = Wiretap::to(bench.env.stack.mongodb_address()).await;
    let proxy = Proxy::to(format!("127.0.0.1:{}", wiretap.port)).await;
    proxy.set(NetworkFault::Late(WAY));
    let uri = proxy.uri();
    let mut variables = vec![("MONGODB_URI", uri.as_str())];
    if !shared {
        variables.push(("REDIS_URL", ""));
    }
    let environment = bench.start(action.function, &variables).await;
    // Nobody is known, and the environment has what all calls share.
    bench.env.forget_everything().await;
    answered(&environment, &(action.call)(&people[MEASURED])).await;
    let stranger = cost(&environment, &wiretap, action, &people[..MEASURED]).await;
    let known = cost(&environment, &wiretap, action, &people[..MEASURED]).await;
    let function = template::Function::named(action.function);
    Measured { stranger, known, cap: TIERS.map(|(tier, _)| function.cap[tier]) }
}

/// Of a call, on average. Its time is what the function waits, and its work as slow as its share of a processor makes
/// it.
async fn cost(environment: &Function, wiretap: &Wiretap, action: &Action, people: &[Person]) -> Cost {
    wiretap.take();
    let (before, started) = (environment.cpu(), Instant::now());
    for who in people {
        answered(environment, &(action.call)(who)).await;
    }
    let (worked, took) = (environment.cpu().saturating_sub(before), started.elapsed());
    let memory = template::Function::named(action.function).memory_mb;
    let slower = (MB_PER_PROCESSOR / memory as f64).max(1.0);
    let calls = u32::try_from(people.len()).unwrap();
    let service = (took.saturating_sub(worked) + worked.mul_f64(slower)) / calls;
    Cost { service, operations: wiretap.take().values().sum::<u64>() as f64 / f64::from(calls) }
}

/// The share of calls whose caller MongoDB is asked about. A user's calls come by chance, a copy of the user lasts a
/// while and is then made anew by the next call; and with a shared cache one copy serves all functions, without one
/// each environment makes its own.
fn unknown(action: &Action, cap: u64, shared: bool) -> f64 {
    if !action.looks_up {
        return 0.0;
    }
    let a_second = |share: f64| share / 100.0 / THINK.as_secs_f64();
    let all: f64 = ACTIONS.iter().filter(|action| action.looks_up).map(|action| action.share).sum();
    let (rate, copy) =
        if shared { (a_second(all), SHARED_COPY) } else { (a_second(action.share) / cap as f64, OWN_COPY) };
    1.0 / (1.0 + rate * copy.as_secs_f64())
}

fn cost_of_a_call(action: &Action, measured: &Measured, tier: usize, shared: bool) -> (Duration, f64) {
    let share = unknown(action, measured.cap[tier].unwrap_or(1), shared);
    let (stranger, known) = (measured.stranger, measured.known);
    let service = stranger.service.mul_f64(share) + known.service.mul_f64(1.0 - share);
    (service, share * stranger.operations + (1.0 - share) * known.operations)
}

pub(crate) fn kinds(measured: &[Measured], tier: usize, shared: bool) -> Vec<Kind> {
    let kind = |(action, one): (&Action, &Measured)| Kind {
        share: action.share,
        service: cost_of_a_call(action, one, tier, shared).0,
        cap: one.cap[tier].unwrap_or(u64::MAX),
    };
    ACTIONS.iter().zip(measured).map(kind).collect()
}

/// Operations that a call costs, by action, on M0.
pub(crate) fn operations(measured: &[Measured], shared: bool) -> Vec<f64> {
    ACTIONS.iter().zip(measured).map(|(action, one)| cost_of_a_call(action, one, 0, shared).1).collect()
}
