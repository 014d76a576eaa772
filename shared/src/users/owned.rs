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
/// account has no bytes left for it; 401 when its sessions ended since `owner` was read: nothing is made with a token of
/// before a new password, whatever copy of the account an environment has.
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
    let insert = insert(ledger.mongo().clone(), unchanged(owner), thing, collection, counted, limit);
    match ledger.pay(&owner.payer(), bytes, insert, |insert| *insert == Insert::Made).await? {
        Insert::Made => Ok(true),
        Insert::Full => Ok(false),
        Insert::SignedOut => Err(Problem::unauthorized("The session ended: sign in again.")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Insert {
    Made,
    /// As many as may be are there.
    Full,
    /// The owner's sessions ended, or the account is gone.
    SignedOut,
}

/// The account, while its sessions have not ended.
fn unchanged(owner: &Account) -> Document {
    let version = match owner.session_version {
        // An imported account has none.
        0 => doc! {"$in": [0_i64, null]},
        version => doc! {"$eq": version},
    };
    doc! {"_id": &owner.id, "sessionVersion": version}
}

/// Boxed: the driver's futures are large.
fn insert<T: Serialize + Send + Sync + 'static>(
    mongo: Mongo,
    owner: Document,
    thing: T,
    collection: &'static str,
    counted: Document,
    limit: u64,
) -> BoxFuture<'static, Result<Insert, mongo::Error>> {
    let insert = async move |database: Database| {
        let things = database.collection::<T>(collection);
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            // Two who make the last one at once both write the owner: one of them starts over.
            let users = database.collection::<Document>("users");
            let touch = doc! {"$inc": {"ownedChanges": 1}};
            if users.update_one(owner.clone(), touch).session(&mut *session).await?.matched_count == 0 {
                return Ok(Insert::SignedOut);
            }
            if things.count_documents(counted.clone()).session(&mut *session).await? >= limit {
                return Ok(Insert::Full);
            }
            things.insert_one(&thing).session(&mut *session).await?;
            Ok(Insert::Made)
        };
        session.start_transaction().and_run2(work).await
    };
    async move { mongo.run(REQUEST_TIMEOUT, insert).await }.boxed()
}
