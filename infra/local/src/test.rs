//! `cargo local test`: everything that must hold before a change lands.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use anyhow::{Context, anyhow, ensure};
use tokio::task::block_in_place;

use crate::{
    changes::Sources,
    deploy::{self, Data, Functions},
    install::For,
    root, server,
    stack::{can_start, in_the_background, servers_of_its_own, with_stack},
    step::{Phases, openly, quietly},
};

/// How long the tests let the fuzzers run, building aside: `cargo local fuzz` runs longer.
const FUZZ_S: u64 = 150;
/// Tests that run at once. They wait for servers and queues more than they compute.
const THREADS: &str = "4";
/// How many of the slowest tests are named.
const SLOWEST: usize = 15;
/// What the sources were when the tests last passed.
const PASSED: &str = "passed.json";

pub struct Options {
    /// Only the end-to-end tests of what changed since they last passed, and no fuzzing.
    pub quick: bool,
    /// Passed on to the end-to-end tests; with a filter there is no fuzzing.
    pub arguments: Vec<String>,
}

/// Runs all of it, the quick parts first, and prints where the time went.
pub async fn test(options: Options) -> anyhow::Result<()> {
    servers_of_its_own()?;
    can_start()?;
    let started = Instant::now();
    let mut phases = Phases::default();
    let outcome = run(&options, &mut phases).await;
    eprintln!();
    phases.print();
    eprintln!("{:>8.1} s  in all", started.elapsed().as_secs_f64());
    outcome
}

async fn run(options: &Options, phases: &mut Phases) -> anyhow::Result<()> {
    let cargo = |arguments: &[&str]| openly(Command::new("cargo").args(arguments).current_dir(root()));
    phases.step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    thread::scope(|scope| {
        // Of one processor, as the others mostly are.
        let template = scope.spawn(|| deploy::tools(For::Testing).and_then(|()| deploy::check_template()));
        phases.step("lints", || cargo(&lints))?;
        // Of the binaries `db` alone has unit tests, and each would be linked once more: a test keeps it so.
        phases.step("unit tests", || cargo(&["test", "--quiet", "--lib", "--bin", "db"]))?;
        template.join().map_err(|_| anyhow!("checking the template failed"))?
    })?;
    let building = Instant::now();
    let sources = Sources::now()?;
    deploy::prepare(For::Testing, if options.quick { Functions::Changed } else { Functions::All })?;
    phases.add("building the functions and the end-to-end tests", building.elapsed());
    let mut arguments = options.arguments.clone();
    if options.quick {
        let changed = sources.tests_changed(Sources::kept(PASSED).as_ref())?;
        if changed.is_empty() {
            eprintln!("no end-to-end test is of anything that changed since they passed");
            return Ok(());
        }
        eprintln!("end-to-end tests of what changed: {}", changed.join(", "));
        arguments.extend(changed.into_iter().map(|module| format!("{module}::")));
    }
    let whole = arguments.is_empty();
    if whole {
        phases.step("building the fuzz targets", build_fuzzers)?;
    }
    let starting = Instant::now();
    let finished = with_stack(Data::OfTests, async |_| {
        phases.add("starting the stack", starting.elapsed());
        let testing = Instant::now();
        let outcome = block_in_place(|| end_to_end(&arguments));
        phases.add("end-to-end tests", testing.elapsed());
        outcome?;
        if whole {
            let fuzzing = Instant::now();
            in_the_background(fuzz_command(FUZZ_S)).await?;
            phases.add("fuzzing", fuzzing.elapsed());
        }
        Ok(())
    })
    .await?;
    ensure!(finished, "interrupted");
    if whole || options.quick {
        sources.keep(PASSED)?;
    }
    Ok(())
}

/// The targets of libFuzzer, instrumented; nothing else is built anew for them (see `tests/fuzz/coverage.sh`).
pub fn build_fuzzers() -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--features", "fuzz-targets/libfuzzer"]).current_dir(root());
    for target in fuzz_targets()? {
        command.args(["--bin", &target]);
    }
    openly(command.env("RUSTC_WORKSPACE_WRAPPER", root().join("tests/fuzz/coverage.sh")))
}

/// A target for each file beside the manifest: a new one is run without being named here.
pub fn fuzz_targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(root().join("tests/fuzz/targets"))? {
        names.extend(file?.file_name().to_string_lossy().strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    ensure!(!names.is_empty(), "there is no fuzz target");
    Ok(names)
}

/// Lets the fuzzers run for so long.
pub fn fuzz_command(seconds: u64) -> Command {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--bin", "fuzz", "--", &seconds.to_string()]).current_dir(root());
    command
}

/// Runs the end-to-end tests and shows what they print; then tells how many passed, and which took longest.
fn end_to_end(arguments: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new(end_to_end_binary()?);
    command.current_dir(root().join("tests")).args(["--test-threads", THREADS]);
    // The harness tells how long a test took only where unstable options are allowed; nothing is compiled with this.
    command.args(["-Zunstable-options", "--report-time"]).env("RUSTC_BOOTSTRAP", "1").args(arguments);
    let mut child = group(&mut command).stdout(Stdio::piped()).spawn().context("cannot run the end-to-end tests")?;
    let _group = server::Group(child.id());
    let mut times = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        times.extend(time_of(&line));
    }
    let status = child.wait()?;
    times.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    eprintln!("the slowest:");
    for (name, seconds) in times.iter().take(SLOWEST) {
        eprintln!("{seconds:>8.1} s  {name}");
    }
    ensure!(status.success(), "an end-to-end test failed: see above");
    Ok(())
}

/// An interrupted run leaves no test behind that would go on with the next stack.
fn group(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

/// `test mfa::a_code_counts_once ... ok <1.234s>`.
fn time_of(line: &str) -> Option<(String, f64)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let seconds = rest.split_once('<')?.1.strip_suffix("s>")?.parse().ok()?;
    Some((name.to_owned(), seconds))
}

fn end_to_end_binary() -> anyhow::Result<PathBuf> {
    let built = quietly(
        Command::new("cargo")
            .args(["build", "--quiet", "--test", "e2e", "--message-format", "json"])
            .current_dir(root()),
    )?;
    let messages = built.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_ours = |message: &serde_json::Value| message["target"]["name"] == "e2e";
    let mut executables = messages.filter(is_ours).filter_map(|message| Some(message["executable"].as_str()?.into()));
    executables.next_back().context("cargo did not tell where the end-to-end tests are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_test_is_read() {
        assert_eq!(time_of("test mfa::a_code ... ok <1.234s>"), Some(("mfa::a_code".into(), 1.234)));
        assert_eq!(time_of("test mfa::a_code ... FAILED <10.000s>"), Some(("mfa::a_code".into(), 10.0)));
        assert_eq!(time_of("test result: ok. 243 passed; 0 failed"), None);
    }
}
