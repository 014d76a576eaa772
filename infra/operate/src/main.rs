//! `cargo preflight`, `cargo deploy` and `cargo smoke`.
//!
//! Environment: `MONGODB_URI`, `MONGODB_READER_URI` and `MONGODB_MONITOR_URI`, as long as they are not stored; `SMOKE_EMAIL` and `SMOKE_PASSWORD`; the AWS variables.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use operate::{
    aws::Aws,
    deploy,
    preflight::{self, ConnectionStrings},
    smoke,
    table::Table,
};

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
    run(Arguments::parse().verb).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let strings = ConnectionStrings::from_env();
    match verb {
        Verb::Preflight(wanted) => {
            let found = preflight::preflight(&wanted, Aws::from_env().await.as_ref(), &strings).await;
            Ok(shown(&found.table, &found.parameters()))
        }
        Verb::Deploy(wanted) => {
            deploy::deploy(&wanted, Aws::from_env().await.as_ref(), &strings).await?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Smoke(wanted) => {
            let account = wanted.write.then(smoke::Account::from_env_or_terminal).transpose()?;
            let aws = if wanted.stack.is_some() { Aws::from_env().await } else { None };
            Ok(shown(&smoke::smoke(&wanted, account.as_ref(), aws.as_ref()).await?, ""))
        }
    }
}

/// Prints it. A fault fails the command.
fn shown(table: &Table, rest: &str) -> ExitCode {
    println!("{table}");
    if !rest.is_empty() {
        println!("\n{rest}");
    }
    if table.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
