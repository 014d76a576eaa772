//! `cargo local test`: everything that must hold before a change lands.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, ensure};
use tokio::task::block_in_place;

use crate::{
    deploy::{self, Data},
    folder,
    install::For,
    root, server,
    stack::{can_start, in_the_background, servers_of_its_own, with_stack},
    step::{Phases, openly, quietly},
};

/// How long the tests let the fuzzers run, building aside: `cargo local fuzz` runs longer.
const FUZZ_S: u64 = 90;
/// Tests that run at once. They wait for servers and queues more than they compute.
const THREADS: &str = "4";
/// How many of the slowest tests are named.
const SLOWEST: usize = 15;
/// What the sources and binaries were when they last passed.
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
    phases.step("lints", || cargo(&lints))?;
    // Of the binaries `db` alone has unit tests, and each would be linked once more: a test keeps it so.
    phases.step("unit tests", || cargo(&["test", "--quiet", "--lib", "--bin", "db"]))?;
    let building = Instant::now();
    deploy::prepare(For::Testing)?;
    phases.add("building the functions and the end-to-end tests, checking the template", building.elapsed());
    let state = Sources::now()?;
    let mut arguments = options.arguments.clone();
    if options.quick {
        let changed = state.changed_modules()?;
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
        state.keep()?;
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

/// What the end-to-end tests stand on, each thing with a hash of what is in it: the functions' binaries, and the
/// sources of the tests.
#[derive(serde::Deserialize, serde::Serialize)]
struct Sources {
    functions: BTreeMap<String, u64>,
    tests: BTreeMap<String, u64>,
}

impl Sources {
    fn now() -> anyhow::Result<Self> {
        let mut functions = BTreeMap::new();
        for name in deploy::functions()? {
            let hash = hash_of(&folder("functions").join(&name).join("bootstrap"))?;
            functions.insert(name, hash);
        }
        let mut tests = BTreeMap::new();
        for (module, text) in test_modules()? {
            tests.insert(module, hash(text.as_bytes()));
        }
        Ok(Self { functions, tests })
    }

    fn keep(&self) -> anyhow::Result<()> {
        Ok(fs::write(folder(PASSED), serde_json::to_string(self)?)?)
    }

    /// Modules of tests that changed since all passed, and those that name a function that did. All of them where that
    /// is not known, or what they stand on changed.
    fn changed_modules(&self) -> anyhow::Result<Vec<String>> {
        let modules = test_modules()?;
        let all = || Ok(modules.keys().filter(|name| *name != SUPPORT).cloned().collect());
        let Ok(text) = fs::read(folder(PASSED)) else { return all() };
        let Ok(passed) = serde_json::from_slice::<Self>(&text) else { return all() };
        if self.tests.get(SUPPORT) != passed.tests.get(SUPPORT) {
            return all();
        }
        let changed: BTreeSet<_> =
            self.functions.iter().filter(|(name, hash)| passed.functions.get(*name) != Some(*hash)).collect();
        let names = changed.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>();
        let is_changed = |(module, text): &(&String, &String)| {
            self.tests.get(*module) != passed.tests.get(*module) || names.iter().any(|name| text.contains(name))
        };
        let found = modules.iter().filter(|(name, _)| *name != SUPPORT).filter(is_changed);
        Ok(found.map(|(module, _)| module.clone()).collect())
    }
}

/// What all tests stand on.
const SUPPORT: &str = "support";

/// The text of each module of the end-to-end tests, files below it included.
fn test_modules() -> anyhow::Result<BTreeMap<String, String>> {
    let mut modules = BTreeMap::<String, String>::new();
    for file in fs::read_dir(root().join("tests"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_source = path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
        if is_source && !["e2e", "bench", "fuzz"].contains(&name.as_str()) {
            modules.entry(name).or_default().push_str(&text_below(&path)?);
        }
    }
    Ok(modules)
}

fn text_below(path: &Path) -> anyhow::Result<String> {
    if !path.is_dir() {
        return Ok(fs::read_to_string(path)?);
    }
    let mut paths = fs::read_dir(path)?.map(|file| Ok(file?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| text_below(path)).collect()
}

fn hash_of(file: &Path) -> anyhow::Result<u64> {
    Ok(hash(&fs::read(file).with_context(|| format!("cannot read {}", file.display()))?))
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
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

    #[test]
    fn a_module_of_tests_has_what_lies_below_it() {
        let modules = test_modules().expect("readable");
        assert!(modules.contains_key(SUPPORT) && modules["faults"].contains("mod ") && !modules.contains_key("e2e"));
    }
}
