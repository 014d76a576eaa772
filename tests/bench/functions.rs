//! Size, start and memory of every function, against one that does nothing.

use std::time::Duration;

use tests::template::functions;

use super::{Bench, folder, millis, percentile};

const STARTS: usize = 7;
/// See `functions/routes/examples/minimal.rs`.
const MINIMAL: &str = "minimal";

struct Figures {
    zip_kb: u64,
    ready: Duration,
    memory_mb: u64,
}

pub(crate) async fn print(bench: &Bench) {
    let least = measure(bench, MINIMAL).await;
    println!("\n| function | zip, KB (ratio) | start to ready, ms (ratio) | memory then, MB |\n|---|---|---|---|");
    line(MINIMAL, &least, &least);
    let mut too_large = Vec::new();
    for function in functions() {
        let figures = measure(bench, &function.binary).await;
        line(&function.binary, &figures, &least);
        if figures.zip_kb > function.zip_kb {
            too_large.push(format!("{}: {} KB, allowed {}", function.binary, figures.zip_kb, function.zip_kb));
        }
    }
    assert!(too_large.is_empty(), "larger than the template's Budget allows: {too_large:#?}");
}

async fn measure(bench: &Bench, name: &str) -> Figures {
    let zip_kb = std::fs::metadata(folder(name).join("bootstrap.zip")).unwrap().len() / 1000;
    let (mut ready, mut memory_mb) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let function = bench.start(name, &[]).await;
        ready.push(function.init);
        memory_mb = function.peak_memory_mb();
    }
    Figures { zip_kb, ready: percentile(&mut ready, 50), memory_mb }
}

fn line(name: &str, figures: &Figures, least: &Figures) {
    println!(
        "| `{name}` | {} ({:.1}) | {:.1} ({:.1}) | {} |",
        figures.zip_kb,
        figures.zip_kb as f64 / least.zip_kb as f64,
        millis(figures.ready),
        millis(figures.ready) / millis(least.ready),
        figures.memory_mb,
    );
}
