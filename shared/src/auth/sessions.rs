//! Sessions: a family of refresh tokens, each good for one use.
//!
//! A refresh token is kept as a hash, and replaced at each use. Whoever sends it again within seconds, because the
//! answer was lost or from another tab, is given the same replacement again, which follows from the token by a key that
//! the store never sees. One that comes later, or once its replacement is used, was stolen, or its replacement was: the
//! whole family ends.

use std::{collections::BTreeSet, sync::Arc};

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Principal,
    token_keys::AccessClaims,
    tokens::{Tokens, sign_in_again},
};
use crate::{
    clock::{self, Moment},
    http::{ClientInfo, Problem},
    id, keys,
    ledger::{Ledger, Payer},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    schema,
    secrets::{Secret, Unavailable},
    users::{ACCESS_S, Account, AccountStatus, Profile, Users},
};

/// How long a session lasts without being used.
const REFRESH_DAYS: i64 = 30;
/// How long it lasts however much it is used: then the password is asked for again.
const SESSION_DAYS: i64 = 90;
/// Sessions of an account that live at a time: a new one ends the oldest.
const LIVE_PER_ACCOUNT: usize = 20;

/// How long after its use a refresh token gives the same successor again.
const GRACE_S: i64 = 10;

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
    /// When the password or a second factor was shown, Unix seconds. Sessions stored without it count from their
    /// family's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<i64>,
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
    /// After a sign-in: to be kept on this device and sent with its next one, which then no stranger's wrong guesses
    /// keep waiting. It opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    /// Who signed in.
    pub user: Profile,
}

/// A session as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Id.
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it began with a sign-in.
    pub signed_in_at: Moment,
    /// When it was last refreshed, or began.
    pub last_used_at: Moment,
    /// When it ends unless it is used.
    pub expires_at: Moment,
    /// What its client calls itself.
    pub user_agent: String,
    /// The network address that it was last used from.
    pub ip: String,
}

/// An account's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The one that was used last comes first.
    pub sessions: Vec<SessionView>,
}

/// What somebody who is signed in has just shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Password,
    Factor,
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
    /// The account's sessions have filled their day; the token is as good as before.
    Full(Problem),
    Store(mongo::Error),
}

impl From<Unavailable> for RefreshError {
    fn from(error: Unavailable) -> Self {
        Self::Store(error.into())
    }
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
            RefreshError::Full(problem) => problem,
            RefreshError::Store(error) => error.into(),
        }
    }
}

/// The collection `sessions`, and the tokens that come of it.
pub struct Sessions {
    ledger: Ledger,
    mongo: Mongo,
    tokens: Secret<Tokens>,
}

impl Sessions {
    pub fn new(ledger: Ledger, tokens: Secret<Tokens>) -> Self {
        Self { mongo: ledger.mongo().clone(), ledger, tokens }
    }

    /// The tokens that sessions are made of.
    pub async fn tokens(&self) -> Result<Arc<Tokens>, Unavailable> {
        self.tokens.get().await
    }

    /// A new session; `mfa_at` when a second factor was shown (Unix seconds). 429 when the account's sessions have filled
    /// their day.
    pub async fn open(
        &self,
        users: &Users,
        account: &Account,
        client: &ClientInfo,
        mfa_at: Option<i64>,
    ) -> Result<SignedIn, Problem> {
        // First: a session that nobody can be given tokens of is not stored.
        let (tokens, token, now) = (self.tokens.get().await?, Tokens::refresh(), clock::now());
        let session = Session {
            id: id::new(),
            user_id: account.id.clone(),
            family_id: id::new(),
            family_since: Some(now),
            refresh_hash: keys::sha256(token.expose_secret()),
            version: account.session_version,
            mfa_at,
            authenticated_at: Some(now.as_second()),
            user_agent: client.user_agent.clone(),
            ip: client.source_ip.clone(),
            created_at: now,
            expires_at: expiry(now, now),
            used_at: None,
        };
        self.pay(&session).await?;
        self.insert(&session).await?;
        self.keep_newest(users, &account.id).await?;
        let device_token = Some(tokens.device(&account.id, account.session_version, now));
        Ok(SignedIn { device_token, ..signed_in(&tokens, account, &session, &token, now) })
    }

    /// The sessions of the caller's account.
    pub async fn list(&self, principal: &Principal) -> Result<SessionList, mongo::Error> {
        let mut sessions = self.live(principal.id()).await?;
        sessions.retain(|session| session.version == principal.account.session_version);
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        let view = |session: Session| SessionView {
            current: session.family_id == principal.session_id,
            signed_in_at: session.since(),
            last_used_at: session.created_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent,
            ip: session.ip,
            id: session.family_id,
        };
        Ok(SessionList { sessions: sessions.into_iter().map(view).collect() })
    }

