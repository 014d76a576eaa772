//! What somebody wants to deploy.

use std::env;

use clap::{Args, ValueEnum};
use local::template;

#[derive(Args, Clone, Debug)]
pub struct Preflight {
    /// The stack's name
    #[arg(long, default_value = "promptlib")]
    pub stack: String,
    /// The database to use in the cluster; without it, the one that the stack uses, or promptlib
    #[arg(long)]
    pub database: Option<String>,
    /// What the cluster is; without it, what the stack was told, or what its limit of connections tells. M0 and Flex look
    /// alike
    #[arg(long)]
    pub tier: Option<Tier>,
    /// As whom functions sign in to the database; without it, what the stack was told, or one. `three`: those that only read
    /// with `MONGODB_READER_URI`, the monitor with `MONGODB_MONITOR_URI`, the others with `MONGODB_URI`
    #[arg(long)]
    pub database_users: Option<Users>,
    /// The address that e-mails to users come from
    #[arg(long)]
    pub sender: Option<String>,
    /// The address that alarms and reports go to
    #[arg(long)]
    pub alarm_email: Option<String>,
    /// Country calling codes that SMS may go to, such as `41,49`
    #[arg(long)]
    pub sms_countries: Option<String>,
}

/// As the template's parameter `DatabaseUsers` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Users {
    #[default]
    One,
    Three,
}

impl Users {
    /// As the template names it.
    pub fn name(self) -> String {
        named(&self)
    }
}

fn named(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Variables that hold a connection string until it is stored.
pub(crate) const VARIABLES: [&str; 3] = ["MONGODB_URI", "MONGODB_READER_URI", "MONGODB_MONITOR_URI"];

/// The connection strings that somebody gives. Not arguments: other processes see those.
#[derive(Clone, Default)]
pub struct ConnectionStrings {
    pub main: Option<String>,
    pub reader: Option<String>,
    pub monitor: Option<String>,
}

impl ConnectionStrings {
    pub fn from_env() -> Self {
        let [main, reader, monitor] = VARIABLES.map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
        Self { main, reader, monitor }
    }
}

/// As the template's parameter `MongoTier` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    #[value(name = "M0")]
    M0,
    #[value(name = "Flex")]
    Flex,
    #[value(name = "M10")]
    M10,
}

impl Tier {
    /// As the template names it.
    pub fn name(self) -> String {
        named(&self)
    }

    /// Environments that all caps together reserve.
    pub(super) fn reserved(self) -> u64 {
        let name = self.name();
        template::functions().iter().filter_map(|function| function.cap.get(name.as_str()).copied().flatten()).sum()
    }
}
