//! Callers who know nothing of one another, as often as the template's budgets say: what caps refuse of them, beside
//! what Erlang's formula says of as many calls that take as long.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests::{
    callers::{Callers, Counts, Fate},
    saturation::{capped, size},
    simulation::{erlang_b, exponential},
    template::Function,
};
use tokio::time::{sleep, sleep_until};

use super::millis;

/// For each turn.
const TIME: Duration = Duration::from_secs(15);
/// Calls a second that the emulator and this machine serve without a queue of their own. Functions that add up to
/// more take turns.
const AT_ONCE: f64 = 60.0;
/// A share of fewer calls would be chance.
const FEW: u32 = 50;

struct Row {
    function: Function,
    counts: Counts,
    /// That an answered call took, on average, as its caller saw it.
    took: Duration,
}

pub(crate) async fn print(callers: &Callers<'_>) {
    println!(
        "\ncalls at the template's PeakPerSecond, each at a moment of its own, for {TIME:?}, in the local build; times \
         as callers see them, the emulator's part included\n\n\
         | function | cap | calls/s | ms | refused, % | Erlang B of these ms, % | of the template's ms, % |\n\
         |---|---|---|---|---|---|---|"
    );
    let (mut few, mut refused_of_few, mut limited, mut late, mut failed) = (0, 0, 0, 0, Vec::new());
    for turn in turns(capped()) {
        for Row { function, counts, took } in join_all(turn.into_iter().map(|function| arrive(callers, function))).await
        {
            failed.extend(counts.failed.iter().map(|what| format!("{}: {what}", function.binary)));
            let calls = counts.answered + counts.refused;
            limited += counts.limited;
            late += counts.late.len();
            if calls < FEW {
                (few, refused_of_few) = (few + calls, refused_of_few + counts.refused);
                continue;
            }
            let (rate, ms) = function.budget.unwrap();
            let cap = function.cap["M0"].unwrap();
            let expected = |ms: f64| 100.0 * erlang_b(rate * ms / 1000.0, cap);
            println!(
                "| `{}` | {cap} | {rate} | {:.1} | {:.2} | {:.2} | {:.4} |",
                function.binary,
                millis(took),
                counts.refused_percent(),
                expected(millis(took)),
                expected(ms),
            );
        }
    }
    println!("\nfunctions with fewer than {FEW} calls: {few} calls, {refused_of_few} refused");
    println!("not counted: {limited} answered by a rate limit, {late} late");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// In the template's order, as many at a time as are served at once.
fn turns(functions: Vec<Function>) -> Vec<Vec<Function>> {
    let (mut turns, mut sum) = (vec![Vec::new()], 0.0);
    for function in functions {
        let rate = rate(&function);
        if sum + rate > AT_ONCE && sum > 0.0 {
            turns.push(Vec::new());
            sum = 0.0;
        }
        sum += rate;
        turns.last_mut().unwrap().push(function);
    }
    turns
}

fn rate(function: &Function) -> f64 {
    function.budget.unwrap_or_else(|| panic!("{} states no Budget", function.name)).0
}

async fn arrive(callers: &Callers<'_>, function: Function) -> Row {
    // Its environments are started, and have their connections.
    for round in 0..2 {
        join_all((0..size(&function)).map(|n| callers.call(&function.binary, round * size(&function) + n))).await;
    }
    sleep(Duration::from_secs(1)).await;
    let mut random = fastrand::Rng::new();
    let gap = Duration::from_secs_f64(1.0 / rate(&function));
    let moments = std::iter::successors(Some(Duration::ZERO), |at| Some(*at + exponential(gap, &mut random)));
    let begun = tokio::time::Instant::now();
    let calls = moments.skip(1).take_while(|at| *at < TIME).enumerate().map(async |(n, at)| {
        sleep_until(begun + at).await;
        let started = Instant::now();
        (callers.call(&function.binary, n).await, started.elapsed())
    });
    let calls: Vec<_> = calls.collect();
    let (mut counts, mut took) = (Counts::default(), Duration::ZERO);
    for (fate, time) in join_all(calls).await {
        if matches!(fate, Fate::Answered) {
            took += time;
        }
        counts.add(fate);
    }
    let took = took / counts.answered.max(1);
    Row { function, counts, took }
}
