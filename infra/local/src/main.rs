//! `cargo local <verb>`.

use std::process::{Command, exit};

use anyhow::ensure;
use clap::{Parser, Subcommand, ValueEnum};
use local::{
    deploy::{self, Data, Functions},
    install::For,
    release, rewrites, root,
    stack::{self, can_start, in_the_background, servers_of_its_own, with_stack},
    state::State,
    step::{openly, step},
    test::{self, Options},
};

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
        /// Import no starter content; what the database holds stays
        #[arg(long)]
        no_seed: bool,
    },
    /// Format, lints, unit tests, template checks, end-to-end tests on a stack of its own
    Test {
        /// In the inner loop: no fuzzing, and of the end-to-end tests those of what changed since they passed
        #[arg(long)]
        quick: bool,
        /// Passed on to the end-to-end tests: a filter, `--nocapture`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Build the functions for AWS (arm64), with pinned tools, and check them
    Release {
        /// All of them when none is named
        functions: Vec<String>,
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
    /// Build one function and put it into the running stack
    Deploy {
        /// `prompts`, `write-events`, …
        function: String,
    },
    /// Write the API's document to `functions/openapi.json`, as the handlers are now
    Openapi,
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
    /// Print which paths are sent to this API, as rules for what stands in front; needs no stack
    Rewrites {
        /// For which of them
        #[arg(value_enum)]
        of: Front,
        /// Only paths that begin so, `/api/stats`; all when none is named
        paths: Vec<String>,
    },
    /// Import and publish the starter content again
    Seed,
    /// Show the e-mails and text messages that were sent: nothing leaves this machine
    Mail,
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

/// What stands in front of the front end and this API.
#[derive(Clone, Copy, ValueEnum)]
enum Front {
    /// `rewrites` of `next.config.js`
    Next,
    /// Behaviours of a `CloudFront` distribution, in their order
    Cloudfront,
}

/// As the program `bench` knows them.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Benchmark {
    /// What each function costs: zip, start, requests, memory, sockets
    Functions,
    /// Cold starts on as little of a processor as Lambda gives
    ColdStarts,
    /// Each function on a host shaped like Lambda, beside one of the old way
    Host,
    /// Which memory is worth its price, of each kind of function
    Memory,
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
    /// What it adds to a cold start that secrets are read
    Secrets,
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

fn print_rewrites(of: Front, paths: &[String]) -> anyhow::Result<()> {
    let table = rewrites::table()?;
    let text = match of {
        Front::Next => rewrites::next(&table, paths)?,
        Front::Cloudfront => rewrites::cloudfront(&table, paths)?,
    };
    print!("{text}");
    Ok(())
}

#[tokio::main]
async fn main() {
    let outcome = match Arguments::parse().verb {
        Verb::Up { no_seed } => up(!no_seed).await,
        Verb::Test { quick, arguments } => test::test(Options { quick, arguments }).await,
        Verb::Release { functions } => release::build(&functions),
        Verb::Bench { what } => bench(what).await,
        Verb::Fuzz { minutes } => fuzz(minutes).await,
        Verb::Deploy { function } => State::running().and_then(|state| deploy::replace(&state, &function)),
        Verb::Openapi => deploy::write_document(),
        Verb::Down => {
            down();
            Ok(())
        }
        Verb::Status { json } => status(json),
        Verb::Settings => State::running().and_then(|state| deploy::settings(&state)).map(|text| print!("{text}")),
        Verb::Rewrites { of, paths } => print_rewrites(of, &paths),
        Verb::Seed => State::running().and_then(|state| deploy::fill(&state)),
        Verb::Mail => State::running().and_then(|state| deploy::mail(&state)).map(|text| print!("{text}")),
        Verb::Logs { function } => {
            State::running().and_then(|state| deploy::logs(&state, &function)).map(|text| print!("{text}"))
        }
        Verb::Invoke { function, at, event } => invoke(&function, at, event),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        exit(1);
    }
}

async fn up(seed: bool) -> anyhow::Result<()> {
    can_start()?;
    deploy::prepare(For::Running, Functions::All)?;
    with_stack(if seed { Data::Seeded } else { Data::Kept }, async |state| {
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

async fn bench(what: Vec<Benchmark>) -> anyhow::Result<()> {
    servers_of_its_own()?;
    can_start()?;
    // The peer of `host` is made of packages that the tests have.
    let needs_packages = what.is_empty() || what.contains(&Benchmark::Host);
    deploy::prepare(if needs_packages { For::Testing } else { For::Running }, Functions::All)?;
    if what.is_empty() || what.iter().any(|benchmark| benchmark.needs_release()) {
        deploy::build_release()?;
    }
    let what = what.into_iter().map(Benchmark::name);
    let finished = with_stack(Data::OfTests, async |_| {
        let mut command = Command::new("cargo");
        command.args(["run", "--quiet", "--bin", "bench", "--"]).args(what).current_dir(root());
        in_the_background(command).await
    });
    ensure!(finished.await?, "interrupted");
    Ok(())
}

async fn fuzz(minutes: u64) -> anyhow::Result<()> {
    servers_of_its_own()?;
    can_start()?;
    deploy::prepare(For::Testing, Functions::All)?;
    step("building the fuzz targets", || openly(&mut test::fuzz_build_command()?))?;
    let finished = with_stack(Data::OfTests, async |_| in_the_background(test::fuzz_command(None, minutes * 60)).await);
    ensure!(finished.await?, "interrupted");
    Ok(())
}

fn down() {
    match State::load() {
        Ok(state) => stack::stop(&state),
        Err(_) => println!("nothing is running"),
    }
}

fn status(json: bool) -> anyhow::Result<()> {
    let state = State::running()?;
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
    println!("{}", deploy::invoke(&State::running()?, function, &event)?);
    Ok(())
}
