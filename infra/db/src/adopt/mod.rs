//! Moving in: `cargo db adopt` brings the data of the application before into a database of ours.
//!
//! Environment: `SOURCE_MONGODB_URI` (secret), the old database's cluster; `OLD_ENCRYPTION_KEY` (secret), which opens its
//! provider keys; `VAULT_SEED`, `AUDIT_SEED` (secret), those of the functions.
//!
//! All that is only for moving in is in this folder.

mod convert;
mod ledger;
mod old;
mod pace;
mod report;
mod source;
mod target;
mod verify;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{IsTerminal, stderr},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use bson::{Document, doc};
use mongodb::Database;
use serde_json::json;
use shared::{
    api_keys::{ProviderKeys, vault_cipher},
    clock, config,
    content::Kind,
    keys::{Seed, Seeds, random_text},
    mongo::{Mongo, MongoSettings, WORK_TIMEOUT},
    schema,
    secrets::Secret,
};

use self::{
    convert::{
        CONVERTED, Context, Numbers, OldData, Row, SIGN_INS, Secrets, is_wrong_key, reason_to_leave, without_a_place,
    },
    pace::Pace,
    report::{Left, Mapped, Report},
    source::{Source, stored_bytes},
    target::Plan,
    verify::Written,
};

pub(crate) use self::ledger::{Ledger, has_adopted, whole_version};

/// What indexes add to documents, and the ledger: an estimate, on the safe side.
const BYTES_FOR_ONE: f64 = 1.6;

/// What to bring.
#[derive(Debug, clap::Args)]
pub(crate) struct Adopt {
    /// The old database's name.
    #[arg(long)]
    source: String,
    /// Write; without it, only what would be written is printed.
    #[arg(long)]
    write: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
    /// Leave this collection out, for now. May be given several times.
    #[arg(long)]
    leave: Vec<String>,
    /// Megabytes that the tier stores: M0 has 512.
    #[arg(long, default_value_t = 512)]
    storage_mb: u64,
}

/// Brings everything that has a place here.
pub(crate) async fn adopt(settings: &MongoSettings, mongo: &Mongo, wanted: &Adopt) -> anyhow::Result<()> {
    let (started, mut pace) = (Instant::now(), Pace::new());
    let source = Source::from_env(&wanted.source).await?;
    let secrets = secrets(wanted.write).await?;
    let is_same_cluster = check_sides(settings, mongo, &source, wanted.write, &mut pace).await?;
    let mut report = Report::default();
    let old = read(&source, wanted, &mut report, &mut pace).await?;
    let mut ledger = Ledger::read(mongo).await?;
    note_starter_content(mongo, &ledger, &mut pace).await?;
    pace.wait(1).await;
    let here = Numbers::read(mongo, &mut pace).await?;
    let (converted, plans) = {
        let context = Context::new(&old, &ledger, &secrets, here, clock::now());
        ensure!(
            !is_wrong_key(&context),
            "OLD_ENCRYPTION_KEY opens none of the provider keys: set it to API_KEY_ENCRYPTION_KEY of the application \
             before, or leave them out with `--leave api_keys`; nothing was written"
        );
        plan(mongo, &context, &ledger, &old, &mut report, &mut pace).await?
    };
    check_storage(mongo, &source, &plans, is_same_cluster, wanted.storage_mb, &mut pace).await?;
    let mut adopted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut of_this_run = Written::new();
    for (name, plan) in plans {
        let of = report.collections.entry(name.clone()).or_default();
        of.unchanged = plan.unchanged;
        of.skipped.extend(plan.skipped);
        if wanted.write {
            let total = plan.steps.len();
            let steps = target::write(mongo, &mut ledger, plan.steps, &mut pace, |done| progress(&name, done, total));
            let (written, refused) = steps.await.context("stopped; run it again, and it goes on where it stopped")?;
            of.written = written.len() as u64;
            of_this_run.insert(name.clone(), written.into_iter().collect());
            of.skipped.extend(refused);
        } else {
            of.written = plan.steps.len() as u64;
        }
        let left: Vec<&str> = of.skipped.iter().map(|left| left.id.as_str()).collect();
        let ids = old.get(&name).into_iter().flatten().map(|old| old.id.clone());
        adopted.insert(name, ids.filter(|id| !left.contains(&id.as_str())).collect());
    }
    let mut proof = Vec::new();
    if wanted.write {
        let sums = verify::sums(mongo, &ledger, &old, &adopted, &of_this_run, &mut pace).await?;
        proof = verify::lines(&sums)?;
        let vault = ProviderKeys::from_env(mongo)?;
        let read = verify::sample(mongo, &vault, &converted, &of_this_run, &mut pace).await?;
        proof.push(format!("  {read} of them were read back as the application reads them"));
    }
    print(&report, wanted, &proof)?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{} operations on both sides in {seconds:.0} s", pace.operations());
    Ok(())
}

