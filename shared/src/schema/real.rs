//! What a database has of collections and indexes.

use std::collections::BTreeMap;

use bson::Document;
use futures_util::TryStreamExt;
use mongodb::{Database, IndexModel};

use crate::mongo::{Error, Mongo, WORK_TIMEOUT};

/// The indexes that a collection has.
pub(super) async fn indexes(mongo: &Mongo, collection: &str) -> Result<Vec<IndexModel>, Error> {
    let list = async |database: Database| {
        database.collection::<Document>(collection).list_indexes().await?.try_collect().await
    };
    mongo.run(WORK_TIMEOUT, list).await
}

/// The collections that there are, each with its validator.
pub(super) async fn collections(mongo: &Mongo) -> Result<BTreeMap<String, Option<Document>>, Error> {
    let list = async |database: Database| database.list_collections().await?.try_collect::<Vec<_>>().await;
    let collections = mongo.run(WORK_TIMEOUT, list).await?.into_iter();
    let validator = |validator: Option<Document>| validator.filter(|rule| !rule.is_empty());
    Ok(collections.map(|collection| (collection.name, validator(collection.options.validator))).collect())
}
