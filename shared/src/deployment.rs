//! The secrets of a deployed stack in the Parameter Store: which there are, and how they are made, replaced and taken over.
//!
//! The parameter of a secret is `/<stack>/<its variable in kebab case>`, a `SecureString` of the standard tier, which costs
//! nothing. `CloudFormation` can make no such parameter, so the operator's tool does. Nothing that is there is ever
//! overwritten unless the operator asks for just that.

use std::{collections::BTreeMap, str::FromStr};

use anyhow::{Context, bail, ensure};
use aws_sdk_ssm::{
    Client,
    config::Builder,
    operation::put_parameter::PutParameterError,
    types::{ParameterTier, ParameterType},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    auth::{TokenKeys, Tokens, check_keys},
    aws, cache,
    http::proxy,
    keys::{Seeds, random_text},
    mongo,
};

/// Where a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made here, at random.
    Random,
    /// The owner's, without which nothing works.
    Owner,
    /// The owner's, if they use what it is for.
    OwnersChoice,
    /// The owner's, without which nothing works where the database has a user for each kind of function.
    FurtherUser,
    /// The public half of `SIGNING_SEED`, and no secret.
    Derived,
}

/// Names that one `GetParameters` call takes.
const NAMES_A_CALL: usize = 10;

/// As whom functions sign in to the database: the template's parameter `DatabaseUsers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseUsers {
    /// All as one.
    #[default]
    One,
    /// Those that only read as one who can do no more, the monitor as one who sees the cluster, the others as the first.
    Three,
}

impl FromStr for DatabaseUsers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "one" => Ok(Self::One),
            "three" => Ok(Self::Three),
            _ => Err("it is one or three".into()),
        }
    }
}

/// A secret of a stack.
#[derive(Debug)]
pub struct StackSecret {
    /// The variable by which functions know it; of a further user of the database, by which the operator's tools do: to
    /// functions it is their `MONGODB_URI`.
    pub variable: &'static str,
    pub origin: Origin,
    /// Whether two of it can be in force at once, the new one first, so that it can be replaced.
    pub rotates: bool,
    check: fn(&str) -> Result<(), String>,
}

/// Every secret that functions are given. In the order of their creation: what is derived comes last.
pub const SECRETS: [StackSecret; 12] = [
    secret("MONGODB_URI", Origin::Owner, false, mongo::check_uri),
    secret("MONGODB_READER_URI", Origin::FurtherUser, false, mongo::check_uri),
    secret("MONGODB_MONITOR_URI", Origin::FurtherUser, false, mongo::check_uri),
    secret("REDIS_URL", Origin::OwnersChoice, false, cache::check_url),
    secret("PROXY_SECRET", Origin::OwnersChoice, false, proxy::check_secret),
    secret("AUTH_JS_KEY", Origin::OwnersChoice, false, check_keys),
    secret("SIGNING_SEED", Origin::Random, true, |text| Seeds::parse(text).map(drop)),
    secret("AUTH_PEPPER", Origin::Random, false, |text| Seeds::parse(text).map(drop)),
    secret("MFA_SEED", Origin::Random, true, |text| Seeds::parse(text).map(drop)),
    secret("VAULT_SEED", Origin::Random, true, |text| Seeds::parse(text).map(drop)),
    secret("AUDIT_SEED", Origin::Random, false, |text| Seeds::parse(text).map(drop)),
    secret("TOKEN_KEYS", Origin::Derived, false, |text| TokenKeys::parse(text).map(drop)),
];

const fn secret(
    variable: &'static str,
    origin: Origin,
    rotates: bool,
    check: fn(&str) -> Result<(), String>,
) -> StackSecret {
    StackSecret { variable, origin, rotates, check }
}

impl StackSecret {
    /// The one whose variable or whose parameter has this name: `VAULT_SEED`, `vault-seed`.
    pub fn named(name: &str) -> anyhow::Result<&'static Self> {
        let found = SECRETS.iter().find(|secret| secret.variable == name || secret.purpose() == name);
        let all = || SECRETS.iter().map(Self::purpose).collect::<Vec<_>>().join(", ");
        found.with_context(|| format!("there is no secret {name}: there are {}", all()))
    }

    /// The last part of its parameter's name: `vault-seed`.
    pub fn purpose(&self) -> String {
        self.variable.to_lowercase().replace('_', "-")
    }

    /// Whether the owner gives it: nobody else can know it.
    pub fn is_owners(&self) -> bool {
        matches!(self.origin, Origin::Owner | Origin::OwnersChoice | Origin::FurtherUser)
    }

    /// Whether the owner has to give it.
    pub fn must_be_given(&self, users: DatabaseUsers) -> bool {
        self.origin == Origin::Owner || (self.origin == Origin::FurtherUser && users == DatabaseUsers::Three)
    }

    /// The name of its parameter: `/promptlib/vault-seed`.
    pub fn parameter(&self, stack: &str) -> String {
        format!("/{stack}/{}", self.purpose())
    }
}

