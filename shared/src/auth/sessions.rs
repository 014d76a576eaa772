//! Sessions: a family of refresh tokens, each good for one use.
//!
//! A refresh token is kept as a hash, and replaced at each use. One that comes a second time was
//! stolen, or its replacement was: the whole family ends.

use bson::{Document, doc};
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Principal,
    tokens::{AccessClaims, Tokens, sign_in_again},
};
use crate::{
    clock::{self, Moment},
    http::{ClientInfo, Problem},
    id, keys,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    users::{ACCESS_S, Account, AccountStatus, Profile, Users},
};

/// How long a session lasts without being used.
const REFRESH_DAYS: i64 = 30;
/// How long it lasts however much it is used: then the password is asked for again.
const SESSION_DAYS: i64 = 90;

/// `sessions`: one use of one family.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    #[serde(rename = "_id")]
    id: String,
    user_id: String,
    family_id: String,
    /// When the family began. Sessions stored without it count from their own beginning.
    family_since: Option<Moment>,
    refresh_hash: String,
    #[serde(rename = "sessionVersion")]
    version: i64,
    /// When a second factor was shown, Unix seconds.
    mfa_at: Option<i64>,
    user_agent: String,
    ip: String,
    created_at: Moment,
    expires_at: Moment,
    /// When it was exchanged for the next one.
    used_at: Option<Moment>,
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
    /// Until when it is.
    pub refresh_expires_at: Moment,
    /// Who signed in.
    pub user: Profile,
}

/// Why a refresh token gives no new tokens.
#[derive(Debug)]
pub enum RefreshError {
    /// Unknown, expired, or of a session that ended: whose it was, where that is known.
    Refused(Option<String>),
    /// Used before: the session ended for it.
    Reused {
        user_id: String,
        family_id: String,
    },
    Store(mongo::Error),
}

impl From<mongo::Error> for RefreshError {
    fn from(error: mongo::Error) -> Self {
        Self::Store(error)
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused(_) | RefreshError::Reused { .. } => sign_in_again(),
            RefreshError::Store(error) => error.into(),
        }
    }
}

/// The collection `sessions`, and the tokens that come of it.
pub struct Sessions {
    mongo: Mongo,
    tokens: Tokens,
}

impl Sessions {
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
        client: &ClientInfo,
        mfa_at: Option<i64>,
    ) -> Result<SignedIn, mongo::Error> {
        let (token, now) = (new_token(), clock::now());
        let session = Session {
            id: id::new(),
            user_id: account.id.clone(),
            family_id: id::new(),
            family_since: Some(now),
            refresh_hash: keys::sha256(token.expose_secret()),
            version: account.session_version,
            mfa_at,
            user_agent: client.user_agent.clone(),
            ip: client.source_ip.clone(),
            created_at: now,
            expires_at: expiry(now, now),
            used_at: None,
        };
        self.insert(&session).await?;
        Ok(self.signed_in(account, &session, &token))
    }

    /// Exchanges a refresh token. Of several at once, one is served and the others end the session:
    /// a token is good for one use.
    pub async fn refresh(
        &self,
        users: &Users,
        token: &SecretString,
        client: &ClientInfo,
    ) -> Result<SignedIn, RefreshError> {
        let (hash, now) = (keys::sha256(token.expose_secret()), clock::now());
        let unused = doc! {"refreshHash": &hash, "usedAt": null, "expiresAt": {"$gt": now}};
        let use_it = async |database: Database| {
            let mark = doc! {"$set": {"usedAt": now}};
            collection(&database).find_one_and_update(unused, mark).await
        };
        let Some(used) = self.mongo.run(REQUEST_TIMEOUT, use_it).await? else {
            return Err(self.refusal(users, &hash).await?);
        };
        let token = new_token();
        let session = used.successor(&token, client, now);
        self.insert(&session).await?;
        // From the store, and after the insert: an end of the session since the token was marked is seen here, or sees
        // the new row.
        let account = users.stored(&session.user_id).await?.map(Account::from).filter(|account| session.is_of(account));
        let Some(account) = account else {
            self.delete(doc! {"familyId": &session.family_id}).await?;
            return Err(RefreshError::Refused(Some(session.user_id)));
        };
        Ok(self.signed_in(&account, &session, &token))
    }

    /// A new access token of the same session, with the time of the second factor shown just now.
    pub async fn step_up(&self, principal: &Principal) -> Result<String, mongo::Error> {
        let (now, family) = (clock::now(), principal.session_id.clone());
        let update = doc! {"$set": {"mfaAt": now.as_second()}};
        let set = async |database| collection(&database).update_many(doc! {"familyId": &family}, update).await;
        self.mongo.run(REQUEST_TIMEOUT, set).await?;
        Ok(self.tokens.access(claims(&principal.account, family.clone(), Some(now.as_second())), now))
    }

    pub async fn end(&self, users: &Users, user_id: &str, family_id: &str) -> Result<(), mongo::Error> {
        // The live row first, so that half of this ends the session too; the used ones last, since they tell a reuse.
        // The account is told in between: a refresh that puts its row too late for the last deletion reads it there.
        self.delete(doc! {"familyId": family_id, "userId": user_id, "usedAt": null}).await?;
        users.end_session(user_id, family_id).await?;
        self.delete(doc! {"familyId": family_id, "userId": user_id}).await
    }

    /// Deletes every session of an account whose session version has just moved on. When that fails it is logged, and
    /// no error: they count no more, deleted or not.
    pub async fn forget_all(&self, user_id: &str) {
        if let Err(error) = self.delete(doc! {"userId": user_id}).await {
            tracing::warn!(user_id, %error, "sessions that are over stay in the store until they expire");
        }
    }

    async fn refusal(&self, users: &Users, hash: &str) -> Result<RefreshError, mongo::Error> {
        let known = async |database| collection(&database).find_one(doc! {"refreshHash": hash}).await;
        let Some(session) = self.mongo.run(REQUEST_TIMEOUT, known).await? else {
            return Ok(RefreshError::Refused(None));
        };
        if session.used_at.is_none() {
            return Ok(RefreshError::Refused(Some(session.user_id)));
        }
        self.end(users, &session.user_id, &session.family_id).await?;
        Ok(RefreshError::Reused { user_id: session.user_id, family_id: session.family_id })
    }

    async fn insert(&self, session: &Session) -> Result<(), mongo::Error> {
        self.mongo
            .run(REQUEST_TIMEOUT, async |database| collection(&database).insert_one(session).await)
            .await
            .map(drop)
    }

    fn signed_in(&self, account: &Account, session: &Session, token: &SecretString) -> SignedIn {
        let claims = claims(account, session.family_id.clone(), session.mfa_at);
        SignedIn {
            access_token: self.tokens.access(claims, session.created_at),
            token_type: "Bearer",
            expires_in: ACCESS_S,
            refresh_token: token.expose_secret().to_owned(),
            refresh_expires_at: session.expires_at,
            user: Profile::from(account),
        }
    }

    async fn delete(&self, filter: Document) -> Result<(), mongo::Error> {
        self.mongo
            .run(REQUEST_TIMEOUT, async |database| collection(&database).delete_many(filter).await)
            .await
            .map(drop)
    }
}

