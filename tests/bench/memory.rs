//! Which memory is worth its price: one function of each kind with as much of a processor as each setting buys. The best
//! setting has the least product of what a call costs and how long 19 of 20 callers wait at most.

use std::{path::Path, time::Duration};

use tests::{
    cpu_share::CpuShare,
    figures::{answered, percentile},
    root,
};

use super::{
    host::{Figures, Host, Subject},
    millis,
};

const SETTINGS_MB: [u64; 4] = [128, 256, 512, 1024];
/// Each with the calls that one start serves here. Of a job's calls nobody waits.
const KINDS: [(&str, &str, usize); 7] = [
    ("content, in memory", "prompts", 40),
    ("events, into SQS", "analytics-track", 40),
    ("a query of MongoDB", "usage-alerts", 40),
    ("a transaction", "prompt-edit", 40),
    ("a password, by argon2id", "auth-login", 20),
    ("the consumer of events", "write-events", 40),
    ("a job", "check-usage-alerts", 5),
];
/// Users' calls come apart, each with its share of a whole period of the processor.
const PAUSE: Duration = Duration::from_millis(20);
/// After which functions make their connections anew.
const IDLE: Duration = Duration::from_secs(61);
const MB_PER_GB: f64 = 1024.0;

pub(crate) async fn print(build: &Path) {
    let host = Host::new().await;
    let prices: toml::Table = std::fs::read_to_string(root().join("infra/aws-prices.toml")).unwrap().parse().unwrap();
    let gb_second = prices["prices"]["lambda_gb_second"].as_float().unwrap();
    let after_idling = after_idling(&host, build).await;
    println!(
        "\n| kind, function | MB | of it used | cold, ms | after an idle minute, ms | warm p95, ms | $ of duration, a million calls | $ × p95, by the least |\n|---|---|---|---|---|---|---|---|"
    );
    for ((kind, name, requests), after_idling) in KINDS.iter().zip(after_idling) {
        let program = build.join(name).join("bootstrap");
        let mut lines = Vec::new();
        for (memory_mb, idle) in SETTINGS_MB.into_iter().zip(after_idling) {
            let subject = Subject { name, memory_mb, program: vec![&program], requests: *requests, pause: PAUSE };
            let figures = host.figures(&subject).await;
            let p95 = millis(percentile(&mut figures.warm.clone(), 95));
            let dollars = dollars_a_million(memory_mb, &figures, gb_second);
            lines.push((memory_mb, figures, idle, p95, dollars));
        }
        let least = lines.iter().map(|(.., p95, dollars)| p95 * dollars).fold(f64::INFINITY, f64::min);
        for (memory_mb, Figures { cold, used_mb, .. }, idle, p95, dollars) in lines {
            let (cold, idle, product) = (millis(cold), millis(idle), p95 * dollars / least);
            println!(
                "| {kind}: `{name}` | {memory_mb} | {used_mb} | {cold:.0} | {idle:.0} | {p95:.1} | {dollars:.3} | {product:.1} |"
            );
        }
    }
}

/// Of each kind and setting, how long the second call takes when nobody called for so long that connections are made anew.
async fn after_idling(host: &Host, build: &Path) -> Vec<Vec<Duration>> {
    let mut idle = Vec::new();
    for (n, (_, name, _)) in KINDS.iter().enumerate() {
        let program = build.join(name).join("bootstrap");
        let mut functions = Vec::new();
        for memory_mb in SETTINGS_MB {
            let subject = Subject { name, memory_mb, program: vec![&program], requests: 1, pause: PAUSE };
            let share = CpuShare::of_memory(memory_mb).expect("control groups: this needs root");
            let function = host.start(&subject, &share).await;
            answered(&function, host.request(name, n)).await;
            functions.push((function, share));
        }
        idle.push(functions);
    }
    println!("a minute in which nobody calls …");
    tokio::time::sleep(IDLE).await;
    let mut times = Vec::new();
    for (functions, (n, (_, name, _))) in idle.into_iter().zip(KINDS.iter().enumerate()) {
        let mut of_kind = Vec::new();
        for (function, _share) in functions {
            of_kind.push(answered(&function, host.request(name, n)).await);
            function.retire().await;
        }
        times.push(of_kind);
    }
    times
}

/// What a million warm calls' time costs. Lambda bills each by the millisecond that it has begun.
fn dollars_a_million(memory_mb: u64, figures: &Figures, gb_second: f64) -> f64 {
    let billed: f64 = figures.warm.iter().map(|time| millis(*time).ceil()).sum::<f64>() / figures.warm.len() as f64;
    billed / 1000.0 * memory_mb as f64 / MB_PER_GB * gb_second * 1e6
}
