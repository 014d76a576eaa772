//! What is kept of a notification, so that it is sent once: whom it was for, of what kind it was and
//! what became of it. Never the address or the text.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::{ClientSession, Collection, Database};

use super::{Channel, Class, Notification, Template, counts::Asked};
use crate::{
    clock,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

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
    /// It is beyond a cap.
    Capped,
}

/// Asks for the right to send a notification. Of several who ask at once, one gets it.
///
/// It is counted when it is claimed for the first time, in the same transaction: however often it comes again, it counts
/// once. Nothing is kept of one that is beyond a cap, but that it was.
pub(super) async fn claim(mongo: &Mongo, notification: &Notification, asked: Asked) -> Result<Claim, mongo::Error> {
    let mut record = claimed(notification);
    record.extend(doc! {"_id": &notification.id, "attempts": 1});
    let first = async |database: Database| {
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            let records = collection(&database);
            records.insert_one(&record).session(&mut *session).await?;
            if asked.count(&database, session).await? {
                return Ok(Claim::Ours);
            }
            records.delete_one(doc! {"_id": record.get("_id")}).session(&mut *session).await?;
            Ok(Claim::Capped)
        };
        session.start_transaction().and_run2(work).await
    };
    match mongo.run(REQUEST_TIMEOUT, first).await {
        Err(error) if error.is_duplicate() => claim_again(mongo, notification).await,
        outcome => outcome,
    }
}

/// As [`claim`], of a notification that was counted before.
async fn claim_again(mongo: &Mongo, notification: &Notification) -> Result<Claim, mongo::Error> {
    let id = &notification.id;
    let free = doc! {
        "_id": id,
        "$or": [{"status": "failed"}, {"status": "sending", "at": {"$lt": clock::now() - CLAIM_LIFE}}],
    };
    let update = doc! {"$set": claimed(notification), "$inc": {"attempts": 1}, "$unset": {"error": ""}};
    let work = async |database: Database| {
        let records = collection(&database);
        if records.update_one(free, update).await?.matched_count == 1 {
            return Ok(Claim::Ours);
        }
        let sent = records.find_one(doc! {"_id": id, "status": "sent"}).await?;
        Ok(if sent.is_some() { Claim::Sent } else { Claim::Busy })
    };
    mongo.run(REQUEST_TIMEOUT, work).await
}

fn claimed(notification: &Notification) -> Document {
    let mut fields = doc! {
        "kind": notification.template.kind(),
        "channel": notification.channel.kind(),
        "status": "sending",
        "at": clock::now(),
    };
    if let Some(user) = &notification.user_id {
        fields.insert("userId", user);
    }
    fields
}

/// Whether an SMS may go to its number: a code may, since that is how a number is proved; anything else, if the account
/// has proved that the number is its own (`usage::alerts::preferences` keeps that).
pub(super) async fn is_to_a_proved_number(mongo: &Mongo, notification: &Notification) -> Result<bool, mongo::Error> {
    let Channel::Sms { to } = &notification.channel else { return Ok(true) };
    if matches!(notification.template.class(), Class::Code | Class::Proof) {
        return Ok(true);
    }
    let Some(user) = &notification.user_id else { return Ok(false) };
    let proved = doc! {
        "_id": user,
        "notificationPreferences.phoneNumber": to,
        "notificationPreferences.phoneNumberProved": true,
    };
    let find = async |database: Database| database.collection::<Document>("users").count_documents(proved).await;
    Ok(mongo.run(REQUEST_TIMEOUT, find).await? == 1)
}

/// Forgets the link of a message that nobody gets: it counts among those that are on their way, and would keep the next
/// one back.
pub(super) async fn forget_link(mongo: &Mongo, notification: &Notification) {
    let collection = match notification.template {
        Template::PasswordReset { .. } | Template::AddressTaken { .. } => "password_resets",
        Template::SignUp { .. } => "sign_ups",
        _ => return,
    };
    let link = doc! {"_id": &notification.id};
    let delete = async |database: Database| database.collection::<Document>(collection).delete_one(link).await;
    if let Err(error) = mongo.run(REQUEST_TIMEOUT, delete).await {
        tracing::warn!(id = notification.id, %error, "a link that was not sent counts until it expires");
    }
}

/// Writes down what became of a notification that was ours: sent, or failed and why.
pub(super) async fn finish(mongo: &Mongo, id: &str, outcome: Result<(), &str>) -> Result<(), mongo::Error> {
    let fields = match outcome {
        Ok(()) => doc! {"status": "sent"},
        Err(error) => doc! {"status": "failed", "error": error},
    };
    let work =
        async |database: Database| collection(&database).update_one(doc! {"_id": id}, doc! {"$set": fields}).await;
    mongo.run(REQUEST_TIMEOUT, work).await.map(drop)
}

fn collection(database: &Database) -> Collection<Document> {
    database.collection("notifications")
}