    /// Ends all sessions of the caller's account but the one that asks; of the front end's, all.
    pub async fn end_others(&self, users: &Users, principal: &Principal) -> Result<(), mongo::Error> {
        let others = self.live(principal.id()).await?.into_iter().map(|session| session.family_id);
        let others: BTreeSet<String> = others.filter(|family| *family != principal.session_id).collect();
        // Which of the front end's asks cannot be told.
        users.end_front_end_sessions(principal.id()).await?;
        self.end_all(users, principal.id(), others.into_iter().collect()).await
    }

    /// Whether the account has this session.
    pub async fn has(&self, user_id: &str, family_id: &str) -> Result<bool, mongo::Error> {
        Ok(self.live(user_id).await?.iter().any(|session| session.family_id == family_id))
    }

    /// Ends the oldest sessions of an account that has too many.
    async fn keep_newest(&self, users: &Users, user_id: &str) -> Result<(), mongo::Error> {
        let mut live = self.live(user_id).await?;
        if live.len() <= LIVE_PER_ACCOUNT {
            return Ok(());
        }
        live.sort_by_key(|session| std::cmp::Reverse((session.since(), session.id.clone())));
        let oldest = live.split_off(LIVE_PER_ACCOUNT).into_iter().map(|session| session.family_id).collect();
        self.end_all(users, user_id, oldest).await
    }

    /// The latest use of each session that has not ended.
    async fn live(&self, user_id: &str) -> Result<Vec<Session>, mongo::Error> {
        let unused = doc! {"userId": user_id, "usedAt": null, "expiresAt": {"$gt": clock::now()}};
        let find = async |database| {
            let found = collection(&database).find(unused).await?.with_type::<RawDocumentBuf>();
            found.try_collect::<Vec<_>>().await
        };
        let found = self.mongo.run(REQUEST_TIMEOUT, find).await?;
        Ok(mongo::readable("sessions", &found))
    }

    /// Exchanges a refresh token. Several at once are given the same next one, and so is who sends it again within
    /// [`GRACE_S`], as long as the next one is unused; after that it ends the session.
    pub async fn refresh(
        &self,
        users: &Users,
        token: &SecretString,
        client: &ClientInfo,
    ) -> Result<SignedIn, RefreshError> {
        let (tokens, hash, now) = (self.tokens.get().await?, keys::sha256(token.expose_secret()), clock::now());
        let unused = doc! {"refreshHash": &hash, "usedAt": null, "expiresAt": {"$gt": now}};
        let use_it = async |database: Database| {
            let mark = doc! {"$set": {"usedAt": now}};
            collection(&database).find_one_and_update(unused, mark).await
        };
        let used = match self.mongo.run(REQUEST_TIMEOUT, use_it).await? {
            Some(used) => used,
            None => self.used_just_now(users, &hash, now).await?,
        };
        let successors = tokens.successors(&used.family_id, token);
        let [newest, ..] = &*successors else { return Err(RefreshError::Refused(Some(used.user_id))) };
        let next = used.successor(newest, client, now);
        if let Err(full) = self.pay(&next).await {
            let unmark = doc! {"$set": {"usedAt": null}};
            let unmark = async |database: Database| {
                collection(&database).update_one(doc! {"refreshHash": &hash, "usedAt": now}, unmark).await
            };
            self.mongo.run(REQUEST_TIMEOUT, unmark).await?;
            return Err(RefreshError::Full(full));
        }
        let session = self.insert_once(next).await?;
        let token = successors.iter().find(|token| session.is_token(token));
        // From the store, and after the insert: an end of the session since the token was marked is seen here, or sees
        // the new row.
        let account = users.stored(&session.user_id).await?.map(Account::from).filter(|account| session.is_of(account));
        let Some(account) = account else {
            self.delete(doc! {"familyId": &session.family_id}).await?;
            return Err(RefreshError::Refused(Some(session.user_id)));
        };
        if session.used_at.is_some() {
            return Err(self.reused(users, session).await?);
        }
        // Made by a function that has a later key: its caller has the session.
        let Some(token) = token else { return Err(RefreshError::Refused(Some(session.user_id))) };
        Ok(signed_in(&tokens, &account, &session, token, now))
    }

