//! The database and the published content, from a terminal: `cargo db <verb>`.
//!
//! Environment: `MONGODB_URI`, `DB_NAME`; for `publish` also `CONTENT_URL` and the AWS variables, for `verify-audit`
//! `AUDIT_SEED` and, to compare with the digests, `AUDIT_DIGESTS_URL` and the AWS variables, for `reseal` `VAULT_SEED` and
//! `MFA_SEED` (each the new and the old one with a comma between); for `adopt` and `secrets` see there. What is secret
//! among them may be the name of a parameter of a deployed stack: `AUDIT_SEED=ssm:/promptlib/audit-seed`.

mod adopt;
mod auth_js_key;
mod export;
mod fill;
mod lines;
mod price;
mod prices;
mod promote;
mod reseal;
mod secrets;
mod seed;

use std::fmt::Display;

use clap::{Parser, Subcommand};
use shared::{
    audit::{self, DigestStore},
    clock,
    connection::Connection,
    content::{self, PublishedContent, Store},
    keys::Seed,
    lambda,
    mongo::{Lifetime, Mongo, MongoSettings},
    schema,
    secrets::Secret,
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
    /// Create the collections, indexes and validators that are missing.
    Apply {
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare the declared indexes with the real ones; fails when they differ.
    Check,
    /// Import what is missing of the content files into the database.
    Seed(seed::Seed),
    /// Move in: bring the data of the application before into this database.
    Adopt(adopt::Adopt),
    /// Make an account a super admin, and the account if there is none: the first administrator, who signs in anew.
    Promote(promote::Promote),
    /// Print the key by which the front end's session cookies are read, from its secret on standard input; needs no
    /// database.
    AuthJsKey(auth_js_key::AuthJsKey),
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
    /// Make the secrets of a stack that are missing, before it is deployed; or replace one. Needs no database.
    Secrets(secrets::Secrets),
    /// Publish the database's content to `CONTENT_URL` now.
    Publish {
        /// Publish even when the result is much smaller than what is published.
        #[arg(long)]
        allow_shrink: bool,
    },
    /// Write the database's content over the files and their backups, for a person to review and commit; or, with
    /// `--since`, everything that was written here since an instant.
    Export(export::Export),
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

/// One line that says what to do. The driver's own words on a server that is away, or that refuses, go on with all that
/// it knows of it.
fn explained(error: &anyhow::Error) -> String {
    // The driver begins its texts so.
    let text = format!("{error:#}").replace("Kind: ", "");
    if let Some((before, _)) = text.split_once(". Topology:") {
        let uri = if before.contains("SOURCE_MONGODB_URI") { "SOURCE_MONGODB_URI" } else { "MONGODB_URI" };
        return format!(
            "{before} (does the server run, is {uri} right, and does Atlas's access list have this address?)"
        );
    }
    let end = [", labels: ", ", server response: ", "RawDocumentBuf", "Some(RawDocumentBuf"]
        .iter()
        .filter_map(|word| text.find(word))
        .min();
    text[..end.unwrap_or(text.len())].trim_end_matches([',', ' ', '(']).to_owned()
}

async fn serve(verb: Verb) -> anyhow::Result<()> {
    if let Verb::List = verb {
        println!("{}", schema::list().join("\n"));
        return Ok(());
    }
    if let Verb::Prices(wanted) = &verb {
        return prices::refresh(wanted);
    }
    if let Verb::Secrets(wanted) = &verb {
        return secrets::secrets(wanted).await;
    }
    if let Verb::AuthJsKey(of) = &verb {
        return auth_js_key::print(of);
    }
    let settings = MongoSettings::from_env()?;
    if let Some(named) = settings.database_in_uri().await?.filter(|named| *named != settings.database) {
        eprintln!("note: MONGODB_URI names the database {named}, but {} is used: DB_NAME decides", settings.database);
    }
    let mongo = Mongo::new(settings.clone(), Lifetime::FromFirstUse);
    let outcome = run(verb, &settings, &mongo).await;
    mongo.close().await;
    outcome
}

async fn run(verb: Verb, settings: &MongoSettings, mongo: &Mongo) -> anyhow::Result<()> {
    // These look for themselves: `apply` and `adopt` before the first change, `seed` once its files are read, `promote`
    // once the address is, `verify-audit` and `reseal` once the seeds are.
    let looks_itself = matches!(
        verb,
        Verb::Apply { .. } | Verb::Seed(_) | Verb::Adopt(_) | Verb::Promote(_) | Verb::VerifyAudit | Verb::Reseal(_)
    );
    if !looks_itself {
        schema::ensure_ours(mongo).await?;
    }
    match verb {
        Verb::List | Verb::Prices(_) | Verb::Secrets(_) | Verb::AuthJsKey(_) => {}
        Verb::Apply { dry_run: true } => told(&schema::plan(mongo).await?, "would make"),
        Verb::Apply { dry_run: false } => told(&schema::apply(mongo).await?, "made"),
        Verb::Check => {
            let lines = schema::differences(mongo).await?;
            anyhow::ensure!(
                lines.is_empty(),
                "the database differs from the declaration: {} (`cargo db apply` makes what is missing)",
                lines.join("; ")
            );
        }
        Verb::Seed(what) => seed::seed(mongo, &what).await?,
        Verb::Adopt(what) => adopt::adopt(settings, mongo, &what).await?,
        Verb::Promote(whom) => promote::promote(mongo, whom).await?,
        Verb::Price(price) => price::set(mongo, price).await?,
        Verb::Fill(what) => fill::fill(mongo, what).await?,
        Verb::VerifyAudit => verify_audit(mongo).await?,
        Verb::Reseal(how) => reseal::reseal(mongo, how).await?,
        Verb::Publish { allow_shrink } => {
            let (store, target) = (Store::new(mongo.clone()), PublishedContent::from_env()?);
            let (done, failed) = content::export::export_all(&store, &target, clock::now(), allow_shrink).await;
            for (kind, outcome) in done {
                println!("{kind}: {}", serde_json::to_string(&outcome)?);
            }
            anyhow::ensure!(failed.is_empty(), "not published: {}", failed.join("; "));
        }
        Verb::Export(what) => export::export(mongo, &what).await?,
    }
    Ok(())
}

fn told(changes: &[impl Display], verb: &str) {
    for change in changes {
        println!("{verb} {change}");
    }
    if changes.is_empty() {
        println!("everything is as it should be");
    }
}

/// Prints what is sound; an error names what is not.
async fn verify_audit(mongo: &Mongo) -> anyhow::Result<()> {
    let seed = Secret::from_env("AUDIT_SEED", Seed::parse)?.get().await?;
    let digests = std::env::var_os("AUDIT_DIGESTS_URL").map(|_| DigestStore::from_env()).transpose()?;
    schema::ensure_ours(mongo).await?;
    let found = if let Some(digests) = digests {
        let found = audit::verify_with_digests(mongo, &digests, &seed, clock::now()).await?;
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
    anyhow::ensure!(found.is_sound(), "the audit log is not as it was written: {}", lines.join("; "));
    Ok(())
}