/// What was done about a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Made,
    Kept,
    /// It is nobody's wish, and there is none.
    Absent,
}

/// The secrets of one stack.
pub struct StackSecrets {
    client: Client,
    stack: String,
}

impl StackSecrets {
    /// Those of `stack`; asks nobody.
    pub async fn of(stack: &str) -> Self {
        let client = Client::from_conf(Builder::from(aws::config().await).build());
        Self { client, stack: stack.to_owned() }
    }

    /// Makes what is missing, of what `given` has for a variable or else at random, and tells of each secret what was
    /// done. What is there is kept as it is. An error if the owner has to give something; then nothing is made.
    pub async fn create_missing(
        &self,
        users: DatabaseUsers,
        given: impl Fn(&StackSecret) -> Option<SecretString>,
    ) -> anyhow::Result<Vec<(&'static StackSecret, Outcome)>> {
        let mut there = self.values().await?;
        let mut wanted = Vec::new();
        for secret in SECRETS.iter().filter(|secret| !there.contains_key(secret.variable)) {
            let value = match (given(secret), secret.origin) {
                (Some(value), _) => Some(value),
                (None, Origin::Random) => Some(random_text().into()),
                (None, _) if secret.must_be_given(users) => {
                    let parameter = secret.parameter(&self.stack);
                    bail!("there is no parameter {parameter}: set {} for this command", secret.variable)
                }
                (None, _) => None,
            };
            if let Some(value) = &value {
                checked(secret, value)?;
            }
            wanted.push((secret, value));
        }
        let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
        for (secret, value) in wanted {
            let value = match secret.origin {
                Origin::Derived => Some(public_keys(&there["SIGNING_SEED"])?),
                _ => value,
            };
            let Some(value) = value else {
                outcomes.insert(secret.variable, Outcome::Absent);
                continue;
            };
            let made = self.put(secret, &value, false).await?;
            // Somebody else was faster: theirs counts.
            let value =
                if made { value } else { self.values().await?.remove(secret.variable).context("it was removed")? };
            outcomes.insert(secret.variable, if made { Outcome::Made } else { Outcome::Kept });
            there.insert(secret.variable, value);
        }
        let outcome = |secret: &StackSecret| outcomes.get(secret.variable).copied().unwrap_or(Outcome::Kept);
        Ok(SECRETS.iter().map(|secret| (secret, outcome(secret))).collect())
    }

    /// Puts a new secret in front of today's, which stays in force beside it.
    pub async fn rotate(&self, secret: &'static StackSecret) -> anyhow::Result<()> {
        ensure!(secret.rotates, "{} cannot be replaced by a second one beside it", secret.purpose());
        let current = self.value(secret).await?;
        let is_rotating = current.expose_secret().contains(',');
        ensure!(!is_rotating, "{} is being replaced already: end that first", secret.purpose());
        self.replace_seeds(secret, &format!("{},{}", random_text(), current.expose_secret()).into()).await
    }

    /// Drops the secret of before: what it made counts no more.
    pub async fn retire(&self, secret: &'static StackSecret) -> anyhow::Result<()> {
        let current = self.value(secret).await?;
        let seeds = current.expose_secret().split_once(',').filter(|_| secret.rotates);
        let (newest, _) = seeds.with_context(|| format!("{} is not being replaced", secret.purpose()))?;
        self.replace_seeds(secret, &newest.into()).await
    }

    /// Overwrites a secret of the owner's with another one.
    pub async fn replace(&self, secret: &'static StackSecret, value: &SecretString) -> anyhow::Result<()> {
        ensure!(secret.is_owners(), "{} is not for you to choose, and what it made would be lost", secret.purpose());
        checked(secret, value)?;
        self.put(secret, value, true).await.map(drop)
    }

    /// The value of any parameter, of a stack that was here before for instance.
    pub async fn parameter(&self, name: &str) -> anyhow::Result<SecretString> {
        let answer = self.client.get_parameter().name(name).with_decryption(true).send().await;
        let parameter = answer
            .map_err(|error| explained(&error))
            .with_context(|| format!("the parameter {name} cannot be read"))?;
        let value = parameter.parameter.and_then(|parameter| parameter.value);
        Ok(value.with_context(|| format!("the parameter {name} has no value"))?.into())
    }

