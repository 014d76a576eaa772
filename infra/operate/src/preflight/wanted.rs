//! What somebody wants to deploy.

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
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Environments that all caps together reserve.
    pub(super) fn reserved(self) -> u64 {
        let name = self.name();
        template::functions().iter().filter_map(|function| function.cap.get(name.as_str()).copied().flatten()).sum()
    }
}
