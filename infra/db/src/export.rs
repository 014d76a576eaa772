//! The way out of the database: the content over its files, or all that was written since an instant as JSON lines.

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use shared::{
    clock::{self, Moment},
    content::{Kind, Store, render},
    mongo::{self, Mongo, WORK_TIMEOUT},
    schema::{self, COLLECTIONS},
};
use uuid::Uuid;

use super::{
    adopt::{Ledger, whole_version},
    lines::create,
};

/// Documents that one operation reads.
const CHUNK: i64 = 1_000;
/// What is of no use elsewhere, or gives away who is signed in.
const NOT_EXPORTED: [&str; 10] = [
    "sessions",
    "sign_ups",
    "mfa_codes",
    "password_resets",
    "guards",
    "counters",
    "ledger",
    "refusals",
    "notification_counts",
    schema::OWNER,
];
/// Dates of when something ends, not of when it was written.
const ENDS: [&str; 2] = ["expiresAt", "resetsAt"];

/// What to write where.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Folder of the files; of the content, `public-data` when absent.
    #[arg(long)]
    to: Option<PathBuf>,
    /// Also replace the immutable backups.
    #[arg(long, conflicts_with = "since")]
    to_backup: bool,
    /// All that was written here from this instant on, of every collection, as JSON lines; `--to` names a folder without
    /// such files.
    #[arg(long, requires = "to")]
    since: Option<Moment>,
}

/// Writes the files.
pub(crate) async fn export(mongo: &Mongo, export: &Export) -> anyhow::Result<()> {
    let folder = export.to.clone().unwrap_or_else(|| PathBuf::from("public-data"));
    match export.since {
        Some(since) => export_since(mongo, since, &folder).await,
        None => export_content(mongo, &folder, export.to_backup).await,
    }
}

async fn export_content(mongo: &Mongo, folder: &Path, to_backup: bool) -> anyhow::Result<()> {
    let store = Store::new(mongo.clone());
    for kind in Kind::ALL {
        let items = store.publishable(kind, WORK_TIMEOUT).await?;
        ensure!(!items.is_empty(), "the database holds no {}: nothing was written", kind.name());
        let bytes = render(kind, &items, clock::now());
        std::fs::write(folder.join(kind.file_name()), &bytes)?;
        if to_backup {
            std::fs::write(folder.join(kind.file_name().replace(".json", "-backup.json")), &bytes)?;
        }
        println!("{} {} written to {}", items.len(), kind.name(), folder.display());
    }
    Ok(())
}

async fn export_since(mongo: &Mongo, since: Moment, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let ledger = Ledger::read(mongo).await?;
    let adopted = ledger.written();
    let names: Vec<_> =
        COLLECTIONS.iter().map(|collection| collection.name).filter(|name| !NOT_EXPORTED.contains(name)).collect();
    for name in &names {
        let path = path(folder, name);
        ensure!(!path.exists(), "{} is there already, and is not overwritten: choose another folder", path.display());
    }
    for name in names {
        let (mut last, mut file, mut count) = (Bson::MinKey, None, 0);
        loop {
            let documents = read(mongo, name, &last).await?;
            for document in &documents {
                last = document.get("_id").cloned().unwrap_or(Bson::MaxKey);
                if is_written_here(name, document, since, &adopted) {
                    let file = match &mut file {
                        Some(file) => file,
                        none => none.insert(create(&path(folder, name))?),
                    };
                    writeln!(file, "{}", Bson::Document(document.clone()).into_canonical_extjson())?;
                    count += 1;
                }
            }
            if documents.len() < usize::try_from(CHUNK).unwrap_or_default() {
                break;
            }
        }
        if let Some(mut file) = file {
            file.flush()?;
            println!("{name}: {count} documents written to {}", path(folder, name).display());
        }
    }
    Ok(())
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.jsonl"))
}

async fn read(mongo: &Mongo, name: &str, after: &Bson) -> Result<Vec<Document>, mongo::Error> {
    let find = async |database: Database| {
        let all = database.collection::<Document>(name);
        let page = all.find(doc! {"_id": {"$gt": after}}).sort(doc! {"_id": 1}).limit(CHUNK).batch_size(1_000);
        page.await?.try_collect().await
    };
    mongo.run(WORK_TIMEOUT, find).await
}

/// Whether a document was made or changed here from `since` on. What was adopted was not, while it is as it was adopted.
/// What was changed since it was adopted, and does not say when, counts too, and so does what has no date at all: too
/// much is better than too little.
fn is_written_here(name: &str, document: &Document, since: Moment, adopted: &HashMap<(&str, &str), &str>) -> bool {
    let id = document.get_str("_id").unwrap_or_default();
    match adopted.get(&(name, id)) {
        Some(adopted) => **adopted != whole_version(document),
        None => last_date(document, id).is_none_or(|at| at >= since),
    }
}

/// The last instant that a document tells of: by its dates, or its id (`UUIDv7`).
fn last_date(document: &Document, id: &str) -> Option<Moment> {
    let dates = document.iter().filter(|(name, _)| !ENDS.contains(&name.as_str()));
    let dates = dates.filter_map(|(_, value)| value.as_datetime().map(|at| Moment::from(*at)));
    let of_id = Uuid::try_parse(id).ok().and_then(|id| id.get_timestamp()).map(|at| {
        let (seconds, nanos) = at.to_unix();
        Moment::from_millisecond(i64::try_from(seconds * 1_000 + u64::from(nanos) / 1_000_000).unwrap_or_default())
    });
    dates.chain(of_id).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_since_is_told_by_dates_ids_and_what_was_adopted() {
        let since: Moment = "2026-01-02T00:00:00Z".parse().expect("valid");
        let (before, after) = (since - jiff::SignedDuration::from_secs(1), since);
        let same = doc! {"_id": "same", "createdAt": after};
        let same_version = whole_version(&same);
        let adopted = HashMap::from([(("users", "same"), same_version.as_str()), (("users", "changed"), "another")]);
        for (document, is_in) in [
            (same, false),
            (doc! {"_id": "changed", "createdAt": before}, true),
            (doc! {"_id": "old", "createdAt": before, "expiresAt": after}, false),
            (doc! {"_id": "touched", "createdAt": before, "updatedAt": after}, true),
            (doc! {"_id": "new", "createdAt": after}, true),
            (doc! {"_id": "undated"}, true),
            (doc! {"_id": "018bcfe5-6800-7000-8000-000000000000"}, false),
        ] {
            assert_eq!(is_written_here("users", &document, since, &adopted), is_in, "{document}");
        }
    }
}