/// Without `--write` nothing is sealed, so any seed will do.
async fn secrets(write: bool) -> anyhow::Result<Secrets> {
    let any = || Seed::from(random_text().as_str());
    let audit = match Secret::optional("AUDIT_SEED", Seed::parse)? {
        None if !write => Arc::new(any()),
        Some(seed) => seed.get().await?,
        None => Secret::from_env("AUDIT_SEED", Seed::parse)?.get().await?,
    };
    let vault = match config::optional("VAULT_SEED") {
        None if !write => Arc::new(Seeds { current: any(), before: None }.cipher("nothing")),
        _ => vault_cipher()?.get().await?,
    };
    Secrets::new(vault, audit)
}

/// Refuses what would mix the two databases up, and makes what the new one lacks, as `cargo db apply` does; tells whether
/// they are on one cluster.
async fn check_sides(
    settings: &MongoSettings,
    mongo: &Mongo,
    source: &Source,
    write: bool,
    pace: &mut Pace,
) -> anyhow::Result<bool> {
    let hosts = settings.hosts().await?;
    let is_same_cluster = source.hosts.iter().any(|host| hosts.contains(host));
    let same = "--source names the database that is written to (DB_NAME): set DB_NAME to a database of its own";
    ensure!(!(is_same_cluster && source.name() == settings.database), same);
    ensure!(
        !source.has(schema::OWNER, schema::MARK, pace).await?,
        "--source {} names a database of this application, not of the one before",
        source.name()
    );
    // A few for the collections and their marks, and one for the indexes of each.
    pace.wait(3).await;
    schema::ensure_ours(mongo).await?;
    if write {
        pace.wait(schema::COLLECTIONS.len()).await;
        let changes = schema::plan(mongo).await?;
        for change in &changes {
            // A collection and its indexes are two.
            pace.wait(2).await;
            change.carry_out(mongo).await?;
        }
        pace.wait(1).await;
        schema::mark(mongo).await?;
    }
    Ok(is_same_cluster)
}

/// Everything that has a place here; what has none is counted.
async fn read(source: &Source, wanted: &Adopt, report: &mut Report, pace: &mut Pace) -> anyhow::Result<OldData> {
    let names = source.collections(pace).await?;
    ensure!(!names.is_empty(), "the cluster of SOURCE_MONGODB_URI has no database {}, or it is empty", source.name());
    for name in &wanted.leave {
        ensure!(names.contains(name), "--leave {name}: there is no such collection in {}", source.name());
    }
    let mut old = OldData::new();
    for name in names {
        let of = report.collections.entry(name.clone()).or_default();
        if wanted.leave.contains(&name) {
            of.left = Some("left out for now (--leave)");
        } else if !CONVERTED.iter().any(|(known, _)| *known == name) {
            of.left = Some(reason_to_leave(&name));
        }
        if of.left.is_some() && (name != SIGN_INS || wanted.leave.contains(&name)) {
            of.read = source.count(&name, pace).await?;
            continue;
        }
        let (documents, unreadable) = source.read(&name, pace).await?;
        of.read = (documents.len() + unreadable.len()) as u64;
        let reason = || "it cannot be read: mend it, or leave it".to_owned();
        of.skipped.extend(unreadable.into_iter().map(|id| Left { id, reason: reason() }));
        progress(&format!("reading {name}"), documents.len(), documents.len());
        old.insert(name, documents);
    }
    Ok(old)
}

