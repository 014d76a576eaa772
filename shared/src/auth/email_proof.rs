//! The proof of an address whose account is from before addresses were proved: a mailed link, and the password. A
//! stranger who made the account has no access to the mailbox, and whoever has that alone does not know the password.

use super::{
    Lockout, PasswordAttempt, Tokens,
    pages::{Links, Page},
};
use crate::{
    clock,
    config::ConfigError,
    http::{ClientInfo, Problem},
    id,
    notifications::{Outbox, Template},
    secrets::Secret,
    users::{User, Users},
};

/// Mails the links, and takes them.
pub struct EmailProofs {
    tokens: Secret<Tokens>,
    outbox: Outbox,
    links: Links,
}

impl EmailProofs {
    /// Reads the seeds and where links lead.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { tokens: Tokens::from_env()?, outbox: Outbox::from_env()?, links: Links::from_env() })
    }

    /// Mails a link to the owner of an account; 409 when the address is proved.
    pub async fn request(&self, client: &ClientInfo, user: &User) -> Result<(), Problem> {
        if user.email_verified_at.is_some() {
            return Err(Problem::conflict("email_verified", "Your address is confirmed already."));
        }
        let link =
            self.links.to(Page::VerifyEmail, &self.tokens.get().await?.email_proof(&user.id, clock::now()), client);
        Ok(self.outbox.send_link(&id::new(), Some(&user.id), &user.email, Template::VerifyEmail { link }).await?)
    }

    /// Notes that the address is proved; 422 for a token that does not count, or a wrong password. Twice is once.
    pub async fn redeem(
        &self,
        users: &Users,
        lockout: &Lockout,
        client: &ClientInfo,
        token: &str,
        password: &PasswordAttempt,
    ) -> Result<User, Problem> {
        let expired = || Problem::invalid_field("token", "is expired: ask for another link");
        let id = self.tokens.get().await?.verify_email_proof(token).ok_or_else(expired)?;
        let user = users.stored(&id).await?.ok_or_else(expired)?;
        if !lockout.confirm(&user, client, password).await? {
            return Err(Problem::invalid_field("password", "is wrong"));
        }
        users.prove_email(&id).await?.ok_or_else(expired)
    }
}