    /// A new access token of the same session, with the time of what was shown just now.
    pub async fn step_up(&self, principal: &Principal, shown: Shown) -> Result<String, mongo::Error> {
        let (tokens, now, family) = (self.tokens.get().await?, clock::now(), principal.session_id.clone());
        let mut shown_at = doc! {"authenticatedAt": now.as_second()};
        if shown == Shown::Factor {
            shown_at.insert("mfaAt", now.as_second());
        }
        let update = doc! {"$set": shown_at};
        let set = async |database| collection(&database).update_many(doc! {"familyId": &family}, update).await;
        self.mongo.run(REQUEST_TIMEOUT, set).await?;
        let mfa_at = if shown == Shown::Factor { Some(now.as_second()) } else { principal.mfa_at };
        Ok(tokens.access(claims(&principal.account, family.clone(), mfa_at, now.as_second()), now))
    }

    pub async fn end(&self, users: &Users, user_id: &str, family_id: &str) -> Result<(), mongo::Error> {
        self.end_all(users, user_id, vec![family_id.to_owned()]).await
    }

    async fn end_all(&self, users: &Users, user_id: &str, families: Vec<String>) -> Result<(), mongo::Error> {
        if families.is_empty() {
            return Ok(());
        }
        // The live rows first, so that half of this ends the sessions too; the used ones last, since they tell a reuse.
        // The account is told in between: a refresh that puts its row too late for the last deletion reads it there.
        let rows = doc! {"familyId": {"$in": &families}, "userId": user_id};
        let mut live = rows.clone();
        live.insert("usedAt", bson::Bson::Null);
        self.delete(live).await?;
        users.end_sessions(user_id, &families).await?;
        self.delete(rows).await
    }

    /// Deletes the session of a refresh token that nobody was given. When that fails it is logged, and no error.
    pub(super) async fn forget_token(&self, refresh_token: &str) {
        if let Err(error) = self.delete(doc! {"refreshHash": keys::sha256(refresh_token)}).await {
            tracing::warn!(%error, "a session that nobody has stays in the store until it expires");
        }
    }

    /// Deletes every session of an account whose session version has just moved on. When that fails it is logged, and
    /// no error: they count no more, deleted or not.
    pub async fn forget_all(&self, user_id: &str) {
        forget_sessions(&self.mongo, user_id).await;
    }

    /// The session of a token that was used within [`GRACE_S`]; else why it is refused.
    async fn used_just_now(&self, users: &Users, hash: &str, now: Moment) -> Result<Session, RefreshError> {
        let known = async |database| collection(&database).find_one(doc! {"refreshHash": hash}).await;
        let Some(session) = self.mongo.run(REQUEST_TIMEOUT, known).await? else {
            return Err(RefreshError::Refused(None));
        };
        match session.used_at {
            None => Err(RefreshError::Refused(Some(session.user_id))),
            Some(_) if session.is_within_grace(now) => Ok(session),
            Some(_) => Err(self.reused(users, session).await?),
        }
    }

    /// Ends the session of a token that came again.
    async fn reused(&self, users: &Users, session: Session) -> Result<RefreshError, mongo::Error> {
        self.end(users, &session.user_id, &session.family_id).await?;
        Ok(RefreshError::Reused { user_id: session.user_id, family_id: session.family_id })
    }

    /// The row as it is in the store, put there now or by another request with the same token.
    async fn insert_once(&self, session: Session) -> Result<Session, RefreshError> {
        match self.insert(&session).await {
            Ok(()) => return Ok(session),
            Err(error) if error.is_duplicate() => {}
            Err(error) => return Err(error.into()),
        }
        let find = async |database| collection(&database).find_one(doc! {"_id": &session.id}).await;
        // Gone since: the session ended.
        self.mongo.run(REQUEST_TIMEOUT, find).await?.ok_or(RefreshError::Refused(Some(session.user_id)))
    }

    async fn pay(&self, session: &Session) -> Result<(), Problem> {
        let document = mongo::to_document(session).map_err(Problem::internal)?;
        let payer = Payer::SignIn { account_id: session.user_id.clone() };
        self.ledger.take(&payer, schema::weight("sessions", &document)).await.map(drop)
    }

    async fn insert(&self, session: &Session) -> Result<(), mongo::Error> {
        self.mongo
            .run(REQUEST_TIMEOUT, async |database| collection(&database).insert_one(session).await)
            .await
            .map(drop)
    }

    async fn delete(&self, filter: Document) -> Result<(), mongo::Error> {
        delete(&self.mongo, filter).await
    }
}

