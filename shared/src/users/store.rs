//! The collection `users`, and the look-up that keeps requests away from it.

use std::sync::Arc;

use bson::{Document, doc};
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{Collection, Database, options::ReturnDocument};

use super::{ACCESS_S, Account, AccountStatus, Email, EmailAttempt, MfaRecord, User};
use crate::{
    cache::{Cache, Lookup},
    clock, id,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    plans::Plan,
    roles::Role,
};

/// Accounts. Every change goes through here, so that no cached copy survives it.
pub struct Users {
    mongo: Mongo,
    lookup: Lookup<Account>,
}

impl Users {
    pub fn new(mongo: Mongo, cache: Cache) -> Self {
        Self { mongo, lookup: Lookup::new("user", cache) }
    }

    /// The account with this id, from the nearest place that has it.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<Account>>, mongo::Error> {
        let load = async || Ok(self.load(doc! {"_id": id}).await?.map(Account::from));
        self.lookup.get(id, load).await
    }

    /// As [`Users::find`], at this session version or a later one: a token that was signed for a later version than a
    /// copy has tells that the copy is old.
    pub async fn find_at_least(&self, id: &str, version: i64) -> Result<Option<Arc<Account>>, mongo::Error> {
        let account = self.find(id).await?;
        if account.as_ref().is_none_or(|account| account.session_version >= version) {
            return Ok(account);
        }
        self.lookup.forget(id).await;
        self.find(id).await
    }

    /// The stored account with this id.
    pub async fn stored(&self, id: &str) -> Result<Option<User>, mongo::Error> {
        self.load(doc! {"_id": id}).await
    }

    /// The stored accounts with this address, the one under the likeliest spelling first: there may be several from
    /// before addresses had one form.
    pub async fn by_email(&self, email: &EmailAttempt) -> Result<Vec<User>, mongo::Error> {
        let spellings = email.spellings().to_vec();
        let find = async move |database: Database| {
            let found = collection(&database).find(doc! {"email": {"$in": &spellings}}).await?;
            let mut users: Vec<User> = found.try_collect().await?;
            users.sort_by_key(|user| spellings.iter().position(|spelling| *spelling == user.email));
            Ok(users)
        };
        self.mongo.run(REQUEST_TIMEOUT, find).boxed().await
    }

    /// A new account; `None` when the address is taken, which the unique index decides.
    pub async fn create(&self, email: &Email, name: &str, password_hash: String) -> Result<Option<User>, mongo::Error> {
        // Accounts under another spelling are of before: no two requests at once make one.
        let spelled = EmailAttempt::parse(email.as_str()).filter(|email| email.spellings().len() > 1);
        if let Some(spelled) = spelled
            && !self.by_email(&spelled).await?.is_empty()
        {
            return Ok(None);
        }
        let user = User {
            id: id::new(),
            email: email.as_str().to_owned(),
            name: name.to_owned(),
            password_hash: Some(password_hash),
            role: Role::User,
            plan: Plan::default(),
            organization_id: None,
            status: AccountStatus::Active,
            session_version: 0,
            ended_sessions: Vec::new(),
            mfa: MfaRecord::default(),
            created_at: clock::now(),
            last_login_at: None,
            password_reset_at: None,
        };
        let insert = async |database| collection(&database).insert_one(&user).await;
        match self.mongo.run(REQUEST_TIMEOUT, insert).await {
            Ok(_) => Ok(Some(user)),
            Err(error) if error.is_duplicate() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes a sign-in, and keeps `better_hash` instead of the one that was checked. Nothing when the password is
    /// another one by now: the sign-in's tokens are of a session version that is over.
    pub async fn signed_in(&self, user: &User, better_hash: Option<String>) -> Result<(), mongo::Error> {
        let mut set = doc! {"lastLoginAt": clock::now()};
        if let Some(hash) = better_hash {
            set.insert("passwordHash", hash);
        }
        let checked = doc! {"_id": &user.id, "passwordHash": &user.password_hash};
        self.run(&user.id, checked, doc! {"$set": set}, false).await.map(drop)
    }

    /// A new password of somebody who proved the mailbox; every session ends. `None` when the account is gone.
    pub async fn reset_password(&self, id: &str, password_hash: String) -> Result<Option<User>, mongo::Error> {
        let mut update = new_password(password_hash);
        update.insert("$max", doc! {"passwordResetAt": clock::now()});
        self.change(id, update).await
    }

    /// A new password, in place of the one whose hash was checked; every session ends. `None` when it is another one
    /// by now.
    pub async fn replace_password(
        &self,
        id: &str,
        checked_hash: &str,
        password_hash: String,
    ) -> Result<Option<User>, mongo::Error> {
        self.change_if(id, doc! {"passwordHash": checked_hash}, new_password(password_hash)).await
    }

    /// One session ends: its access tokens count no longer.
    pub async fn end_session(&self, id: &str, session: &str) -> Result<(), mongo::Error> {
        let now = clock::now();
        let old = now - jiff::SignedDuration::from_secs(ACCESS_S + 60);
        let ended = doc! {"id": session, "at": now};
        // What is old goes with the same update, so that the list stays as short as a quarter of an hour.
        let keep =
            doc! {"$filter": {"input": {"$ifNull": ["$endedSessions", []]}, "cond": {"$gt": ["$$this.at", old]}}};
        let update = vec![doc! {"$set": {"endedSessions": {"$concatArrays": [keep, [ended]]}}}];
        let set = async |database| collection(&database).update_one(doc! {"_id": id}, update).await;
        let outcome = self.mongo.run(REQUEST_TIMEOUT, set).await;
        // A failure may have ended it all the same: only the answer was lost.
        self.lookup.forget(id).await;
        outcome.map(drop)
    }

    /// Changes an account; returns it as it is now, or `None` when there is none.
    pub async fn change(&self, id: &str, update: Document) -> Result<Option<User>, mongo::Error> {
        self.run(id, doc! {"_id": id}, update, true).await
    }

    /// As [`Users::change`], if the account also matches `guard`: how races are decided.
    pub async fn change_if(&self, id: &str, guard: Document, update: Document) -> Result<Option<User>, mongo::Error> {
        let mut filter = doc! {"_id": id};
        filter.extend(guard);
        self.run(id, filter, update, true).await
    }

    /// To be called after a change that was made elsewhere, such as in a transaction, and after one that failed: it may
    /// be made all the same.
    pub async fn changed(&self, id: &str) {
        self.lookup.forget(id).await;
    }

    async fn run(
        &self,
        id: &str,
        filter: Document,
        update: Document,
        visible: bool,
    ) -> Result<Option<User>, mongo::Error> {
        let change = async |database: Database| {
            collection(&database).find_one_and_update(filter, update).return_document(ReturnDocument::After).await
        };
        let outcome = self.mongo.run(REQUEST_TIMEOUT, change).await;
        // A failure may have changed it all the same: only the answer was lost.
        if visible && !matches!(outcome, Ok(None)) {
            self.lookup.forget(id).await;
        }
        outcome
    }

    /// Boxed: every guarded handler holds this future, and the driver's within it is large.
    fn load(&self, filter: Document) -> BoxFuture<'_, Result<Option<User>, mongo::Error>> {
        let find = async move |database| collection(&database).find_one(filter).await;
        self.mongo.run(REQUEST_TIMEOUT, find).boxed()
    }
}

fn new_password(hash: String) -> Document {
    doc! {"$set": {"passwordHash": hash}, "$inc": {"sessionVersion": 1}}
}

/// `users`.
pub(super) fn collection(database: &Database) -> Collection<User> {
    database.collection("users")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mongo::{Lifetime, MongoSettings};
    use serde_json::json;

    #[tokio::test]
    async fn no_copy_outlives_a_change_that_may_have_been_made() {
        let nowhere = MongoSettings::new("mongodb://127.0.0.1:1/?directConnection=true".to_owned(), "test");
        let users = Users::new(Mongo::new(nowhere, Lifetime::Environment), Cache::in_process());
        let account: Account = serde_json::from_value(json!({
            "id": "u", "email": "", "name": "", "role": "user", "plan": "free", "status": "active", "sessionVersion": 0,
            "endedSessions": [], "mfaEnabled": false, "createdAtMs": 0,
        }))
        .expect("an account");
        users.lookup.get("u", async || Ok::<_, mongo::Error>(Some(account))).await.expect("at hand");
        assert!(users.find("u").await.expect("a copy").is_some());
        assert!(users.reset_password("u", "hash".into()).await.is_err());
        assert!(users.find("u").await.is_err(), "the store is asked, which is away");
    }
}
