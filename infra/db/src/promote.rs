//! `cargo db promote`: the first administrator, who needs neither a sign-up nor a mail.

use anyhow::Context;
use clap::Args;
use shared::{
    auth::NewPassword,
    cache::Cache,
    id, keys,
    mongo::Mongo,
    schema,
    users::{Email, EmailAttempt, NewUser, Users, admin, display_name},
};

#[derive(Args)]
pub(crate) struct Promote {
    /// The administrator's address, which counts as confirmed from now on.
    email: String,
    /// The name of a new account, for others to see.
    #[arg(long, default_value = "Administrator")]
    name: String,
    /// Takes the account's second factor off, which is lost: no mail does that for an administrator.
    #[arg(long)]
    without_factor: bool,
}

/// Makes the account with this address a super admin, and the account if there is none; prints a new one's password.
pub(crate) async fn promote(mongo: &Mongo, promote: Promote) -> anyhow::Result<()> {
    let Promote { email, name, without_factor } = promote;
    let attempt = EmailAttempt::parse(&email).context("that is not an e-mail address")?;
    schema::ensure_ours(mongo).await?;
    if !admin::make_super_admin(mongo, &attempt, without_factor).await? {
        let email = Email::parse(&email).context("that is not an address that an account can have")?;
        display_name(&name, &()).map_err(|error| anyhow::anyhow!("the name {}", error.message()))?;
        let (text, password) = password();
        let users = Users::new(mongo.clone(), Cache::in_process());
        let hash =
            password.hash_for("password", &[]).map_err(|_| anyhow::anyhow!("no password was found: try again"))?;
        let new = NewUser { id: &id::new(), email: &email, name: &name, password_hash: Some(hash), is_proved: true };
        let made = users.create(new).await?;
        made.context("somebody made an account with that address just now: try again")?;
        admin::make_super_admin(mongo, &attempt, without_factor).await?;
        println!("made an account with the password {text} (change it after the first sign-in)");
    }
    println!(
        "done: sign in, then set a second factor up (POST /api/auth/mfa/enable), without which nothing is administered"
    );
    Ok(())
}

/// A random password that has what a new one must have.
fn password() -> (String, NewPassword) {
    loop {
        let text = keys::random_text()[..20].to_owned();
        if let Ok(password) = serde_json::from_value(text.clone().into()) {
            return (text, password);
        }
    }
}
