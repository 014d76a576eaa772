//! The end-to-end tests: which of them run side by side, and which took longest.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    try_join,
};

use crate::{root, server, step::quietly};

/// Tests that run at once, beside one of the deployed stack. They wait for servers and queues more than they compute.
const THREADS: usize = 3;
/// Those in this folder share the deployed stack: one at a time, beside the others.
const DEPLOYED: &str = "deployed::";
/// Those in this one need the servers, or the machine, for themselves.
const ALONE: &str = "alone::";
/// How many of the slowest are named.
const SLOWEST: usize = 15;

/// The tests that were asked for, in the order in which they run.
pub struct EndToEnd {
    binary: PathBuf,
    /// What the harness is told besides names: `--nocapture`.
    options: Vec<String>,
    side_by_side: Vec<String>,
    deployed: Vec<String>,
    alone: Vec<String>,
}

impl EndToEnd {
    /// Builds them. `arguments` are the harness's: options, and words that a test's name has one of.
    pub fn build(arguments: &[String]) -> anyhow::Result<Self> {
        let binary = binary()?;
        let listed = quietly(Command::new(&binary).args(["--list", "--format", "terse"]).args(arguments))?;
        let names = listed.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned));
        let (alone, beside): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with(ALONE));
        let (deployed, side_by_side) = beside.into_iter().partition(|name| name.starts_with(DEPLOYED));
        Ok(Self { binary, options: options(arguments), side_by_side, deployed, alone })
    }

    /// Runs those that can run side by side, and shows what they print.
    pub async fn side_by_side(&self) -> anyhow::Result<Run> {
        let (mut run, deployed) = try_join!(self.these(&self.side_by_side, THREADS), self.these(&self.deployed, 1))?;
        run.add(deployed);
        Ok(run)
    }

    /// Runs those that need the servers or the machine for themselves, one after another.
    pub async fn alone(&self) -> anyhow::Result<Run> {
        self.these(&self.alone, 1).await
    }

    /// These of the tests, so many at once.
    async fn these(&self, names: &[String], threads: usize) -> anyhow::Result<Run> {
        let mut run = Run { passed: true, times: Vec::new() };
        if names.is_empty() {
            return Ok(run);
        }
        let mut command = Command::new(&self.binary);
        command.current_dir(root().join("tests")).args(["--test-threads", &threads.to_string()]);
        // The harness tells how long a test took only where unstable options are allowed; nothing is compiled with this.
        command.args(["-Zunstable-options", "--report-time"]).env("RUSTC_BOOTSTRAP", "1");
        command.args(&self.options).arg("--exact").args(names).stdout(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        // An interrupted run leaves no test behind that would go on with the next stack.
        let mut child = command.process_group(0).spawn().context("cannot run the end-to-end tests")?;
        let _group = server::Group(child.id().context("it was not waited for")?);
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut running = None;
        while let Some(line) = lines.next_line().await? {
            println!("{line}");
            running = name_of(&line).or(running);
            if let Some(seconds) = seconds_of(&line) {
                run.times.extend(running.take().map(|name| (name, seconds)));
            }
        }
        run.passed = child.wait().await?.success();
        Ok(run)
    }
}

/// What became of some tests.
pub struct Run {
    passed: bool,
    /// Seconds by name.
    times: Vec<(String, f64)>,
}

impl Run {
    /// What became of these, too.
    pub fn add(&mut self, other: Self) {
        self.passed &= other.passed;
        self.times.extend(other.times);
    }

    /// Tells how many there were, and which took longest.
    ///
    /// # Errors
    ///
    /// One of them failed.
    pub fn judge(mut self) -> anyhow::Result<()> {
        self.times.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        eprintln!("{} end-to-end tests, the slowest:", self.times.len());
        for (name, seconds) in self.times.iter().take(SLOWEST) {
            eprintln!("{seconds:>8.1} s  {name}");
        }
        ensure!(self.passed, "an end-to-end test failed: see above");
        Ok(())
    }
}

/// Of the harness's arguments those that choose no tests.
fn options(arguments: &[String]) -> Vec<String> {
    let mut options = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--skip" {
            arguments.next();
        } else if argument.starts_with('-') && argument != "--exact" && !argument.starts_with("--skip=") {
            options.push(argument.clone());
        }
    }
    options
}

/// `test mfa::a_code_counts_once ... ok <1.234s>`. What a test prints past the harness comes between both halves, where
/// one runs at a time.
fn name_of(line: &str) -> Option<String> {
    Some(line.strip_prefix("test ")?.split_once(" ... ")?.0.to_owned())
}

/// How long a test took whose end this line tells.
fn seconds_of(line: &str) -> Option<f64> {
    let (told, seconds) = line.strip_suffix("s>")?.rsplit_once(" <")?;
    (told.ends_with("ok") || told.ends_with("FAILED")).then_some(seconds.parse().ok()?)
}

fn binary() -> anyhow::Result<PathBuf> {
    let built = quietly(
        Command::new("cargo")
            .args(["build", "--quiet", "--test", "e2e", "--message-format", "json"])
            .current_dir(root()),
    )?;
    let messages = built.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_ours = |message: &serde_json::Value| message["target"]["name"] == "e2e";
    let executable = |message: serde_json::Value| message["executable"].as_str().map(|path| Path::new(path).to_owned());
    messages.filter(is_ours).filter_map(executable).next_back().context("cargo did not tell where the tests are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_test_is_read() {
        let line = "test mfa::a_code ... ok <1.234s>";
        assert_eq!((name_of(line).as_deref(), seconds_of(line)), (Some("mfa::a_code"), Some(1.234)));
        assert_eq!(seconds_of("test mfa::a_code ... FAILED <10.000s>"), Some(10.0));
        let begun = "test typescript::a_life ... > signing up";
        assert_eq!((name_of(begun).as_deref(), seconds_of(begun)), (Some("typescript::a_life"), None));
        assert_eq!((name_of("ok <20.100s>"), seconds_of("ok <20.100s>")), (None, Some(20.1)));
        let sum = "test result: ok. 243 passed; 0 failed; finished in 1.00s";
        assert_eq!((name_of(sum), seconds_of(sum)), (None, None));
    }

    #[test]
    fn what_chooses_tests_is_told_from_options() {
        let arguments = ["faults", "--nocapture", "--skip", "s3", "--skip=sqs", "--exact", "--include-ignored"];
        assert_eq!(options(&arguments.map(str::to_owned)), ["--nocapture", "--include-ignored"]);
    }
}
