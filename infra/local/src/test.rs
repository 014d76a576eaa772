//! `cargo local test`: everything that must hold before a change lands.

use std::{fs, process::Command, thread, time::Instant};

use anyhow::{anyhow, ensure};
use tokio::try_join;

use crate::{
    changes::Sources,
    deploy::{self, Data, Functions},
    end_to_end::EndToEnd,
    install::For,
    root,
    stack::{can_start, in_the_background, servers_of_its_own, with_stack},
    step::{Phases, openly},
};

/// How long the tests fuzz the parsers, and the API: `cargo local fuzz` goes on for longer.
const PARSERS_S: u64 = 150;
const API_S: u64 = 140;
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
    phases.add("building the functions", building.elapsed());
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
    let building = Instant::now();
    let tests = EndToEnd::build(&arguments)?;
    phases.add("building the end-to-end tests", building.elapsed());
    let starting = Instant::now();
    let finished = with_stack(Data::OfTests, async |_| {
        phases.add("starting the stack", starting.elapsed());
        // The fuzzers of the parsers ask no server. They are built and run on what the tests leave of the processors.
        let meanwhile = async |command| if whole { in_the_background(niced(&command)).await } else { Ok(()) };
        let testing = Instant::now();
        let (mut run, ()) = try_join!(tests.side_by_side(), meanwhile(fuzz_build_command()?))?;
        phases.add("end-to-end tests side by side", testing.elapsed());
        let testing = Instant::now();
        let (alone, ()) = try_join!(tests.alone(), meanwhile(fuzz_command(Some("parsers"), PARSERS_S)))?;
        phases.add("end-to-end tests alone", testing.elapsed());
        run.add(alone);
        run.judge()?;
        if whole {
            let fuzzing = Instant::now();
            in_the_background(fuzz_command(Some("api"), API_S)).await?;
            phases.add("fuzzing the API", fuzzing.elapsed());
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

/// Builds the targets of libFuzzer, instrumented; nothing else is built anew for them (see `tests/fuzz/coverage.sh`).
pub fn fuzz_build_command() -> anyhow::Result<Command> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--features", "fuzz-targets/libfuzzer"]).current_dir(root());
    for target in fuzz_targets()? {
        command.args(["--bin", &target]);
    }
    command.env("RUSTC_WORKSPACE_WRAPPER", root().join("tests/fuzz/coverage.sh"));
    Ok(command)
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

/// Lets both fuzzers run for so long, or the one of this name: `api`, `parsers`.
pub fn fuzz_command(only: Option<&str>, seconds: u64) -> Command {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--bin", "fuzz", "--", &seconds.to_string()]).args(only).current_dir(root());
    command
}

/// The same command, which gets what everything else leaves of the processors.
fn niced(command: &Command) -> Command {
    let mut niced = Command::new("nice");
    niced.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
    niced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        niced.current_dir(folder);
    }
    niced
}
