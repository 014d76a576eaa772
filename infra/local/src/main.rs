//! `cargo local <verb>`.

use std::{
    process::{Command, exit, id},
    time::Instant,
};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use local::{
    deploy, folder, install, proxy, root,
    server::{self, free_port},
    state::State,
    step::{openly, step},
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(
    bin_name = "cargo local",
    about = "The whole stack on this machine: MongoDB, Redis, an emulator of AWS, and every function"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what is missing, build, start, deploy, seed; Ctrl-C stops it all
    Up {
        /// Leave the database empty
        #[arg(long)]
        no_seed: bool,
    },
    /// Format, lints, unit tests, template checks, end-to-end tests on a stack of its own
    Test {
        /// Passed on to the end-to-end tests: a filter, `--nocapture`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Figures of the release build
    Bench {
        /// All of them when none is named
        what: Vec<Benchmark>,
    },
    /// Requests and bytes that nobody thought of, against a stack of its own
    Fuzz {
        /// How long
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Stop a stack that runs in another terminal, or what a killed one left behind
    Down,
    /// Where everything is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What each function gets: the names of its variables
    Settings,
    /// Import and publish the starter content again
    Seed,
    /// Show a function's log
    Logs {
        /// `prompts`, `write-events`, …
        function: String,
    },
    /// Run a function once, as the schedule does
    Invoke {
        /// `export-content`, `roll-up-analytics`, …
        function: String,
        /// Run for another instant (RFC 3339)
        #[arg(long)]
        at: Option<String>,
        /// The whole event, instead
        #[arg(long, conflicts_with = "at")]
        event: Option<String>,
    },
}

/// As the program `bench` knows them.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Benchmark {
    /// What each function costs: zip, start, requests, memory, sockets
    Functions,
    /// Requests of the routes that are called most
    Requests,
    /// How fast events are written
    Consumer,
    /// Every function called above its cap at once
    Connections,
    /// How many users fit on M0 and M10
    Contention,
    /// What events weigh, and how long M0's storage lasts
    Storage,
}

impl Benchmark {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The deployed functions of `connections` are the local build; `storage` weighs what they write.
    fn needs_release(self) -> bool {
        !matches!(self, Self::Connections | Self::Storage)
    }
}

/// How long the tests let the fuzzers run, building aside: `cargo local fuzz` runs longer.
const QUICK_FUZZ_S: u64 = 180;

#[tokio::main]
async fn main() {
    let outcome = match Arguments::parse().verb {
        Verb::Up { no_seed } => up(!no_seed).await,
        Verb::Test { arguments } => test(&arguments).await,
        Verb::Bench { what } => bench(what).await,
        Verb::Fuzz { minutes } => fuzz(minutes).await,
        Verb::Down => State::load().map(|state| server::stop_stack(&state)),
        Verb::Status { json } => status(json),
        Verb::Settings => State::load().and_then(|state| deploy::settings(&state)).map(|text| print!("{text}")),
        Verb::Seed => State::load().and_then(|state| deploy::fill(&state)),
        Verb::Logs { function } => {
            State::load().and_then(|state| deploy::logs(&state, &function)).map(|text| print!("{text}"))
        }
        Verb::Invoke { function, at, event } => invoke(&function, at, event),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        exit(1);
    }
}

async fn up(seed: bool) -> anyhow::Result<()> {
    with_stack(seed, async |state| {
        let api = &state.api_url;
        println!("\nThe API: {api}   (page: {api}/api/docs)\n");
        println!("  curl '{api}/api/prompts?limit=3'");
        println!("  curl '{api}/api/patterns/persona'");
        println!("  curl '{api}/api/stats'\n\nCtrl-C stops everything.");
        std::future::pending().await
    })
    .await
    .map(drop)
}

/// Brings a stack up for the time of `work`, and down again whatever became of it. Tells whether `work`
/// came to its end, or was interrupted.
async fn with_stack(seed: bool, work: impl AsyncFnOnce(&State) -> anyhow::Result<()>) -> anyhow::Result<bool> {
    ensure!(State::load().is_err(), "a stack is running (or was killed): `cargo local down` first");
    let port = free_port("LOCAL_API_PORT", 3000)?;
    // From here on a Ctrl-C does not end this process, only what it has started.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut state = State { pid: id(), api_url: format!("http://127.0.0.1:{port}"), ..State::default() };
    let started = tokio::task::block_in_place(|| deploy::up(&mut state, seed));
    let outcome = match started.and_then(|()| deploy::api_upstream(&state)) {
        Ok(upstream) => {
            let proxy = tokio::spawn(proxy::serve(port, upstream));
            let outcome = tokio::select! {
                outcome = work(&state) => outcome.map(|()| true),
                _ = interrupt.recv() => Ok(false),
                _ = terminate.recv() => Ok(false),
            };
            proxy.abort();
            outcome
        }
        Err(error) => Err(error),
    };
    // Tests stop and start servers: what runs now is in the file.
    tokio::task::block_in_place(|| deploy::down(&State::load().unwrap_or(state)));
    outcome
}

/// Everything that must hold before a change lands.
async fn test(arguments: &[String]) -> anyhow::Result<()> {
    servers_of_its_own()?;
    let started = Instant::now();
    let cargo = |arguments: &[&str]| openly(Command::new("cargo").args(arguments).current_dir(root()));
    step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    step("lints", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    step("unit tests", || cargo(&["test", "--quiet", "--lib", "--bins"]))?;
    install::all()?;
    install::browser()?;
    step("checking the template", check_template)?;
    // A filter asks for some tests; the fuzzers are for all of them.
    let fuzz = arguments.is_empty();
    if fuzz {
        install::fuzzers()?;
    }
    let outcome = with_stack(true, async |_| {
        let mut tests = Command::new("cargo");
        tests.args(["test", "--test", "e2e", "--"]).args(arguments).current_dir(root());
        in_the_background(tests).await?;
        if fuzz {
            in_the_background(fuzzing(QUICK_FUZZ_S)).await?;
        }
        Ok(())
    })
    .await;
    eprintln!("the whole took {:.0} s", started.elapsed().as_secs_f64());
    ensure!(outcome?, "interrupted");
    Ok(())
}

/// Tests stop servers and empty caches: not somebody's.
fn servers_of_its_own() -> anyhow::Result<()> {
    for name in ["MONGODB_URI", "REDIS_URL"] {
        ensure!(std::env::var_os(name).is_none(), "{name} is set, and would be filled and emptied: unset it for this");
    }
    Ok(())
}

async fn bench(what: Vec<Benchmark>) -> anyhow::Result<()> {
    servers_of_its_own()?;
    install::all()?;
    if what.is_empty() || what.iter().any(|benchmark| benchmark.needs_release()) {
        deploy::build_release()?;
    }
    let what = what.into_iter().map(Benchmark::name);
    let finished = with_stack(true, async |_| {
        let mut command = Command::new("cargo");
        command.args(["run", "--quiet", "--bin", "bench", "--"]).args(what).current_dir(root());
        in_the_background(command).await
    });
    ensure!(finished.await?, "interrupted");
    Ok(())
}

async fn fuzz(minutes: u64) -> anyhow::Result<()> {
    servers_of_its_own()?;
    install::all()?;
    install::fuzzers()?;
    let finished = with_stack(true, async |_| in_the_background(fuzzing(minutes * 60)).await);
    ensure!(finished.await?, "interrupted");
    Ok(())
}

fn fuzzing(seconds: u64) -> Command {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--bin", "fuzz", "--", &seconds.to_string()]).current_dir(root());
    command
}

/// Runs a command in the open, while this process answers the API's port. When that is interrupted, the command and all
/// that it has started end, too: they would go on with the next stack.
async fn in_the_background(command: Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let mut child = tokio::process::Command::from(command).process_group(0).spawn()?;
    let _group = server::Group(child.id().context("it was not waited for")?);
    let status = child.wait().await?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

fn check_template() -> anyhow::Result<()> {
    let template = "infra/template.yaml";
    openly(Command::new(folder("sam/bin/cfn-lint")).arg(template).current_dir(root()))?;
    let mut sam = Command::new(folder("sam/bin/sam"));
    sam.args(["validate", "--lint", "--region", "us-east-1", "--template-file", template])
        .env("SAM_CLI_TELEMETRY", "0");
    local::step::quietly(sam.current_dir(root())).map(drop)
}

fn status(json: bool) -> anyhow::Result<()> {
    let state = State::load()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&state)?);
        return Ok(());
    }
    println!("API       {}\nMongoDB   {}", state.api_url, state.mongodb_uri);
    println!("Redis     {}", state.redis_url.as_deref().unwrap_or("none: in-process"));
    println!("AWS       {} (stack {})\nContent   {}", state.aws_endpoint_url, state.stack_name, state.content_url);
    Ok(())
}

fn invoke(function: &str, at: Option<String>, event: Option<String>) -> anyhow::Result<()> {
    let event = match (at, event) {
        (_, Some(event)) => event,
        (Some(at), None) => serde_json::json!({"at": at}).to_string(),
        (None, None) => "{}".into(),
    };
    println!("{}", deploy::invoke(&State::load()?, function, &event)?);
    Ok(())
}
