//! One line per step: what is being done, and how long it took.

use std::{
    fs,
    io::{IsTerminal, Write, stderr},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::folder;

/// Does `work` and tells how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let _ = write!(stderr(), "{what} … ");
    let _ = stderr().flush();
    let started = Instant::now();
    let outcome = work();
    let result = if outcome.is_ok() { "done" } else { "FAILED" };
    eprintln!("{result} ({:.1} s)", started.elapsed().as_secs_f64());
    outcome.with_context(|| format!("{what} failed"))
}

/// As [`step`], for work that goes on beside other work: its line is written in one piece, when it is done.
pub fn beside<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    let outcome = work();
    if outcome.is_ok() {
        let clear = if stderr().is_terminal() { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{what} … done ({:.1} s)", started.elapsed().as_secs_f64());
    }
    outcome.with_context(|| format!("{what} failed"))
}

/// Runs a command quietly; returns what it wrote to standard output. The error is the last line that it wrote, and
/// names the file that holds the others.
pub fn quietly(command: &mut Command) -> anyhow::Result<String> {
    let program = name(command);
    let output = command.output().with_context(|| format!("cannot run {program}: is it installed?"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.next_back().unwrap_or("it said nothing").to_owned();
    if lines.next().is_none() {
        bail!("{last}");
    }
    let log = folder("log").join(format!("{program}.log"));
    fs::create_dir_all(folder("log"))?;
    fs::write(&log, text)?;
    bail!("{last} (all that {program} said: {})", log.display())
}

/// Runs a command in the open, so that its own progress shows.
pub fn openly(command: &mut Command) -> anyhow::Result<()> {
    let program = name(command);
    let status = command.status().with_context(|| format!("cannot run {program}: is it installed?"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).display().to_string()
}

/// How long each phase of a longer work took.
#[derive(Default)]
pub struct Phases(Vec<(String, Duration)>);

impl Phases {
    /// As [`step`], remembered.
    pub fn step<T>(&mut self, what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        let outcome = step(what, work);
        self.add(what, started.elapsed());
        outcome
    }

    /// Remembers a phase that is over.
    pub fn add(&mut self, what: &str, took: Duration) {
        self.0.push((what.to_owned(), took));
    }

    /// A line for each.
    pub fn print(&self) {
        self.0.iter().for_each(|(what, took)| eprintln!("{:>8.1} s  {what}", took.as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_command_is_one_line() {
        let shell = |script: &str| {
            let outcome = quietly(Command::new("sh").args(["-c", script]));
            format!("{:#}", outcome.expect_err("it fails"))
        };
        assert_eq!(shell("echo 'there is no function nope' >&2; exit 1"), "there is no function nope");
        assert_eq!(shell("exit 3"), "it said nothing");
        let long = shell("echo Traceback >&2; echo 'KeyError: 1' >&2; exit 1");
        assert!(long.starts_with("KeyError: 1 (all that sh said: /") && !long.contains('\n'), "{long}");
        let missing = quietly(&mut Command::new("/no/such/program"));
        assert!(format!("{:#}", missing.expect_err("it fails")).starts_with("cannot run program: is it installed?"));
    }
}
