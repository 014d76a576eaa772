//! Cargo builds side by side, with one line that tells how far each of them is.

use std::{
    io::{BufReader, IsTerminal, Read, Write, stderr},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

/// How often the line is written anew on a terminal, and into a file.
const REDRAW_AFTER: Duration = Duration::from_millis(500);
const REPEAT_AFTER: Duration = Duration::from_secs(20);

/// A build to be run: what it builds, for people, and a call of cargo.
pub struct Build(pub &'static str, pub Command);

/// How far a build is: crates that are done, of how many; how it ended.
#[derive(Default)]
struct Progress {
    done: Option<(u32, u32)>,
    ended: bool,
    /// What cargo said besides its progress: warnings and errors.
    said: String,
}

/// Runs them all at once; the first that fails ends the others. Their order is that of the line.
pub fn side_by_side(builds: Vec<Build>) -> anyhow::Result<()> {
    let names: Vec<_> = builds.iter().map(|Build(name, _)| *name).collect();
    let progress: Vec<_> = names.iter().map(|_| Mutex::<Progress>::default()).collect();
    let mut children = builds.into_iter().map(spawn).collect::<anyhow::Result<Vec<_>>>()?;
    let started = Instant::now();
    let failed = scope(|scope| {
        for (child, progress) in children.iter_mut().zip(&progress) {
            let output = child.stderr.take();
            scope.spawn(move || output.map(|output| follow(output, progress)));
        }
        watch(&mut children, &names, &progress, started)
    })?;
    let Some((failed, status)) = failed else { return Ok(()) };
    ensure!(status.signal().is_none(), "interrupted: what is built so far is kept");
    let said = std::mem::take(&mut lock(&progress[failed]).said);
    bail!("building {} failed:\n{}", names[failed], said.trim())
}

fn spawn(Build(name, mut command): Build) -> anyhow::Result<Child> {
    command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .stdin(Stdio::null())
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "100")
        .env("CARGO_TERM_COLOR", "never");
    command.spawn().with_context(|| format!("cannot build {name}: is cargo on the PATH?"))
}

/// Waits for all of them, or until one failed: which, and how it ended.
fn watch(
    children: &mut [Child],
    names: &[&str],
    progress: &[Mutex<Progress>],
    started: Instant,
) -> anyhow::Result<Option<(usize, ExitStatus)>> {
    let terminal = stderr().is_terminal();
    let mut told = Instant::now();
    loop {
        for number in 0..children.len() {
            if lock(&progress[number]).ended {
                continue;
            }
            let Some(status) = children[number].try_wait()? else { continue };
            if !status.success() {
                end(children);
                return Ok(Some((number, status)));
            }
            lock(&progress[number]).ended = true;
            let clear = if terminal { "\r\x1b[K" } else { "" };
            eprintln!("{clear}building {} … done ({:.1} s)", names[number], started.elapsed().as_secs_f64());
        }
        if progress.iter().all(|progress| lock(progress).ended) {
            return Ok(None);
        }
        if terminal {
            let _ = write!(stderr(), "\r\x1b[K{}", line(names, progress));
            let _ = stderr().flush();
        } else if told.elapsed() > REPEAT_AFTER {
            told = Instant::now();
            eprintln!("{}", line(names, progress));
        }
        sleep(REDRAW_AFTER);
    }
}

fn end(children: &mut [Child]) {
    for child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// `functions: 212 of 480 crates · MongoDB server: 90 of 286 crates`.
fn line(names: &[&str], progress: &[Mutex<Progress>]) -> String {
    let open = names.iter().zip(progress).filter_map(|(name, progress)| {
        let progress = lock(progress);
        let state = match progress.done {
            None => "starting".to_owned(),
            Some((done, all)) => format!("{done} of {all} crates"),
        };
        (!progress.ended).then(|| format!("{name}: {state}"))
    });
    format!("building … {}", open.collect::<Vec<_>>().join(" · "))
}

fn follow(output: impl Read, progress: &Mutex<Progress>) {
    let mut line = Vec::new();
    for byte in BufReader::new(output).bytes().map_while(Result::ok) {
        // Cargo ends what it will overwrite with a carriage return.
        if byte != b'\r' && byte != b'\n' {
            line.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let mut progress = lock(progress);
        if let Some(done) = crates(&text) {
            progress.done = Some(done);
        } else if !text.trim().is_empty() && !is_routine(&text) {
            progress.said.push_str(&text);
            progress.said.push('\n');
        }
        line.clear();
    }
}

/// `    Building [=====>      ] 212/480: serde, tokio`.
fn crates(text: &str) -> Option<(u32, u32)> {
    let numbers = text.trim_start().strip_prefix("Building [")?.split_once(']')?.1.split(':').next()?;
    let (done, all) = numbers.trim().split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

/// What cargo tells of its own work: a verb that ends at the twelfth column.
fn is_routine(text: &str) -> bool {
    let verb = text.trim_start_matches("\x1b[K").split_at_checked(12);
    verb.is_some_and(|(verb, rest)| {
        rest.starts_with(' ') && verb.trim_start().chars().all(char::is_alphabetic) && verb.starts_with(' ')
    })
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &'static str, script: &str) -> Build {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Build(name, command)
    }

    #[test]
    fn cargos_progress_is_read() {
        assert_eq!(crates("    Building [=====>      ] 212/480: serde, tokio"), Some((212, 480)));
        assert_eq!(crates("   Compiling serde v1.0.0"), None);
        assert!(is_routine("   Compiling serde v1.0.0") && is_routine("    Finished `dev` profile in 1 s"));
        for said in
            ["error[E0425]: cannot find value", "  --> src/main.rs:1:1", "   = note: expected", "12 |     let a"]
        {
            assert!(!is_routine(said), "{said}");
        }
    }

    #[test]
    fn a_build_that_fails_ends_the_others_and_its_errors_are_told() {
        let started = Instant::now();
        let slow = shell("slow", "exec sleep 30");
        let bad = shell("bad", "echo '   Compiling a v1' >&2; echo 'error: no such thing' >&2; exit 1");
        let error = side_by_side(vec![slow, bad]).expect_err("it fails").to_string();
        assert_eq!(error, "building bad failed:\nerror: no such thing");
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(side_by_side(vec![shell("a", "true"), shell("b", "true")]).is_ok());
    }
}
