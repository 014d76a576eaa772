//! Things of which an account may have so many and no more.

use bson::{Document, doc};
use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{ClientSession, Collection, Database};
use serde::Serialize;

use crate::mongo::{self, Mongo, REQUEST_TIMEOUT};

/// Keeps `thing` of this account; false when `limit` of them match `counted` already. Boxed: the driver's futures are
/// large.
pub fn insert_within_quota<T: Serialize + Send + Sync + 'static>(
    mongo: Mongo,
    user_id: String,
    thing: T,
    things: fn(&Database) -> Collection<T>,
    counted: Document,
    limit: u64,
) -> BoxFuture<'static, Result<bool, mongo::Error>> {
    let insert = async move |database: Database| {
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            // Two who make the last one at once both write the owner: one of them starts over.
            let users = database.collection::<Document>("users");
            let touch = doc! {"$inc": {"ownedChanges": 1}};
            users.update_one(doc! {"_id": &user_id}, touch).session(&mut *session).await?;
            let things = things(&database);
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
