//! Whose database it is. Ours has a mark. One without, from before there was a mark or new, is known by what it holds: the
//! ids of our documents are texts, those of most other applications are not.

use anyhow::bail;
use bson::{Document, doc};
use mongodb::Database;

use super::real;
use crate::mongo::{Error, Mongo, WORK_TIMEOUT};

/// Where the mark is.
pub const COLLECTION: &str = "database_owner";
/// The id of the mark.
pub const MARK: &str = "promptlib";

/// Whether the mark is there.
async fn is_marked(mongo: &Mongo) -> Result<bool, Error> {
    let find =
        async |database: Database| database.collection::<Document>(COLLECTION).find_one(doc! {"_id": MARK}).await;
    Ok(mongo.run(WORK_TIMEOUT, find).await?.is_some())
}

/// Sets the mark.
pub(super) async fn mark(mongo: &Mongo) -> Result<(), Error> {
    let set = async |database: Database| {
        let update = doc! {"$setOnInsert": {"_id": MARK}};
        database.collection::<Document>(COLLECTION).update_one(doc! {"_id": MARK}, update).upsert(true).await
    };
    mongo.run(WORK_TIMEOUT, set).await.map(drop)
}

/// Refuses a database that holds another application's documents; `declared` are the names of our collections.
pub(super) async fn ensure_ours(mongo: &Mongo, declared: &[&str]) -> anyhow::Result<()> {
    if is_marked(mongo).await? {
        return Ok(());
    }
    let name = mongo.run(WORK_TIMEOUT, async |database| Ok(database.name().to_owned())).await?;
    let existing = real::collections(mongo).await?;
    for collection in existing.keys().filter(|name| !name.starts_with("system.")) {
        let foreign = if declared.contains(&collection.as_str()) {
            doc! {"_id": {"$not": {"$type": "string"}}}
        } else {
            doc! {}
        };
        let find = async |database: Database| database.collection::<Document>(collection).find_one(foreign).await;
        if mongo.run(WORK_TIMEOUT, find).await?.is_some() {
            bail!(
                "the database {name} holds another application's data (its {collection}), and nothing was changed: \
                 set DB_NAME to a database of its own, and move the data there with `cargo db adopt --source {name}`"
            );
        }
    }
    Ok(())
}
