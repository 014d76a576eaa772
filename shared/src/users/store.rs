//! The collection `users`, and the look-up that keeps requests away from it.

use std::sync::Arc;

use bson::{Document, doc};
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{Collection, Database, options::ReturnDocument};

use super::{ACCESS_S, Account, AccountStatus, Email, EmailAttempt, FACTOR_RESET_LIFE, MfaRecord, User};
use crate::{
    cache::{Cache, Lookup},
    clock::{self, Moment},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    plans::Plan,
    roles::Role,
};

/// An account with a new password that its owner chose behind a mailed link.
pub struct PasswordReset {
    pub user: User,
    /// Whether nobody had proved the address before.
    pub is_first_proof: bool,
}

/// An account to be made.
pub struct NewUser<'a> {
    pub id: &'a str,
    pub email: &'a Email,
    pub name: &'a str,
    /// None where somebody else checks the password.
    pub password_hash: Option<String>,
    /// Whether its owner followed a link that was mailed to the address.
    pub is_proved: bool,
}

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

    /// A new account; `None` when the address is taken, or the id, which unique indexes decide.
    pub async fn create(&self, new: NewUser<'_>) -> Result<Option<User>, mongo::Error> {
        let NewUser { id, email, name, password_hash, is_proved } = new;
        // Accounts under another spelling are of before: no two requests at once make one.
        let spelled = EmailAttempt::parse(email.as_str()).filter(|email| email.spellings().len() > 1);
        if let Some(spelled) = spelled
            && !self.by_email(&spelled).await?.is_empty()
        {
            return Ok(None);
        }
        let user = User {
            id: id.to_owned(),
            email: email.as_str().to_owned(),
            name: name.to_owned(),
            password_hash,
            role: Role::User,
            plan: Plan::default(),
            organization_id: None,
            status: AccountStatus::Active,
            suspended_by: None,
            session_version: 0,
            cookies_count_from: None,
            ended_sessions: Vec::new(),
            mfa: MfaRecord::default(),
            created_at: clock::now(),
            email_verified_at: is_proved.then(clock::now),
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

    /// Whether there was an account with this id of which something may be left (see [`crate::leaving`]).
    pub async fn is_deleted(&self, id: &str) -> Result<bool, mongo::Error> {
        let deletions = doc! {"_id": id};
        let find = async |database: Database| {
            database.collection::<Document>("account_deletions").count_documents(deletions).await
        };
        Ok(self.mongo.run(REQUEST_TIMEOUT, find).await? > 0)
    }

    /// Notes a sign-in, and keeps `better_hash` instead of the one that was checked. False when the account is another
    /// one by now: with another password, or another factor.
    pub async fn signed_in(&self, user: &User, better_hash: Option<String>) -> Result<bool, mongo::Error> {
        let mut set = doc! {"lastLoginAt": clock::now()};
        if let Some(hash) = better_hash {
            set.insert("passwordHash", hash);
        }
        let method = bson::serialize_to_bson(&user.mfa.method).unwrap_or_default();
        let mut checked = doc! {"_id": &user.id, "sessionVersion": user.session_version, "mfa.method": method};
        if user.session_version == 0 {
            // An imported account has none.
            checked.insert("sessionVersion", doc! {"$in": [0_i64, null]});
        }
        Ok(self.run(&user.id, checked, doc! {"$set": set}, false).await?.is_some())
    }

    /// A new password of somebody who proved the mailbox; every session ends. If nobody proved it before, whoever made
    /// the account may have been a stranger: its factor and where its alerts go are taken off, too. `None` when the account is gone.
    pub async fn reset_password(&self, id: &str, password_hash: String) -> Result<Option<PasswordReset>, mongo::Error> {
        let now = clock::now();
        let mut update = new_password(password_hash);
        update.insert("$max", doc! {"passwordResetAt": now});
        let mut first = update.clone();
        let fields = update.get_document_mut("$set").ok();
        // Whoever stopped the factor by guessing did so with the password of before.
        fields.map(|set| set.insert("mfa.failures", 0));
        first.get_document_mut("$set").ok().map(|set| set.insert("emailVerifiedAt", now));
        first.insert("$unset", doc! {"mfa": "", "notificationPreferences": ""});
        if let Some(user) = self.change_if(id, doc! {"emailVerifiedAt": null}, first).await? {
            return Ok(Some(PasswordReset { user, is_first_proof: true }));
        }
        Ok(self.change(id, update).await?.map(|user| PasswordReset { user, is_first_proof: false }))
    }

    /// Notes that the address is proved, and when it first was; `None` when the account is gone.
    pub async fn prove_email(&self, id: &str) -> Result<Option<User>, mongo::Error> {
        let update = doc! {"$set": {"emailVerifiedAt": clock::now()}};
        match self.change_if(id, doc! {"emailVerifiedAt": null}, update).await? {
            Some(user) => Ok(Some(user)),
            None => self.stored(id).await,
        }
    }

    /// Takes the factor off that its owner has lost, once the wait for it is over and for [`FACTOR_RESET_LIFE`] from
    /// then; every session ends. `None` when there is no such factor, and for an administrator, who may have become one
    /// meanwhile.
    pub async fn take_lost_factor(&self, id: &str) -> Result<Option<User>, mongo::Error> {
        let now = clock::now();
        let due = doc! {
            "mfa.resetAt": {"$lte": now, "$gt": now - FACTOR_RESET_LIFE},
            "role": {"$nin": Role::ALL.iter().filter(|role| role.is_administrator()).map(|role| role.name()).collect::<Vec<_>>()},
        };
        self.change_if(id, due, ending_every_session(doc! {"$unset": {"mfa": ""}})).await
    }

    /// Every session ends: their access tokens count no longer, nor does a factor's reset that was begun. `None` when the
    /// account is gone.
    pub async fn end_every_session(&self, id: &str) -> Result<Option<User>, mongo::Error> {
        self.change(id, ending_every_session(doc! {"$unset": {"mfa.resetAt": ""}})).await
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

    /// The front end's sessions end: cookies from before count no longer. One of the same second does, since a cookie says
    /// no more of when it was made: its owner may have signed in anew already.
    pub async fn end_front_end_sessions(&self, id: &str) -> Result<(), mongo::Error> {
        let second = Moment::from_millisecond(clock::now().as_second() * 1000);
        self.change(id, doc! {"$set": {"cookiesCountFrom": second}}).await.map(drop)
    }

    /// These sessions end: their access tokens count no longer.
    pub async fn end_sessions(&self, id: &str, sessions: &[String]) -> Result<(), mongo::Error> {
        let now = clock::now();
        let old = now - jiff::SignedDuration::from_secs(ACCESS_S + 60);
        let ended: Vec<Document> = sessions.iter().map(|session| doc! {"id": session, "at": now}).collect();
        // What is old goes with the same update, so that the list stays as short as a quarter of an hour.
        let keep =
            doc! {"$filter": {"input": {"$ifNull": ["$endedSessions", []]}, "cond": {"$gt": ["$$this.at", old]}}};
        let update = vec![doc! {"$set": {"endedSessions": {"$concatArrays": [keep, ended]}}}];
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

/// With a new password every session ends, and a factor's reset that was begun with the one before.
fn new_password(hash: String) -> Document {
    ending_every_session(doc! {"$set": {"passwordHash": hash}, "$unset": {"mfa.resetAt": ""}})
}

/// `update`, with which every session ends: our tokens by their version, cookies of the front end by their age.
pub(super) fn ending_every_session(mut update: Document) -> Document {
    update.insert("$inc", doc! {"sessionVersion": 1});
    let mut set = update.get_document("$set").cloned().unwrap_or_default();
    set.insert("cookiesCountFrom", clock::now());
    update.insert("$set", set);
    update
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
        let users = Users::new(Mongo::new(nowhere, Lifetime::FromFirstUse), Cache::in_process());
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
