//! Forgotten passwords: a link that works once, within the hour.

use bson::{Document, doc};
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    pages::{Links, Page},
    unhurried::unhurried,
};
use crate::{
    audit::{Action, AuditEvent, AuditLog},
    cache::Cache,
    clock::{self, Moment},
    config::ConfigError,
    counters::Counters,
    http::{ClientInfo, Limit, Policy, Problem, wide_network},
    id, keys,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    notifications::{Outbox, Template},
    rate_limits,
    users::{EmailAttempt, User, Users},
};

const MINUTES: i64 = 60;
/// Links of one account that count at a time. All of them work, so that no more are sent locks nobody out, and a
/// stranger fills nobody's mailbox.
const LIVE_PER_ACCOUNT: u64 = 3;

/// `password_resets`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reset {
    #[serde(rename = "_id")]
    id: String,
    token_hash: String,
    user_id: String,
    expires_at: Moment,
}

/// Links to a new password.
pub struct PasswordResets {
    mongo: Mongo,
    outbox: Outbox,
    links: Links,
    audit_log: AuditLog,
    counters: Counters,
}

impl PasswordResets {
    /// Reads where links lead.
    pub fn from_env(ledger: &Ledger, cache: &Cache) -> Result<Self, ConfigError> {
        let (outbox, audit_log) = (Outbox::from_env()?, AuditLog::from_env(ledger)?);
        let (mongo, counters) = (ledger.mongo().clone(), Counters::new(ledger.mongo(), cache));
        Ok(Self { mongo, outbox, links: Links::from_env(), audit_log, counters })
    }

    /// Mails a link to this address, if an account has it. Takes the same time either way, and the caller answers the
    /// same.
    pub async fn request(&self, users: &Users, client: &ClientInfo, email: &EmailAttempt) -> Result<(), Problem> {
        if let Some(wide) = wide_network(&client.network())
            && self.is_beyond(&rate_limits::ForgotOfWideNetwork::POLICY, &wide).await?
        {
            return Ok(());
        }
        unhurried(Box::pin(async {
            match users.by_email(email).await?.into_iter().next() {
                Some(user) => self.send(&user, client, |link, minutes| Template::PasswordReset { link, minutes }).await,
                // A queue that is away must not tell an account from none.
                None => Ok(self.outbox.ping().await?),
            }
        }))
        .await
    }

    /// Counts a link; whether it is one too many. The answer tells nobody of it.
    async fn is_beyond(&self, policy: &Policy, principal: &str) -> Result<bool, mongo::Error> {
        let count = self.counters.increment(&policy.key(principal), policy.window).await?;
        Ok(count.used > policy.requests)
    }

    /// Mails a link to the owner of an account, in these words, unless enough of them count already or were sent.
    pub(super) async fn send(
        &self,
        user: &User,
        client: &ClientInfo,
        words: fn(String, u64) -> Template,
    ) -> Result<(), Problem> {
        let of_account = doc! {"userId": &user.id, "expiresAt": {"$gt": clock::now()}};
        let count = async |database| collection(&database).count_documents(of_account).await;
        if self.mongo.run(REQUEST_TIMEOUT, count).await? >= LIVE_PER_ACCOUNT
            || self.is_beyond(&rate_limits::LinksOfAccount::POLICY, &user.id).await?
        {
            return Ok(self.outbox.ping().await?);
        }
        let token = keys::random_text();
        let reset = Reset {
            id: id::new(),
            token_hash: keys::sha256(&token),
            user_id: user.id.clone(),
            expires_at: clock::now() + SignedDuration::from_mins(MINUTES),
        };
        self.mongo.run(REQUEST_TIMEOUT, async |database| collection(&database).insert_one(&reset).await).await?;
        let link = self.links.to(Page::ResetPassword, &token, client);
        let words = words(link, MINUTES.unsigned_abs());
        if let Err(error) = self.outbox.send_link(&reset.id, Some(&user.id), &user.email, words).await {
            self.forget(&reset.id).await;
            return Err(error.into());
        }
        let event = AuditEvent::new(Action::PasswordResetRequested).on("user", &user.id);
        self.audit_log.record(client, event).await
    }

    /// A link that nobody gets keeps nobody from the next one.
    async fn forget(&self, id: &str) {
        let delete = async |database: Database| collection(&database).delete_one(doc! {"_id": id}).await;
        if let Err(error) = self.mongo.run(REQUEST_TIMEOUT, delete).await {
            tracing::warn!(%error, "a link that was not sent counts until its hour is over");
        }
    }

    /// Whose a token is, if it counts; it goes on counting.
    pub async fn owner(&self, token: &SecretString) -> Result<Option<String>, mongo::Error> {
        let live = live(token);
        let find = async |database: Database| collection(&database).find_one(live).await;
        Ok(self.mongo.run(REQUEST_TIMEOUT, find).await?.map(|reset| reset.user_id))
    }

    /// Uses a token up; returns whose it was. Of two callers with the same token one gets an answer.
    pub async fn redeem(&self, token: &SecretString) -> Result<Option<String>, mongo::Error> {
        let live = live(token);
        let take = async |database: Database| collection(&database).find_one_and_delete(live).await;
        Ok(self.mongo.run(REQUEST_TIMEOUT, take).await?.map(|reset| reset.user_id))
    }

    /// Tells the owner that the password is another one; other links of theirs count no more. What fails is logged, and
    /// no error: an error's answer would deny what is done.
    pub async fn changed(&self, user: &User) {
        // The owner first: they can help themselves if the rest fails.
        self.outbox.notify(&user.id, user.proved_email().as_ref(), Template::PasswordChanged).await;
        let others = doc! {"userId": &user.id};
        let delete = async |database: Database| collection(&database).delete_many(others).await;
        if let Err(error) = self.mongo.run(REQUEST_TIMEOUT, delete).await {
            tracing::error!(user_id = user.id, %error, "other links to a new password count until their hour is over");
        }
    }
}

/// The link with this token, while it counts.
fn live(token: &SecretString) -> Document {
    doc! {"tokenHash": keys::sha256(token.expose_secret()), "expiresAt": {"$gt": clock::now()}}
}

fn collection(database: &Database) -> Collection<Reset> {
    database.collection("password_resets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_expires() {
        let (id, token_hash, user_id) = ("1".to_owned(), "h".to_owned(), "u".to_owned());
        let reset = Reset { id, token_hash, user_id, expires_at: clock::now() };
        crate::schema::tests::assert_expires("password_resets", &reset);
    }
}
