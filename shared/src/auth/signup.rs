//! Sign-ups: nobody has an account before a link that was mailed to its address was followed.
//!
//! Until then a sign-up is a name and an address that are kept for a day. The password is chosen on the page behind the
//! link: so nothing that a stranger chose for somebody's address is ever part of an account, and whichever of several
//! links the owner follows, the account is theirs. It also means that a sign-up costs no slow hash.

use bson::doc;
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    NewPassword, PasswordResets,
    pages::{Links, Page},
    unhurried::unhurried,
};
use crate::{
    cache::Cache,
    clock::{self, Moment},
    config,
    config::ConfigError,
    counters::Counters,
    http::{ClientInfo, Limit, Problem, wide_network},
    id, keys,
    ledger::{Ledger, PENDING_SIGN_UP_BYTES, Payer, SIGN_UP_BYTES},
    mongo::{Mongo, REQUEST_TIMEOUT},
    notifications::{Outbox, Template},
    rate_limits,
    users::{Email, EmailAttempt, NewUser, User, Users},
};

/// How long a link counts.
const HOURS: i64 = 24;
/// Links to one address that count at a time. Whoever owns the mailbox can follow any of them, so that no more are sent
/// locks nobody out, and a stranger fills nobody's mailbox.
const LIVE_PER_ADDRESS: u64 = 5;

/// `sign_ups`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignUp {
    /// The account's, once there is one.
    #[serde(rename = "_id")]
    id: String,
    token_hash: String,
    email: String,
    name: String,
    expires_at: Moment,
}

/// Sign-ups, from the form to the account.
pub struct SignUps {
    ledger: Ledger,
    mongo: Mongo,
    counters: Counters,
    resets: PasswordResets,
    outbox: Outbox,
    links: Links,
    has_sender: bool,
}

impl SignUps {
    /// Reads where links lead, and whether there is an address that mails come from (`SENDER_EMAIL`).
    pub fn from_env(ledger: &Ledger, cache: &Cache) -> Result<Self, ConfigError> {
        let has_sender = config::optional("SENDER_EMAIL").is_some();
        let (resets, outbox) = (PasswordResets::from_env(ledger, cache)?, Outbox::from_env()?);
        let (ledger, mongo) = (ledger.clone(), ledger.mongo().clone());
        let counters = Counters::new(&mongo, cache);
        Ok(Self { ledger, mongo, counters, resets, outbox, links: Links::from_env(), has_sender })
    }

    /// Mails a link by which the sign-up is completed; to an address that has an account, one to a new password. The
    /// caller answers the same either way, and in the same time. 503 where no mail can be sent.
    pub async fn request(&self, users: &Users, client: &ClientInfo, email: &Email, name: &str) -> Result<(), Problem> {
        if !self.has_sender {
            return Err(Problem::not_offered("Nobody can sign up here: this installation sends no e-mail yet."));
        }
        let network = client.network();
        // Who has used up their own leaves no trace in what is everybody's.
        if let Some(wide) = wide_network(&network) {
            self.counters.check(&rate_limits::SignUpsOfWideNetwork::POLICY, client, &wide).await?;
        }
        self.counters.check(&rate_limits::SignUpsTogether::POLICY, client, "everybody").await?;
        // Whoever is asked for: what a request may cost tells nothing of the address.
        self.ledger.take(&Payer::PendingSignUp { network }, PENDING_SIGN_UP_BYTES).await?;
        unhurried(Box::pin(self.send(users, client, email, name))).await
    }

    async fn send(&self, users: &Users, client: &ClientInfo, email: &Email, name: &str) -> Result<(), Problem> {
        let known = match EmailAttempt::parse(email.as_str()) {
            Some(spelled) => users.by_email(&spelled).await?.into_iter().next(),
            None => None,
        };
        if let Some(user) = known {
            return self
                .resets
                .send(&user, client, |link, minutes| Template::AddressTaken { link, minutes })
                .await
                .map(drop);
        }
        let of_address = doc! {"email": email.as_str(), "expiresAt": {"$gt": clock::now()}};
        let count = async |database| collection(&database).count_documents(of_address).await;
        if self.mongo.run(REQUEST_TIMEOUT, count).await? >= LIVE_PER_ADDRESS {
            return Ok(self.outbox.ping().await?);
        }
        let token = keys::random_text();
        let sign_up = SignUp {
            id: id::new(),
            token_hash: keys::sha256(&token),
            email: email.as_str().to_owned(),
            name: name.to_owned(),
            expires_at: clock::now() + SignedDuration::from_hours(HOURS),
        };
        self.mongo.run(REQUEST_TIMEOUT, async |database| collection(&database).insert_one(&sign_up).await).await?;
        let link = self.links.to(Page::CompleteSignUp, &token, client);
        let template = Template::SignUp { link, hours: HOURS.unsigned_abs() };
        if let Err(error) = self.outbox.send_link(&sign_up.id, None, &sign_up.email, template).await {
            self.forget(&sign_up.id).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// A link that nobody gets keeps nobody from the next one.
    async fn forget(&self, id: &str) {
        let delete = async |database: Database| collection(&database).delete_one(doc! {"_id": id}).await;
        if let Err(error) = self.mongo.run(REQUEST_TIMEOUT, delete).await {
            tracing::warn!(%error, "a sign-up whose link was not sent stays in the store for a day");
        }
    }

    /// Makes the account of the link with this token; `None` when the link does not count, or the address has an account
    /// by now. The slow hash is made, and bytes are taken, for a link that counts alone: 429 when there are none left.
    pub async fn complete(
        &self,
        users: &Users,
        client: &ClientInfo,
        token: &SecretString,
        password: &NewPassword,
    ) -> Result<Option<User>, Problem> {
        let live = doc! {"tokenHash": keys::sha256(token.expose_secret()), "expiresAt": {"$gt": clock::now()}};
        let find = async |database| collection(&database).find_one(live).await;
        let Some(sign_up) = self.mongo.run(REQUEST_TIMEOUT, find).await? else { return Ok(None) };
        let Some(email) = Email::parse(&sign_up.email) else { return Ok(None) };
        let hash = password.hash_for("password", &[&sign_up.name, email.as_str()])?;
        let payer = Payer::SignUp { network: client.network() };
        let (id, name) = (&sign_up.id, &sign_up.name);
        let create = users.create(NewUser { id, email: &email, name, password_hash: Some(hash), is_proved: true });
        let user = self.ledger.pay(&payer, SIGN_UP_BYTES, create, Option::is_some).await?;
        let others = doc! {"email": &sign_up.email};
        let delete = async |database: Database| collection(&database).delete_many(others).await;
        if let Err(error) = self.mongo.run(REQUEST_TIMEOUT, delete).await {
            tracing::warn!(%error, "links to an account that is made stay in the store for a day");
        }
        Ok(user)
    }
}

fn collection(database: &Database) -> Collection<SignUp> {
    database.collection("sign_ups")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_up_expires() {
        let text = || String::from("1");
        let sign_up = SignUp { id: text(), token_hash: text(), email: text(), name: text(), expires_at: clock::now() };
        crate::schema::tests::assert_expires("sign_ups", &sign_up);
    }
}
