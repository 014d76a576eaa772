//! Everything about an account, erased; what others rely on stays without its name.

use bson::{Document, doc};
use mongodb::Database;

use super::{
    ExportFiles,
    collections::{Fate, HOLDINGS, MENTIONS},
    deletion::{self, Deletion},
    sums,
};
use crate::{
    clock::Moment,
    mongo::{self, Mongo, WORK_TIMEOUT},
};

/// Erases what there is of the account. Twice is once, and stopped at any point it goes on where it was.
pub(super) async fn erase(mongo: &Mongo, files: &ExportFiles, deletion: &Deletion, at: Moment) -> anyhow::Result<()> {
    let Deletion { account_id, pseudonym, .. } = deletion;
    sums::keep_sums(mongo, account_id, pseudonym, at).await?;
    erase_prompts(mongo, account_id).await?;
    for (collection, field) in MENTIONS {
        replace_name(mongo, collection, field, account_id, pseudonym).await?;
    }
    for holding in HOLDINGS.iter().filter(|holding| holding.fate == Fate::Erased) {
        let theirs = holding.of(account_id);
        let delete =
            async |database: Database| database.collection::<Document>(holding.collection).delete_many(theirs).await;
        mongo.run(WORK_TIMEOUT, delete).await?;
    }
    files.remove(account_id).await?;
    Ok(deletion::erased(mongo, deletion, at).await?)
}

/// Prompts that are neither published nor an organisation's, with their revisions and audits. One without the flag
/// `isPublic` is published: see [`crate::prompts::Prompt::is_public`].
async fn erase_prompts(mongo: &Mongo, account_id: &str) -> Result<(), mongo::Error> {
    let private = doc! {"authorId": account_id, "isPublic": {"$nin": [true, null]}, "organizationId": null};
    let erase = async |database: Database| {
        let prompts = database.collection::<Document>("prompts");
        let ids = prompts.distinct("_id", private.clone()).await?;
        for history in ["prompt_revisions", "prompt_audits"] {
            let theirs = doc! {"promptId": {"$in": &ids}};
            database.collection::<Document>(history).delete_many(theirs).await?;
        }
        // Last: by them the others are found.
        prompts.delete_many(private).await
    };
    mongo.run(WORK_TIMEOUT, erase).await.map(drop)
}

/// Puts the pseudonym where the account is named: in a field, or in that of an array's elements, one after the other.
async fn replace_name(
    mongo: &Mongo,
    collection: &str,
    field: &str,
    account_id: &str,
    pseudonym: &str,
) -> Result<(), mongo::Error> {
    let (named, place) = (doc! {field: account_id}, field.replace('.', ".$."));
    let replace = async |database: Database| {
        let documents = database.collection::<Document>(collection);
        let update = doc! {"$set": {&place: pseudonym}};
        while documents.update_many(named.clone(), update.clone()).await?.modified_count > 0 {}
        Ok(())
    };
    mongo.run(WORK_TIMEOUT, replace).await
}
