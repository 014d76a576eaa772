//! `cargo preflight`, `cargo deploy` and `cargo smoke`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use operate::{deploy, preflight, smoke, table::Table};

#[derive(Parser)]
#[command(bin_name = "cargo", about = "A stack at AWS: what it needs, its deploy, and whether it works")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Ask the AWS account and the MongoDB cluster for all that a deploy needs; changes nothing
    Preflight(preflight::Preflight),
    /// Build, deploy, create indexes, import and publish content, and print the address
    Deploy(deploy::Deploy),
    /// Ask a deployed stack whether it works
    Smoke(smoke::Smoke),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Preflight(wanted) => {
            preflight::preflight(&wanted).await.map(|found| shown(&found.table, &found.parameters()))
        }
        Verb::Deploy(wanted) => deploy::deploy(&wanted).await.map(|()| ExitCode::SUCCESS),
        Verb::Smoke(wanted) => smoke::smoke(&wanted).await.map(|table| shown(&table, "")),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Prints it. A fault fails the command.
fn shown(table: &Table, rest: &str) -> ExitCode {
    println!("{table}");
    if !rest.is_empty() {
        println!("\n{rest}");
    }
    if table.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
