//! Content files into the database: `cargo db seed`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::{Map, Value};
use shared::{
    clock,
    content::{Kind, Store, parse},
    mongo::Mongo,
    prompts::revisions,
    schema,
};

use super::{adopt, lines::create};

/// What to import.
#[derive(Debug, clap::Args)]
pub(crate) struct Seed {
    /// Folder of prompts.json, patterns.json and learning.json.
    #[arg(long, default_value = "public-data")]
    from: PathBuf,
    /// Also replace what is there under the same ids, after writing it to a file.
    #[arg(long)]
    replace: bool,
    /// Folder of the files of what is replaced.
    #[arg(long, default_value = ".")]
    replaced_to: PathBuf,
}

/// Adds what is missing; all files are judged before the first write.
pub(crate) async fn seed(mongo: &Mongo, seed: &Seed) -> anyhow::Result<()> {
    let store = Store::new(mongo.clone());
    let mut files = Kind::ALL.map(|kind| (kind, Vec::new()));
    for (kind, items) in &mut files {
        *items = read(&seed.from, *kind)?;
    }
    schema::ensure_ours(mongo).await?;
    if !seed.replace && adopt::has_adopted(mongo).await? {
        println!("nothing imported: this database took over another application's content, which the starter is not");
        return Ok(());
    }
    for (kind, items) in &files {
        store.check_import(*kind, items).await?;
    }
    for (kind, items) in files {
        let all = items.len();
        let mut items = if seed.replace { items } else { store.missing(kind, items).await? };
        if seed.replace {
            keep_replaced(&store, kind, &items, &seed.replaced_to).await?;
        }
        let followed = match kind {
            Kind::Prompts => revisions::follow(mongo, &mut items).await?,
            _ => Vec::new(),
        };
        let written = if seed.replace { store.import(kind, &items).await? } else { store.add(kind, &items).await? };
        revisions::keep_imported(mongo, &followed).await?;
        match all - written {
            0 => println!("{written} {} imported", kind.name()),
            there => println!("{written} {} imported; {there} are there already, and stay as they are", kind.name()),
        }
    }
    Ok(())
}

fn read(folder: &Path, kind: Kind) -> anyhow::Result<Vec<Map<String, Value>>> {
    let path = folder.join(kind.file_name());
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(kind, &bytes).with_context(|| format!("{} is not a content file", path.display()))
}

/// Writes what is about to be replaced to a file, if there is anything.
async fn keep_replaced(store: &Store, kind: Kind, items: &[Map<String, Value>], folder: &Path) -> anyhow::Result<()> {
    let replaced = store.stored(kind, items).await?;
    if replaced.is_empty() {
        return Ok(());
    }
    let now = clock::now().strftime("%Y%m%dT%H%M%S%3f").to_string();
    let path = folder.join(format!("replaced-{}-{now}.jsonl", kind.collection()));
    let mut file = create(&path)?;
    let count = replaced.len();
    for document in replaced {
        writeln!(file, "{}", bson::Bson::Document(document).into_canonical_extjson())?;
    }
    println!("{count} {} are replaced: as they were, they are in {}", kind.name(), path.display());
    Ok(())
}
