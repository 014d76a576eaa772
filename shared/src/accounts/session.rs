//! Sessions: a family of refresh tokens, each good for one use.
//!
//! A refresh token is kept as a hash, and replaced at each use. One that comes a second time was
//! stolen, or its replacement was: the whole family ends.

use bson::{DateTime, Document, doc};
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    Account, Principal, Profile, Status, Users,
    token::{ACCESS_S, AccessClaims, Tokens},
};
use crate::{
    clock,
    http::{Caller, Problem},
    id, keys,
    mongo::{self, Mongo, REQUEST_LIMIT},
};

/// How long a session lasts without being used.
const REFRESH_DAYS: i64 = 30;

/// `sessions`: one use of one family.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    #[serde(rename = "_id")]
    id: String,
    user_id: String,
    family_id: String,
    refresh_hash: String,
    #[serde(rename = "sessionVersion")]
    version: i64,
    /// When a second factor was shown, Unix seconds.
    mfa_at: Option<i64>,
    user_agent: String,
    ip: String,
    created_at: DateTime,
    expires_at: DateTime,
    /// When it was exchanged for the next one.
    used_at: Option<DateTime>,
}

/// What a sign-in gives.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    /// For the header `Authorization: Bearer …`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds that the access token counts.
    pub expires_in: i64,
    /// Good for one use at `/api/auth/refresh`.
    pub refresh_token: String,
    /// RFC 3339.
    pub refresh_expires_at: String,
    /// Who signed in.
    pub user: Profile,
}

/// A refresh token that was used before.
#[derive(Debug)]
pub struct Reused {
    /// Whose.
    pub user_id: String,
    /// The session that ended for it.
    pub family_id: String,
}

/// What became of a refresh.
pub enum Refreshed {
    /// New tokens.
    Done(Box<SignedIn>),
    /// Unknown, expired, or of a session that ended.
    Refused,
    /// Used before: the session is over.
    Reused(Reused),
}

/// The collection `sessions`, and the tokens that come of it.
pub struct Sessions {
    mongo: Mongo,
    tokens: Tokens,
}

impl Sessions {
    /// Uses the environment's client.
    pub fn new(mongo: Mongo, tokens: Tokens) -> Self {
        Self { mongo, tokens }
    }

    /// The tokens that sessions are made of.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// A new session; `mfa_at` when a second factor was shown (Unix seconds).
    pub async fn open(
        &self,
        account: &Account,
        caller: &Caller,
        mfa_at: Option<i64>,
    ) -> Result<SignedIn, mongo::Error> {
        self.issue(account, caller, id::new(), mfa_at).await
    }

    /// Exchanges a refresh token. Of several at once, one is served and the others end the session:
    /// a token is good for one use.
    pub async fn refresh(
        &self,
        users: &Users,
        token: &SecretString,
        caller: &Caller,
    ) -> Result<Refreshed, mongo::Error> {
        let hash = hash(token);
        let now = clock::to_bson(clock::now());
        let unused = doc! {"refreshHash": &hash, "usedAt": null, "expiresAt": {"$gt": now}};
        let use_it = async |database: Database| {
            collection(&database).find_one_and_update(unused, doc! {"$set": {"usedAt": now}}).await
        };
        let Some(session) = self.mongo.run(REQUEST_LIMIT, use_it).await? else {
            return self.refuse(users, &hash).await;
        };
        let account = users.find(&session.user_id).await?.filter(|account| {
            account.status == Status::Active
                && account.session_version == session.version
                && !account.ended_sessions.contains(&session.family_id)
        });
        let Some(account) = account else { return Ok(Refreshed::Refused) };
        let signed_in = self.issue(&account, caller, session.family_id, session.mfa_at).await?;
        Ok(Refreshed::Done(Box::new(signed_in)))
    }

    /// A new access token of the same session, with the time of the second factor shown just now.
    pub async fn step_up(&self, principal: &Principal) -> Result<String, mongo::Error> {
        let (now, family) = (clock::now(), principal.session_id.clone());
        let update = doc! {"$set": {"mfaAt": now.as_second()}};
        let set = async |database| collection(&database).update_many(doc! {"familyId": &family}, update).await;
        self.mongo.run(REQUEST_LIMIT, set).await?;
        Ok(self.tokens.access(claims(&principal.account, family.clone(), Some(now.as_second())), now))
    }

    /// Ends one session.
    pub async fn end(&self, users: &Users, user_id: &str, family_id: &str) -> Result<(), mongo::Error> {
        users.end_session(user_id, family_id).await?;
        self.delete(doc! {"userId": user_id, "familyId": family_id}).await
    }

    /// Deletes every session of an account whose session version has just moved on.
    pub async fn forget_all(&self, user_id: &str) -> Result<(), mongo::Error> {
        self.delete(doc! {"userId": user_id}).await
    }

    async fn refuse(&self, users: &Users, hash: &str) -> Result<Refreshed, mongo::Error> {
        let used = doc! {"refreshHash": hash, "usedAt": {"$ne": null}};
        let used = async |database| collection(&database).find_one(used).await;
        let Some(session) = self.mongo.run(REQUEST_LIMIT, used).await? else { return Ok(Refreshed::Refused) };
        self.end(users, &session.user_id, &session.family_id).await?;
        Ok(Refreshed::Reused(Reused { user_id: session.user_id, family_id: session.family_id }))
    }

    async fn issue(
        &self,
        account: &Account,
        caller: &Caller,
        family_id: String,
        mfa_at: Option<i64>,
    ) -> Result<SignedIn, mongo::Error> {
        let now = clock::now();
        let expires = now + SignedDuration::from_hours(24 * REFRESH_DAYS);
        let refresh_token = SecretString::from(format!("rt_{}", keys::random_text()));
        let session = Session {
            id: id::new(),
            user_id: account.id.clone(),
            family_id: family_id.clone(),
            refresh_hash: hash(&refresh_token),
            version: account.session_version,
            mfa_at,
            user_agent: caller.user_agent.clone(),
            ip: caller.source_ip.clone(),
            created_at: clock::to_bson(now),
            expires_at: clock::to_bson(expires),
            used_at: None,
        };
        self.mongo.run(REQUEST_LIMIT, async |database| collection(&database).insert_one(&session).await).await?;
        Ok(SignedIn {
            access_token: self.tokens.access(claims(account, family_id, mfa_at), now),
            token_type: "Bearer",
            expires_in: ACCESS_S,
            refresh_token: refresh_token.expose_secret().to_owned(),
            refresh_expires_at: clock::rfc3339(expires),
            user: Profile::from(account),
        })
    }

    async fn delete(&self, filter: Document) -> Result<(), mongo::Error> {
        self.mongo.run(REQUEST_LIMIT, async |database| collection(&database).delete_many(filter).await).await.map(drop)
    }
}

fn claims(account: &Account, sid: String, mfa: Option<i64>) -> AccessClaims {
    let (role, org) = (account.role, account.organization_id.clone());
    AccessClaims { sub: account.id.clone(), sid, role, org, mfa, ver: account.session_version }
}

/// 256 random bits need no salt and no slow hash.
fn hash(token: &SecretString) -> String {
    Sha256::digest(token.expose_secret()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn collection(database: &Database) -> Collection<Session> {
    database.collection("sessions")
}

/// 401: whatever was wrong with a token, the caller signs in again.
pub fn sign_in_again() -> Problem {
    Problem::unauthorized("The token does not count (any more): sign in again.")
}