    /// A signing seed's public halves first: who checks must know a key before anybody signs with it.
    async fn replace_seeds(&self, secret: &'static StackSecret, value: &SecretString) -> anyhow::Result<()> {
        if secret.variable == "SIGNING_SEED" {
            self.put(StackSecret::named("TOKEN_KEYS")?, &public_keys(value)?, true).await?;
        }
        self.put(secret, value, true).await.map(drop)
    }

    async fn value(&self, secret: &StackSecret) -> anyhow::Result<SecretString> {
        self.parameter(&secret.parameter(&self.stack)).await
    }

    /// What there is, by variable.
    async fn values(&self) -> anyhow::Result<BTreeMap<&'static str, SecretString>> {
        let by_name: BTreeMap<_, _> = SECRETS.iter().map(|secret| (secret.parameter(&self.stack), secret)).collect();
        let names: Vec<_> = by_name.keys().cloned().collect();
        let mut found = BTreeMap::new();
        for names in names.chunks(NAMES_A_CALL) {
            let call = self.client.get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
            let answer = call.send().await.map_err(|error| explained(&error));
            let parameters = answer.context("the stack's parameters cannot be read")?.parameters.unwrap_or_default();
            let of_stack = parameters.into_iter();
            found.extend(
                of_stack
                    .filter_map(|parameter| Some((by_name.get(&parameter.name?)?.variable, parameter.value?.into()))),
            );
        }
        Ok(found)
    }

    /// Whether it was put: false when there is one already, which is then left as it is.
    async fn put(&self, secret: &StackSecret, value: &SecretString, overwrite: bool) -> anyhow::Result<bool> {
        let kind = if secret.origin == Origin::Derived { ParameterType::String } else { ParameterType::SecureString };
        let parameter = secret.parameter(&self.stack);
        let put = self.client.put_parameter().name(&parameter).value(value.expose_secret()).overwrite(overwrite);
        match put.r#type(kind).tier(ParameterTier::Standard).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutParameterError::is_parameter_already_exists) => {
                Ok(false)
            }
            Err(error) => Err(explained(&error).context(format!("the parameter {parameter} cannot be written"))),
        }
    }
}

fn checked(secret: &StackSecret, value: &SecretString) -> anyhow::Result<()> {
    let check = (secret.check)(value.expose_secret());
    check.map_err(|expected| anyhow::anyhow!("{} must be {expected}", secret.variable))
}

fn public_keys(signing_seed: &SecretString) -> anyhow::Result<SecretString> {
    let tokens = Tokens::parse(signing_seed.expose_secret());
    let tokens = tokens.map_err(|expected| anyhow::anyhow!("SIGNING_SEED must be {expected}"))?;
    Ok(tokens.public().text().into())
}

fn explained(error: &dyn std::error::Error) -> anyhow::Error {
    anyhow::anyhow!(aws::reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_parameter_is_named_after_its_variable() {
        let secret = StackSecret::named("vault-seed").expect("there is one");
        assert_eq!((secret.variable, secret.parameter("promptlib")), ("VAULT_SEED", "/promptlib/vault-seed".into()));
        assert!(StackSecret::named("no-such").expect_err("none").to_string().contains("vault-seed"));
    }

    #[test]
    fn further_users_must_be_given_where_there_are_three() {
        let needed = |users| SECRETS.iter().filter(move |secret| secret.must_be_given(users)).map(StackSecret::purpose);
        assert_eq!(needed(DatabaseUsers::One).collect::<Vec<_>>(), ["mongodb-uri"]);
        let three: Vec<_> = needed(DatabaseUsers::Three).collect();
        assert_eq!(three, ["mongodb-uri", "mongodb-reader-uri", "mongodb-monitor-uri"]);
    }

    #[test]
    fn a_malformed_secret_is_refused_and_not_printed() {
        for (name, bad) in [
            ("MONGODB_URI", "postgres://user:hunter2@host"),
            ("MONGODB_READER_URI", "postgres://user:hunter2@host"),
            ("REDIS_URL", "hunter2"),
            ("PROXY_SECRET", "hunter2"),
            ("VAULT_SEED", "hunter2"),
            ("TOKEN_KEYS", "hunter2"),
        ] {
            let error =
                checked(StackSecret::named(name).expect("there is one"), &bad.into()).expect_err(bad).to_string();
            assert!(error.starts_with(&format!("{name} must be ")) && !error.contains("hunter2"), "{error}");
        }
    }
}
