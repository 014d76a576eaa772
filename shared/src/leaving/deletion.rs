//! The end of an account, as its owner asks for it.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};

use crate::{
    audit::{Action, AuditEvent, AuditLog},
    auth::sign_in_again,
    clock::{self, Moment},
    http::{ClientInfo, Problem},
    keys,
    mongo::{self, Mongo, REQUEST_TIMEOUT, WORK_TIMEOUT},
    roles::Role,
    users::{Account, Users, admin::is_last_super_admin},
};

/// Longer than a dead-letter queue holds what may still come of the account, and than a front end's session from before
/// counts for somebody new (`auth::guard`).
const KEPT: SignedDuration = SignedDuration::from_hours(32 * 24);

/// `account_deletions`: an account that is gone, while something of it may be left.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deletion {
    #[serde(rename = "_id")]
    pub account_id: String,
    /// In the place of the account's id where something stays: it is in no other document, and goes with this one.
    pub pseudonym: String,
    asked_at: Moment,
    due_at: Moment,
    expires_at: Moment,
}

/// Ends accounts.
pub struct Deletions {
    mongo: Mongo,
    audit_log: AuditLog,
}

impl Deletions {
    pub fn new(mongo: Mongo, audit_log: AuditLog) -> Self {
        Self { mongo, audit_log }
    }

    /// Removes the account of the caller, without which no session or key of it counts; the rest is erased in the
    /// background. The audit log has it, or nothing was done. 409 for the last active super admin.
    pub async fn delete(&self, users: &Users, client: &ClientInfo, account: &Account) -> Result<(), Problem> {
        self.audit_log.pay_ahead(&account.payer()).await?;
        let now = clock::now();
        let deletion = Deletion {
            account_id: account.id.clone(),
            pseudonym: format!("deleted-{}", keys::hex(&keys::random::<8>())),
            asked_at: now,
            due_at: now,
            expires_at: now + KEPT,
        };
        let (audit_log, client, role) = (self.audit_log.clone(), client.clone(), account.role);
        let event = AuditEvent::new(Action::AccountDeleted).by(account).on("user", &account.id);
        let work = async move |database: Database| {
            let mut session = database.client().start_session().await?;
            let work = async move |session: &mut ClientSession| {
                let users = database.collection::<Document>("users");
                if role == Role::SuperAdmin && is_last_super_admin(&database, session, &deletion.account_id).await? {
                    return Ok(Outcome::LastSuperAdmin);
                }
                let own = doc! {"_id": &deletion.account_id};
                if users.delete_one(own.clone()).session(&mut *session).await?.deleted_count == 0 {
                    return Ok(Outcome::Gone);
                }
                collection(&database).insert_one(&deletion).session(&mut *session).await?;
                audit_log.record_with(&mut *session, &database, &client, event.clone()).await?;
                Ok(Outcome::Done)
            };
            session.start_transaction().and_run2(work).await
        };
        let outcome = self.mongo.run(REQUEST_TIMEOUT, work).await;
        // A failure may have done it all the same: only the answer was lost.
        users.changed(&account.id).await;
        match outcome? {
            Outcome::Done => Ok(()),
            Outcome::Gone => Err(sign_in_again()),
            Outcome::LastSuperAdmin => {
                Err(Problem::conflict("last_super_admin", "The last active super admin stays: name another one first."))
            }
        }
    }
}

enum Outcome {
    Done,
    Gone,
    LastSuperAdmin,
}

/// Those of which something may be left.
pub(super) async fn due(mongo: &Mongo, at: Moment) -> Result<Vec<Deletion>, mongo::Error> {
    let find = async |database: Database| {
        // Whoever waits longest comes first.
        let due = collection(&database).find(doc! {"dueAt": {"$lte": at}}).sort(doc! {"dueAt": 1}).await?;
        due.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
    };
    Ok(mongo::readable("account_deletions", &mongo.run(WORK_TIMEOUT, find).await?))
}

/// Notes that all was erased, for a day.
pub(super) async fn erased(mongo: &Mongo, deletion: &Deletion, at: Moment) -> Result<(), mongo::Error> {
    let again = doc! {"$set": {"dueAt": at + SignedDuration::from_hours(24)}};
    let id = doc! {"_id": &deletion.account_id};
    mongo.run(WORK_TIMEOUT, async |database| collection(&database).update_one(id, again).await).await.map(drop)
}

fn collection(database: &Database) -> Collection<Deletion> {
    database.collection("account_deletions")
}