impl Session {
    /// The family's next use.
    fn successor(self, token: &SecretString, client: &ClientInfo, now: Moment) -> Self {
        let since = self.family_since.unwrap_or(self.created_at);
        Self {
            id: id::new(),
            family_since: Some(since),
            refresh_hash: keys::sha256(token.expose_secret()),
            user_agent: client.user_agent.clone(),
            ip: client.source_ip.clone(),
            created_at: now,
            expires_at: expiry(since, now),
            used_at: None,
            ..self
        }
    }

    /// Whether the account, as it is now, still has this session, and the session has time left.
    fn is_of(&self, account: &Account) -> bool {
        self.expires_at > self.created_at
            && account.status == AccountStatus::Active
            && account.session_version == self.version
            && !account.ended_sessions.contains(&self.family_id)
    }
}

/// When a token that is made now ends, in a session since `since`.
fn expiry(since: Moment, now: Moment) -> Moment {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    (now + days(REFRESH_DAYS)).min(since + days(SESSION_DAYS))
}

fn new_token() -> SecretString {
    SecretString::from(format!("rt_{}", keys::random_text()))
}

fn claims(account: &Account, sid: String, mfa: Option<i64>) -> AccessClaims {
    let (role, org) = (account.role, account.organization_id.clone());
    AccessClaims { sub: account.id.clone(), sid, role, org, mfa, ver: account.session_version }
}

fn collection(database: &Database) -> Collection<Session> {
    database.collection("sessions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn session(more: &Value) -> Session {
        let mut session = json!({
            "_id": "1", "userId": "u", "familyId": "f", "refreshHash": "h", "sessionVersion": 3, "userAgent": "", "ip": "",
            "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-31T00:00:00Z",
        });
        session.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(session).expect("a session")
    }

    fn account(more: &Value) -> Account {
        let mut account = json!({
            "id": "u", "email": "", "name": "", "role": "user", "plan": "free", "status": "active", "sessionVersion": 3,
            "endedSessions": ["another"], "mfaEnabled": false, "createdAtMs": 0,
        });
        account.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(account).expect("an account")
    }

    #[test]
    fn however_much_it_is_used_a_session_ends_90_days_after_its_sign_in() {
        let day = |text: &str| -> Moment { format!("{text}T00:00:00Z").parse().expect("an instant") };
        let next = |session: Session, at| session.successor(&new_token(), &ClientInfo::default(), day(at));
        let (second, third) = (next(session(&json!({})), "2026-01-20"), next(session(&json!({})), "2026-01-30"));
        assert_eq!(second.expires_at, day("2026-02-19"), "30 days unused");
        assert_eq!(second.family_since, third.family_since, "without it, from its own beginning");
        let last = next(session(&json!({"familySince": "2025-11-01T00:00:00Z"})), "2026-01-29");
        assert_eq!(last.expires_at, day("2026-01-30"));
        assert!(last.is_of(&account(&json!({}))) && !next(last, "2026-01-30").is_of(&account(&json!({}))));
    }

    #[test]
    fn an_account_that_changed_or_ended_a_session_has_it_no_more() {
        let session = session(&json!({}));
        assert!(session.is_of(&account(&json!({}))));
        for change in [json!({"sessionVersion": 4}), json!({"endedSessions": ["f"]}), json!({"status": "suspended"})] {
            assert!(!session.is_of(&account(&change)), "{change}");
        }
    }

    #[test]
    fn a_session_expires() {
        crate::schema::tests::assert_expires("sessions", &session(&json!({})));
    }
}