/// What becomes of each document, and what is to be written for it.
async fn plan(
    mongo: &Mongo,
    context: &Context<'_>,
    ledger: &Ledger,
    old: &OldData,
    report: &mut Report,
    pace: &mut Pace,
) -> anyhow::Result<(HashMap<String, Vec<Row>>, Vec<(String, Plan)>)> {
    let (mut converted, mut plans) = (HashMap::new(), Vec::new());
    // Those of before, and then those of this run.
    let mut accounts: HashSet<String> = ledger.ids_written("users").map(str::to_owned).collect();
    for (name, convert) in CONVERTED.iter().filter(|(name, _)| old.contains_key(*name)) {
        let mut rows = convert(context, name);
        if *name == "users" {
            accounts.extend(rows.iter().filter(|row| row.outcome.is_ok()).map(|row| row.id.clone()));
        } else {
            for row in &mut rows {
                row.check_owner(|owner| accounts.contains(owner));
            }
        }
        let documents: HashMap<&str, &Document> =
            old[*name].iter().map(|document| (document.id.as_str(), &document.fields)).collect();
        for row in &mut rows {
            row.mapped.extend(documents.get(row.id.as_str()).and_then(|fields| without_a_place(name, fields)));
        }
        let of = report.collections.entry((*name).to_owned()).or_default();
        of.mapped = mapped(&rows);
        of.gone = target::gone(mongo, ledger, name, &documents, &of.skipped, pace).await?;
        plans.push(((*name).to_owned(), Plan::make(mongo, ledger, name, &rows, pace).await?));
        converted.insert((*name).to_owned(), rows);
    }
    Ok((converted, plans))
}

fn mapped(rows: &[Row]) -> Vec<Mapped> {
    let written = rows.iter().filter(|row| row.outcome.is_ok());
    written.flat_map(|row| row.mapped.iter().map(|what| Mapped { id: row.id.clone(), what: what.clone() })).collect()
}

/// Says, before the first document comes, that there is content here already: most likely that of `cargo db seed`.
async fn note_starter_content(mongo: &Mongo, ledger: &Ledger, pace: &mut Pace) -> anyhow::Result<()> {
    for kind in Kind::ALL.into_iter().filter(|kind| ledger.ids_written(kind.collection()).next().is_none()) {
        pace.wait(1).await;
        let count = async |database: Database| {
            database.collection::<Document>(kind.collection()).count_documents(doc! {}).await
        };
        let count = mongo.run(WORK_TIMEOUT, count).await?;
        if count > 0 {
            eprintln!(
                "note: {count} {} are here already, and stay beside what is brought: if they are the starter content of \
                 `cargo db seed`, remove them before you write",
                kind.name()
            );
        }
    }
    Ok(())
}

/// Refuses what would fill the tier.
async fn check_storage(
    mongo: &Mongo,
    source: &Source,
    plans: &[(String, Plan)],
    is_same_cluster: bool,
    storage_mb: u64,
    pace: &mut Pace,
) -> anyhow::Result<()> {
    pace.wait(1).await;
    let stats = async |database: Database| database.run_command(doc! {"dbStats": 1}).await;
    let here = stored_bytes(&mongo.run(WORK_TIMEOUT, stats).await?);
    let there = if is_same_cluster { source.bytes(pace).await? } else { 0 };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    let more = (plans.iter().map(|(_, plan)| plan.bytes()).sum::<u64>() as f64 * BYTES_FOR_ONE) as u64;
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    ensure!(
        here + there + more <= storage_mb * 1_000_000,
        "it does not fit: about {} MB would be written, and of the tier's {storage_mb} MB {} are used; nothing was \
         written. Remove what is not needed there, leave collections out (--leave), or take a larger tier (--storage-mb)",
        mb(more),
        mb(here + there),
    );
    Ok(())
}

fn progress(what: &str, done: usize, total: usize) {
    if stderr().is_terminal() {
        eprint!("\r{what}: {done} of {total}{}", if done == total { "\n" } else { "" });
    } else if done == total || done.is_multiple_of(500) {
        eprintln!("{what}: {done} of {total}");
    }
}

fn print(report: &Report, wanted: &Adopt, proof: &[String]) -> anyhow::Result<()> {
    if wanted.json {
        println!("{}", serde_json::to_string_pretty(&json!(report))?);
        return Ok(());
    }
    let written = if wanted.write { "written" } else { "would be written" };
    println!("{}", report.lines(written).join("\n"));
    if wanted.write {
        println!("the same on both sides:\n{}", proof.join("\n"));
    } else {
        println!("nothing was written: `--write` does it");
    }
    Ok(())
}
