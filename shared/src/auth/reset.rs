//! Forgotten passwords: a link that works once, within the hour.

use std::time::Duration;

use bson::{Document, doc};
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{self, Moment},
    config,
    config::ConfigError,
    http::Problem,
    id, keys,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    notifications::{Channel, Notification, Outbox, Template},
    users::{EmailAttempt, User, Users},
};

const MINUTES: i64 = 60;
/// Every request takes this long, so that its time does not tell whether there is such an account.
const ALWAYS: Duration = Duration::from_millis(400);

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
    /// Where the front end is.
    app_url: String,
}

impl PasswordResets {
    /// Reads `APP_URL`, the front end's address, whose page `/reset-password` takes the token.
    pub fn from_env(mongo: &Mongo) -> Result<Self, ConfigError> {
        let app_url = config::required("APP_URL", "the front end's address, such as https://example.com")?;
        let app_url = app_url.trim_end_matches('/').to_owned();
        Ok(Self { mongo: mongo.clone(), outbox: Outbox::from_env()?, app_url })
    }

    /// Sends a link to this address, if an account has it; returns that account's id. Takes the same time
    /// either way, and the caller answers the same.
    pub async fn request(&self, users: &Users, email: &EmailAttempt) -> Result<Option<String>, Problem> {
        let (outcome, ()) = futures_util::join!(self.send(users, email), tokio::time::sleep(ALWAYS));
        outcome
    }

    async fn send(&self, users: &Users, email: &EmailAttempt) -> Result<Option<String>, Problem> {
        let Some(user) = users.by_email(email).await?.into_iter().next() else {
            // A queue that is away must not tell an account from none.
            self.outbox.ping().await?;
            return Ok(None);
        };
        let token = keys::random_text();
        let reset = Reset {
            id: id::new(),
            token_hash: keys::sha256(&token),
            user_id: user.id.clone(),
            expires_at: clock::now() + SignedDuration::from_mins(MINUTES),
        };
        self.mongo.run(REQUEST_TIMEOUT, async |database| collection(&database).insert_one(&reset).await).await?;
        let link = format!("{}/reset-password?token={token}", self.app_url);
        self.outbox
            .send(&[Notification {
                id: reset.id,
                user_id: Some(user.id.clone()),
                channel: Channel::Email { to: user.email },
                template: Template::PasswordReset { link, minutes: MINUTES.unsigned_abs() },
            }])
            .await?;
        Ok(Some(user.id))
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
        self.outbox.notify(&user.id, &user.email, Template::PasswordChanged).await;
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
