//! The secrets of a deployed stack, in the Parameter Store of its account ([`shared::deployment`]).
//!
//! Environment: the AWS variables; `MONGODB_URI`, `MONGODB_READER_URI`, `MONGODB_MONITOR_URI`, `REDIS_URL`,
//! `PROXY_SECRET`, `AUTH_JS_KEY`, of those that are to be stored.

use std::env;

use anyhow::Context;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use shared::deployment::{DatabaseUsers, Outcome, StackSecret, StackSecrets};

/// With a stack alone: makes what is missing, and overwrites nothing.
#[derive(Args)]
pub(crate) struct Secrets {
    /// The stack's name.
    #[arg(long)]
    stack: String,
    /// As whom functions sign in to the database, as the stack's parameter `DatabaseUsers` has it: `one`, or `three`, each
    /// with a connection string.
    #[arg(long, default_value = "one")]
    database_users: DatabaseUsers,
    /// Take a secret over from another parameter, where the stack has none yet: `vault-seed=CFN-VaultSeed-1a2b`. Two
    /// parameters with a comma between become the new seed and the one before.
    #[arg(long, value_name = "NAME=PARAMETER")]
    adopt: Vec<String>,
    /// Put a new seed in front of today's, which stays in force beside it.
    #[arg(long, value_name = "NAME", group = "change")]
    rotate: Option<String>,
    /// Drop the seed of before.
    #[arg(long, value_name = "NAME", group = "change")]
    retire: Option<String>,
    /// Overwrite one of your own (`mongodb-uri`, `mongodb-reader-uri`, `mongodb-monitor-uri`, `redis-url`, `proxy-secret`,
    /// `auth-js-key`) with what its variable holds.
    #[arg(long, value_name = "NAME", group = "change")]
    replace: Option<String>,
}

pub(crate) async fn secrets(wanted: &Secrets) -> anyhow::Result<()> {
    let stack = StackSecrets::of(&wanted.stack).await;
    let name = |secret: &StackSecret| secret.parameter(&wanted.stack);
    if let Some(rotated) = &wanted.rotate {
        let secret = StackSecret::named(rotated)?;
        stack.rotate(secret).await?;
        println!("{}: a new one, and the one before beside it; in force everywhere within five minutes", name(secret));
    } else if let Some(retired) = &wanted.retire {
        let secret = StackSecret::named(retired)?;
        stack.retire(secret).await?;
        println!("{}: the one before is gone", name(secret));
    } else if let Some(replaced) = &wanted.replace {
        let secret = StackSecret::named(replaced)?;
        let value = variable(secret).with_context(|| format!("set {} for this command", secret.variable))?;
        stack.replace(secret, &value).await?;
        println!("{}: replaced; in force everywhere within five minutes", name(secret));
    } else {
        let adopted = adopted(&stack, &wanted.adopt).await?;
        let given = |secret: &StackSecret| {
            let adopted = adopted.iter().find(|(of, _)| of.variable == secret.variable);
            adopted.map(|(_, value)| value.clone()).or_else(|| given(secret))
        };
        for (secret, outcome) in stack.create_missing(wanted.database_users, given).await? {
            let said = match outcome {
                Outcome::Made => "made",
                Outcome::Kept => "there already, and kept",
                Outcome::Absent => "none, and none is needed",
            };
            println!("{}: {said}", name(secret));
        }
    }
    Ok(())
}

/// What the variable of a secret holds, if it is one that a person chooses: a seed that a shell has for tests never
/// becomes a stack's.
fn given(secret: &StackSecret) -> Option<SecretString> {
    secret.is_owners().then(|| variable(secret)).flatten()
}

fn variable(secret: &StackSecret) -> Option<SecretString> {
    let value = env::var(secret.variable).ok().filter(|value| !value.is_empty())?;
    Some(value.into())
}

async fn adopted(stack: &StackSecrets, wanted: &[String]) -> anyhow::Result<Vec<(&'static StackSecret, SecretString)>> {
    let mut adopted = Vec::new();
    for wanted in wanted {
        let (name, parameters) = wanted.split_once('=').with_context(|| format!("{wanted} is not NAME=PARAMETER"))?;
        let secret = StackSecret::named(name)?;
        let mut values = Vec::new();
        for parameter in parameters.split(',') {
            let value = stack.parameter(parameter.trim()).await?;
            let is_one = !value.expose_secret().contains(',') || !secret.rotates;
            anyhow::ensure!(is_one || !parameters.contains(','), "{parameter} holds two seeds already");
            values.push(value.expose_secret().to_owned());
        }
        adopted.push((secret, values.join(",").into()));
    }
    Ok(adopted)
}
