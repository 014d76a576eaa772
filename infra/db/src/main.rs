//! The database and the published content, from a terminal: `cargo db <verb>`.
//!
//! Environment: `MONGODB_URI`, `DB_NAME`; for `publish` also `CONTENT_URL` and the AWS variables, for `verify-audit`
//! `AUDIT_SEED` and, to compare with the digests, `AUDIT_DIGESTS_URL` and the AWS variables, for `reseal` `VAULT_SEED`,
//! `VAULT_SEED_PREVIOUS`, `MFA_SEED` and `MFA_SEED_PREVIOUS`.

mod fill;
mod price;
mod prices;
mod reseal;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use shared::{
    audit::{self, DigestStore},
    clock,
    connection::Connection,
    content::{Kind, PublishedContent, Store, export, parse, render},
    keys::Seed,
    lambda,
    mongo::{Lifetime, Mongo, WORK_TIMEOUT},
    prompts::revisions,
    schema,
    users::{EmailAttempt, admin},
};

#[derive(Parser)]
#[command(about = "Indexes, seeding and publishing")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the declared collections and indexes.
    List,
    /// Create the collections and indexes that are missing.
    Apply,
    /// Compare the declared indexes with the real ones; fails when they differ.
    Check,
    /// Import the content files into the database.
    Seed {
        /// Folder of prompts.json, patterns.json and learning.json.
        #[arg(long, default_value = "public-data")]
        from: PathBuf,
    },
    /// Make an account a super admin: the first one; it signs in anew.
    Promote {
        /// The account's address.
        email: String,
    },
    /// Make the list of model prices anew, from the figures of the Python package `litellm`; needs no database.
    Prices(prices::Prices),
    /// Set what a model costs, for everybody or for one account, without a deploy.
    Price(price::Price),
    /// Fill some days with realistic use, to try reports on and to measure with.
    Fill(fill::Fill),
    /// Check every entry of the audit log against its code (`AUDIT_SEED`), and all of them against the daily digests
    /// (`AUDIT_DIGESTS_URL`); fails when one was changed, is missing or was added.
    VerifyAudit,
    /// Seal provider keys and the secrets of authenticator apps anew under today's seeds; can be repeated.
    Reseal(reseal::Reseal),
    /// Publish the database's content to `CONTENT_URL` now.
    Publish {
        /// Publish even when the result is much smaller than what is published.
        #[arg(long)]
        allow_shrink: bool,
    },
    /// Write the database's content over the files and their backups, for a person to review and commit.
    Export {
        /// Folder of the files.
        #[arg(long, default_value = "public-data")]
        to: PathBuf,
        /// Also replace the immutable backups.
        #[arg(long)]
        to_backup: bool,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    lambda::start();
    // Not returned: a backtrace would follow it where somebody asked for backtraces.
    if let Err(error) = serve(Arguments::parse().verb).await {
        eprintln!("error: {}", explained(&error));
        std::process::exit(1);
    }
}

/// One line that says what to do. The driver's own words on a server that is away go on with all that it knows of it.
fn explained(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let Some((before, _)) = text.split_once(". Topology:") else { return text };
    format!("{before} (does the server run, is MONGODB_URI right, and does Atlas's access list have this address?)")
}

async fn serve(verb: Verb) -> anyhow::Result<()> {
    if let Verb::List = verb {
        println!("{}", schema::list().join("\n"));
        return Ok(());
    }
    if let Verb::Prices(wanted) = &verb {
        return prices::refresh(wanted);
    }
    let mongo = Mongo::from_env(Lifetime::Environment)?;
    let outcome = run(verb, &mongo).await;
    mongo.close().await;
    outcome
}

