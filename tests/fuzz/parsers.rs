//! The targets of cargo-fuzz in `targets`, one after another: libFuzzer changes the seeds, guided by what code they
//! reach, until the time is up or an assertion does not hold.

use std::{fs, process::Command, time::Duration};

use anyhow::ensure;
use local::{folder, root, step::openly};

/// A file for each target.
const TARGETS: &str = "tests/fuzz/targets";
/// The largest input: a content file of a few items.
const MAX_BYTES: usize = 16 * 1024;

pub(crate) fn fuzz(time: Duration) -> anyhow::Result<()> {
    let targets = targets()?;
    let each = (time.as_secs() / targets.len() as u64).max(1);
    for target in targets {
        println!("bytes made up for {target}, for {each} s");
        run(&target, each)?;
    }
    Ok(())
}

/// The targets that there are: a new one is run without being named here.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(root().join(TARGETS))? {
        let name = file?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    ensure!(!names.is_empty(), "there is no target in {TARGETS}");
    Ok(names)
}

fn run(target: &str, seconds: u64) -> anyhow::Result<()> {
    // What is found interesting is kept there, and is where the next run goes on.
    let corpus = folder("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let mut command = Command::new(folder("cargo-fuzz/bin/cargo-fuzz"));
    command
        // No sanitizer, and so no nightly compiler: there is no unsafe code here for one to find fault with.
        .args(["run", "--sanitizer", "none", "--dev", "--features", "libfuzzer", "--fuzz-dir"])
        .arg(TARGETS)
        .arg("--target-dir")
        .arg(root().join("target/fuzz"))
        .arg(target)
        .arg(corpus)
        .arg(root().join(TARGETS).join("seeds").join(target))
        .args(["--", &format!("-max_total_time={seconds}"), &format!("-max_len={MAX_BYTES}"), "-timeout=10"])
        .args(["-print_final_stats=1", "-verbosity=0"])
        .current_dir(root());
    openly(&mut command)
}
