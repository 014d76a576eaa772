//! Things of which an account may have so many and no more.

use bson::{Document, doc};
use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{ClientSession, Database};
use serde::Serialize;

use super::Account;
use crate::{
    http::Problem,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    schema,
};

/// Keeps `thing` of this account in `collection`; false when `limit` of them match `counted` already. 429 when the
/// account has no bytes left for it.
pub async fn insert_within_quota<T: Serialize + Send + Sync + 'static>(
    ledger: &Ledger,
    owner: &Account,
    thing: T,
    collection: &'static str,
    counted: Document,
    limit: u64,
) -> Result<bool, Problem> {
    let document = mongo::to_document(&thing).map_err(Problem::internal)?;
    let bytes = schema::weight(collection, &document);
    let insert = insert(ledger.mongo().clone(), owner.id.clone(), thing, collection, counted, limit);
    ledger.pay(&owner.payer(), bytes, insert, |inserted| *inserted).await
}

/// Boxed: the driver's futures are large.
fn insert<T: Serialize + Send + Sync + 'static>(
    mongo: Mongo,
    user_id: String,
    thing: T,
    collection: &'static str,
    counted: Document,
    limit: u64,
) -> BoxFuture<'static, Result<bool, mongo::Error>> {
    let insert = async move |database: Database| {
        let things = database.collection::<T>(collection);
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            // Two who make the last one at once both write the owner: one of them starts over.
            let users = database.collection::<Document>("users");
            let touch = doc! {"$inc": {"ownedChanges": 1}};
            users.update_one(doc! {"_id": &user_id}, touch).session(&mut *session).await?;
            if things.count_documents(counted.clone()).session(&mut *session).await? >= limit {
                return Ok(false);
            }
            things.insert_one(&thing).session(&mut *session).await?;
            Ok(true)
        };
        session.start_transaction().and_run2(work).await
    };
    async move { mongo.run(REQUEST_TIMEOUT, insert).await }.boxed()
}