async fn run(verb: Verb, mongo: &Mongo) -> anyhow::Result<()> {
    let store = Store::new(mongo.clone());
    match verb {
        Verb::List | Verb::Prices(_) => {}
        Verb::Apply => schema::apply(mongo).await?,
        Verb::Check => {
            let lines = schema::differences(mongo).await?;
            anyhow::ensure!(lines.is_empty(), "the database differs from the declaration:\n{}", lines.join("\n"));
        }
        Verb::Seed { from } => {
            // All is judged before the first write.
            let mut files = Kind::ALL.map(|kind| (kind, Vec::new()));
            for (kind, items) in &mut files {
                *items = read(&from, *kind)?;
                store.check_import(*kind, items).await?;
            }
            for (kind, mut items) in files {
                let followed = match kind {
                    Kind::Prompts => revisions::follow(mongo, &mut items).await?,
                    _ => Vec::new(),
                };
                let written = store.import(kind, &items).await?;
                revisions::keep_imported(mongo, &followed).await?;
                println!("{written} {} imported", kind.name());
            }
        }
        Verb::Promote { email } => {
            let email = EmailAttempt::parse(&email).context("that is not an e-mail address")?;
            anyhow::ensure!(admin::make_super_admin(mongo, &email).await?, "there is no account with that address");
            println!("done: in force within 5 minutes, or at once after signing in again");
        }
        Verb::Price(price) => price::set(mongo, price).await?,
        Verb::Fill(what) => fill::fill(mongo, what).await?,
        Verb::VerifyAudit => verify_audit(mongo).await?,
        Verb::Reseal(how) => reseal::reseal(mongo, how).await?,
        Verb::Publish { allow_shrink } => {
            let target = PublishedContent::from_env()?;
            for kind in Kind::ALL {
                let outcome = export::export(kind, &store, &target, clock::now(), allow_shrink).await?;
                println!("{}: {}", kind.name(), serde_json::to_string(&outcome)?);
            }
        }
        Verb::Export { to, to_backup } => {
            for kind in Kind::ALL {
                let items = store.publishable(kind, WORK_TIMEOUT).await?;
                anyhow::ensure!(!items.is_empty(), "the database holds no {}: nothing was written", kind.name());
                let bytes = render(kind, &items, clock::now());
                std::fs::write(to.join(kind.file_name()), &bytes)?;
                if to_backup {
                    std::fs::write(to.join(kind.file_name().replace(".json", "-backup.json")), &bytes)?;
                }
                println!("{} {} written to {}", items.len(), kind.name(), to.display());
            }
        }
    }
    Ok(())
}

/// Prints what is sound; an error names what is not.
async fn verify_audit(mongo: &Mongo) -> anyhow::Result<()> {
    let seed = Seed::from_env("AUDIT_SEED")?;
    let found = if std::env::var_os("AUDIT_DIGESTS_URL").is_some() {
        let found = audit::verify_with_digests(mongo, &DigestStore::from_env()?, &seed, clock::now()).await?;
        println!("{} entries have gone as their time had come", found.expired);
        println!("{} entries are of days that have no digest yet", found.not_listed_yet);
        found
    } else {
        println!("not compared with the digests, which show missing and added entries: set AUDIT_DIGESTS_URL for that");
        audit::verify(mongo, &seed).await?
    };
    println!("{} entries are as they were written", found.intact);
    let lists = [
        ("changed", &found.changed),
        ("missing", &found.missing),
        ("added", &found.added),
        ("days without a digest", &found.days_without_digest),
        ("days whose digest was changed", &found.changed_digests),
    ];
    let lists = lists.iter().filter(|(_, list)| !list.is_empty());
    let lines: Vec<String> = lists.map(|(what, list)| format!("{what}: {}", list.join(", "))).collect();
    anyhow::ensure!(found.is_sound(), "the audit log is not as it was written:\n{}", lines.join("\n"));
    Ok(())
}

fn read(folder: &Path, kind: Kind) -> anyhow::Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let path = folder.join(kind.file_name());
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(kind, &bytes).with_context(|| format!("{} is not a content file", path.display()))
}