/// As [`Sessions::forget_all`], for who makes no tokens.
pub async fn forget_sessions(mongo: &Mongo, user_id: &str) {
    if let Err(error) = delete(mongo, doc! {"userId": user_id}).await {
        tracing::warn!(user_id, %error, "sessions that are over stay in the store until they expire");
    }
}

async fn delete(mongo: &Mongo, filter: Document) -> Result<(), mongo::Error> {
    mongo.run(REQUEST_TIMEOUT, async |database| collection(&database).delete_many(filter).await).await.map(drop)
}

fn signed_in(tokens: &Tokens, account: &Account, session: &Session, token: &SecretString, now: Moment) -> SignedIn {
    let claims = claims(account, session.family_id.clone(), session.mfa_at, session.authenticated_at());
    SignedIn {
        access_token: tokens.access(claims, now),
        token_type: "Bearer",
        expires_in: ACCESS_S,
        refresh_token: token.expose_secret().to_owned(),
        refresh_expires_at: session.expires_at,
        device_token: None,
        user: Profile::from(account),
    }
}

impl Session {
    /// The family's next use. Its id follows from this one's: however many requests use one token, it has one successor.
    fn successor(self, token: &SecretString, client: &ClientInfo, now: Moment) -> Self {
        let since = self.since();
        Self {
            id: keys::sha256(&self.id),
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

    /// When its family began.
    fn since(&self) -> Moment {
        self.family_since.unwrap_or(self.created_at)
    }

    fn authenticated_at(&self) -> i64 {
        self.authenticated_at.unwrap_or_else(|| self.since().as_second())
    }

    fn is_token(&self, token: &SecretString) -> bool {
        keys::sha256(token.expose_secret()) == self.refresh_hash
    }

    /// Whether its token was used so lately that it may come again. The clocks of two functions may differ.
    fn is_within_grace(&self, now: Moment) -> bool {
        self.used_at.is_some_and(|at| now <= at + SignedDuration::from_secs(GRACE_S))
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

fn claims(account: &Account, sid: String, mfa: Option<i64>, authenticated_at: i64) -> AccessClaims {
    let (role, org, auth_time) = (account.role, account.organization_id.clone(), Some(authenticated_at));
    AccessClaims { sub: account.id.clone(), sid, role, org, mfa, auth_time, ver: account.session_version }
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
        let next = |session: Session, at| session.successor(&Tokens::refresh(), &ClientInfo::default(), day(at));
        let (second, third) = (next(session(&json!({})), "2026-01-20"), next(session(&json!({})), "2026-01-30"));
        assert_eq!(second.expires_at, day("2026-02-19"), "30 days unused");
        assert_eq!(second.family_since, third.family_since, "without it, from its own beginning");
        let last = next(session(&json!({"familySince": "2025-11-01T00:00:00Z"})), "2026-01-29");
        assert_eq!(last.expires_at, day("2026-01-30"));
        assert!(last.is_of(&account(&json!({}))) && !next(last, "2026-01-30").is_of(&account(&json!({}))));
    }

    #[test]
    fn a_used_token_may_come_again_for_ten_seconds() {
        let used = session(&json!({"usedAt": "2026-01-02T00:00:00Z"}));
        let at = |text: &str| text.parse::<Moment>().expect("an instant");
        for (now, may) in [
            ("2026-01-01T23:59:59Z", true),
            ("2026-01-02T00:00:00Z", true),
            ("2026-01-02T00:00:10Z", true),
            ("2026-01-02T00:00:10.001Z", false),
            ("2026-01-03T00:00:00Z", false),
        ] {
            assert_eq!(used.is_within_grace(at(now)), may, "{now}");
        }
        assert!(!session(&json!({})).is_within_grace(at("2026-01-02T00:00:00Z")), "unused");
    }

    #[test]
    fn a_token_has_one_successor_whoever_makes_it() {
        let tokens = Tokens::new(&keys::Seed::from("a seed of thirty-two characters!"), None);
        let token = Tokens::refresh();
        let next = |client: &str, at: &str| {
            let client = ClientInfo { source_ip: client.into(), ..ClientInfo::default() };
            let successors = tokens.successors("f", &token);
            let next = session(&json!({})).successor(&successors[0], &client, at.parse().expect("an instant"));
            assert!(next.is_token(&successors[0]) && !next.is_token(&token));
            (next.id, next.refresh_hash)
        };
        assert_eq!(next("192.0.2.1", "2026-01-02T00:00:00Z"), next("192.0.2.2", "2026-01-02T00:00:09Z"));
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
