//! The targets of cargo-fuzz in `targets`, one after another: libFuzzer changes the seeds, guided by what code they
//! reach, until the time is up or an assertion does not hold.

use std::{fs, path::Path, process::Command, time::Duration};

use local::{folder, root, step::openly};

const TARGETS: [&str; 5] = ["content_file", "cursor", "queue_message", "request_body", "token"];
/// The largest input: a content file of a few items.
const MAX_BYTES: usize = 16 * 1024;

pub(crate) fn fuzz(time: Duration) -> anyhow::Result<()> {
    let each = (time / 5).as_secs().max(1);
    for target in TARGETS {
        println!("bytes made up for {target}, for {each} s");
        run(target, each)?;
    }
    Ok(())
}

fn run(target: &str, seconds: u64) -> anyhow::Result<()> {
    // What is found interesting is kept there, and is where the next run goes on.
    let corpus = folder("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let targets = Path::new("tests/fuzz/targets");
    let mut command = Command::new(folder("cargo-fuzz/bin/cargo-fuzz"));
    command
        // No sanitizer, and so no nightly compiler: there is no unsafe code here for one to find fault with.
        .args(["run", "--sanitizer", "none", "--dev", "--features", "libfuzzer", "--fuzz-dir"])
        .arg(targets)
        .arg("--target-dir")
        .arg(root().join("target/fuzz"))
        .arg(target)
        .arg(corpus)
        .arg(root().join(targets).join("seeds").join(target))
        .args(["--", &format!("-max_total_time={seconds}"), &format!("-max_len={MAX_BYTES}"), "-timeout=10"])
        .args(["-print_final_stats=1", "-verbosity=0"])
        .current_dir(root());
    openly(&mut command)
}
