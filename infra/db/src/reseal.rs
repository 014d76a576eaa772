//! Seals stored secrets anew under today's seeds, so that those of before can be dropped.
//!
//! It may be ended and started again at any time: what is sealed anew is passed over, and a secret that its owner replaces
//! meanwhile is left as they left it.

use anyhow::Context;
use bson::{Document, doc};
use clap::Args;
use futures_util::TryStreamExt;
use mongodb::{Collection, Database};
use secrecy::ExposeSecret;
use shared::{
    api_keys::{vault_cipher, vault_context},
    keys::Cipher,
    mfa::totp_cipher,
    mongo::{Mongo, WORK_TIMEOUT},
};

/// Documents read in one operation.
const BATCH: i64 = 500;

#[derive(Args)]
pub(crate) struct Reseal {
    /// Only count: write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A field that holds a sealed secret.
struct Sealed {
    what: &'static str,
    collection: &'static str,
    field: &'static str,
    /// What it was sealed for; `None` for a document that lacks what that is made of.
    context: fn(&Document) -> Option<String>,
}

const PROVIDER_KEYS: Sealed = Sealed {
    what: "provider keys",
    collection: "provider_keys",
    field: "cipher",
    context: |key| {
        let version = key.get("keyVersion")?;
        let version = version.as_i64().or_else(|| version.as_i32().map(i64::from))?;
        Some(vault_context(key.get_str("userId").ok()?, key.get_str("_id").ok()?, version))
    },
};

const APPS: [Sealed; 2] = [
    Sealed { what: "authenticator apps", collection: "users", field: "mfa.totp", context: owner },
    Sealed {
        what: "authenticator apps not proven yet",
        collection: "users",
        field: "mfa.pending.totp",
        context: owner,
    },
];

fn owner(user: &Document) -> Option<String> {
    user.get_str("_id").ok().map(str::to_owned)
}

#[derive(Default)]
struct Counts {
    current: u64,
    resealed: u64,
    /// Replaced by their owner while this ran.
    overtaken: u64,
    /// Ids of documents whose secret neither seed opens.
    refused: Vec<String>,
}

/// Prints what was done; an error names what neither seed opens.
pub(crate) async fn reseal(mongo: &Mongo, Reseal { dry_run }: Reseal) -> anyhow::Result<()> {
    let (vault, totp) = (vault_cipher()?.get().await?, totp_cipher()?.get().await?);
    shared::schema::ensure_ours(mongo).await?;
    let mut refused = Vec::new();
    for (sealed, cipher) in std::iter::once((&PROVIDER_KEYS, &*vault)).chain(APPS.iter().map(|sealed| (sealed, &*totp)))
    {
        let counts = reseal_field(mongo, sealed, cipher, dry_run).await?;
        let done = if dry_run { "to be sealed anew" } else { "sealed anew" };
        println!(
            "{}: {} {done}, {} sealed with today's seed already, {} replaced by their owner meanwhile, {} that neither \
             seed opens",
            sealed.what,
            counts.resealed,
            counts.current,
            counts.overtaken,
            counts.refused.len()
        );
        refused.extend(counts.refused.iter().map(|id| format!("{}/{id}", sealed.collection)));
    }
    anyhow::ensure!(
        refused.is_empty(),
        "neither seed opens these, and they are left as they are: {}",
        refused.join(", ")
    );
    Ok(())
}

async fn reseal_field(mongo: &Mongo, sealed: &Sealed, cipher: &Cipher, dry_run: bool) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let mut last = String::new();
    loop {
        let documents = batch(mongo, sealed, &last).await?;
        for document in &documents {
            document.get_str("_id").context("an id that is no text")?.clone_into(&mut last);
            let old = text_at(document, sealed.field).unwrap_or_default();
            if cipher.is_current(old) {
                counts.current += 1;
                continue;
            }
            let context = (sealed.context)(document).unwrap_or_default();
            let Some(secret) = cipher.open(old, &context) else {
                counts.refused.push(last.clone());
                continue;
            };
            let new = cipher.seal(secret.expose_secret(), &context);
            if dry_run || replace(mongo, sealed, &last, old, &new).await? {
                counts.resealed += 1;
            } else {
                counts.overtaken += 1;
            }
        }
        if documents.len() < usize::try_from(BATCH).unwrap_or_default() {
            return Ok(counts);
        }
    }
}

async fn batch(mongo: &Mongo, sealed: &Sealed, after: &str) -> anyhow::Result<Vec<Document>> {
    let find = async |database: Database| {
        let filter = doc! {"_id": {"$gt": after}, sealed.field: {"$gt": ""}};
        let wanted = doc! {"userId": 1, "keyVersion": 1, sealed.field: 1};
        let collection = collection(&database, sealed);
        let found = collection.find(filter).projection(wanted);
        found.sort(doc! {"_id": 1}).limit(BATCH).await?.try_collect().await
    };
    Ok(mongo.run(WORK_TIMEOUT, find).await?)
}

/// Whether the old one was still there.
async fn replace(mongo: &Mongo, sealed: &Sealed, id: &str, old: &str, new: &str) -> anyhow::Result<bool> {
    let set = async |database: Database| {
        let unchanged = doc! {"_id": id, sealed.field: old};
        collection(&database, sealed).update_one(unchanged, doc! {"$set": {sealed.field: new}}).await
    };
    Ok(mongo.run(WORK_TIMEOUT, set).await?.matched_count == 1)
}

fn collection(database: &Database, sealed: &Sealed) -> Collection<Document> {
    database.collection(sealed.collection)
}

/// The text at a path such as `mfa.totp`.
fn text_at<'a>(document: &'a Document, path: &str) -> Option<&'a str> {
    let (parents, field) = path.rsplit_once('.').unwrap_or(("", path));
    let parents = parents.split('.').filter(|name| !name.is_empty());
    let mut document = document;
    for parent in parents {
        document = document.get_document(parent).ok()?;
    }
    document.get_str(field).ok()
}
