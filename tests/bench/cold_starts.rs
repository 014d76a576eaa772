//! Cold starts on as little of a processor as Lambda gives: from start to ready, and the first request. The builds that
//! `COLD_START_BUILDS` names (`fat=/tmp/fat,none=target/bench`) take turns, so that a busy machine is busy for all of
//! them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tests::{
    cpu_share::CpuShare,
    figures::{answered, percentile},
    host::Function,
    requests::Scene,
    root,
};

use super::{Bench, millis};

/// One of each kind, and one that does nothing.
const FUNCTIONS: [&str; 4] = ["minimal", "prompts", "auth-session", "write-events"];
const MEMORY_MB: u64 = 256;
const ROUNDS: usize = 15;

pub(crate) async fn print(bench: &Bench) {
    let builds = builds();
    let scene = Scene::of_env(&bench.env, 1, "prompt-7").await;
    println!("\nat {MEMORY_MB} MB, medians of {ROUNDS} starts, milliseconds: start to ready + first request");
    println!("\n| function | {} |", builds.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(builds.len()));
    for name in FUNCTIONS {
        let mut times = vec![(Vec::new(), Vec::new()); builds.len()];
        for round in 0..ROUNDS {
            for ((_, folder), (ready, first)) in builds.iter().zip(&mut times) {
                let (start, request) = cold_start(bench, &scene, folder, name, round).await;
                ready.push(start);
                first.push(request);
            }
        }
        let cells = times.iter_mut().map(|(ready, first)| {
            format!("{:.0} + {:.0}", millis(percentile(ready, 50)), millis(percentile(first, 50)))
        });
        println!("| `{name}` | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

async fn cold_start(bench: &Bench, scene: &Scene, build: &Path, name: &str, round: usize) -> (Duration, Duration) {
    let share = CpuShare::of_memory(MEMORY_MB).expect("control groups: this needs root");
    let function = bench.start_with_share(&build.join(name).join("bootstrap"), name, &share, &[]).await;
    let first = answered(&function, scene.work(name, round).event()).await;
    let times = (function.init, first);
    Function::retire(function).await;
    times
}

fn builds() -> Vec<(String, PathBuf)> {
    let Ok(text) = std::env::var("COLD_START_BUILDS") else {
        return vec![("release".into(), root().join("target/bench"))];
    };
    let build = |text: &str| text.split_once('=').map(|(name, folder)| (name.to_owned(), PathBuf::from(folder)));
    text.split(',').filter_map(build).collect()
}
