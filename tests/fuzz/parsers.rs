//! The targets in `targets`, one after another: libFuzzer changes the seeds, guided by what code they reach, until the
//! time is up or an assertion does not hold.

use std::{fs, process::Command, time::Duration};

use local::{folder, root, step::openly, test::fuzz_targets};

/// The largest input: a content file of a few items.
const MAX_BYTES: usize = 16 * 1024;

pub(crate) fn fuzz(time: Duration) -> anyhow::Result<()> {
    let targets = fuzz_targets()?;
    let each = (time.as_secs() / targets.len() as u64).max(1);
    targets.iter().try_for_each(|target| run(target, each))
}

fn run(target: &str, seconds: u64) -> anyhow::Result<()> {
    println!("bytes made up for {target}, for {seconds} s");
    // What is found interesting is kept there, and is where the next run goes on.
    let corpus = folder("fuzz/corpus").join(target);
    let findings = folder("fuzz/findings");
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&findings)?;
    let binary = root().join("target/debug").join(target);
    let mut command = Command::new(&binary);
    command
        .arg(corpus)
        .arg(root().join("tests/fuzz/targets/seeds").join(target))
        .args([&format!("-max_total_time={seconds}"), &format!("-max_len={MAX_BYTES}"), "-timeout=10"])
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/{target}-", findings.display()));
    openly(&mut command).inspect_err(|_| {
        eprintln!("to see it again: {} <the file that is named above>", binary.display());
    })
}
