//! One line per step: what is being done, and how long it took.

use std::{
    io::{Write, stderr},
    process::Command,
    time::Instant,
};

use anyhow::{Context, ensure};

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

/// Runs a command quietly; when it fails, the error is what it printed.
pub fn quietly(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{} ended with {}:\n{text}", command.get_program().display(), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command in the open, so that its own progress shows.
pub fn openly(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}
