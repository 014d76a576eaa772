//! What is kept of a notification, so that it is sent once: whom it was for, of what kind it was and
//! what became of it. Never the address or the text.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::{
    Database,
    error::{ErrorKind, WriteFailure},
};

use super::Notification;
use crate::{
    clock,
    mongo::{self, DUPLICATE_KEY, Mongo, REQUEST_TIMEOUT},
};

const COLLECTION: &str = "notifications";
/// The consumer's time is 20 s: who claimed a notification longer ago than this did not live to
/// finish it.
const CLAIM_LIFE: Duration = Duration::from_mins(1);

/// What came of asking for the right to send a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is ours to send.
    Ours,
    Sent,
    /// Somebody is sending it, or stopped half-way less than a minute ago.
    Busy,
}

/// Asks for the right to send a notification. Of several who ask at once, one gets it.
pub(super) async fn claim(mongo: &Mongo, notification: &Notification) -> Result<Claim, mongo::Error> {
    let id = &notification.id;
    let now = clock::now();
    let free = doc! {
        "_id": id,
        "$or": [{"status": "failed"}, {"status": "sending", "at": {"$lt": now - CLAIM_LIFE}}],
    };
    let mut fields = doc! {
        "kind": notification.template.kind(),
        "channel": notification.channel.kind(),
        "status": "sending",
        "at": now,
    };
    if let Some(user) = &notification.user_id {
        fields.insert("userId", user);
    }
    let update = doc! {"$set": fields, "$inc": {"attempts": 1}, "$unset": {"error": ""}};
    let work = async |database: Database| {
        database.collection::<Document>(COLLECTION).update_one(free, update).upsert(true).await
    };
    match mongo.run(REQUEST_TIMEOUT, work).await {
        Ok(_) => Ok(Claim::Ours),
        // It is there and not free, so that the upsert tried to make a second one.
        Err(mongo::Error::Refused(error)) if is_duplicate(&error) => taken(mongo, id).await,
        Err(error) => Err(error),
    }
}

async fn taken(mongo: &Mongo, id: &str) -> Result<Claim, mongo::Error> {
    let sent = doc! {"_id": id, "status": "sent"};
    let work = async |database: Database| database.collection::<Document>(COLLECTION).find_one(sent).await;
    Ok(if mongo.run(REQUEST_TIMEOUT, work).await?.is_some() { Claim::Sent } else { Claim::Busy })
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY)
}

/// Writes down what became of a notification that was ours: sent, or failed and why.
pub(super) async fn finish(mongo: &Mongo, id: &str, outcome: Result<(), &str>) -> Result<(), mongo::Error> {
    let fields = match outcome {
        Ok(()) => doc! {"status": "sent"},
        Err(error) => doc! {"status": "failed", "error": error},
    };
    let work = async |database: Database| {
        database.collection::<Document>(COLLECTION).update_one(doc! {"_id": id}, doc! {"$set": fields}).await
    };
    mongo.run(REQUEST_TIMEOUT, work).await.map(drop)
}
