//! What a deploy needs, asked before it: `cargo preflight`. Changes nothing.

mod account;
mod database;
mod messages;
mod secrets;
mod tools;

use clap::{Args, ValueEnum};
use local::template;

pub use account::Standing;

use crate::{
    aws::Aws,
    table::{Table, fault, skipped},
};

#[derive(Args, Clone, Debug)]
pub struct Preflight {
    /// The stack's name
    #[arg(long, default_value = "promptlib")]
    pub stack: String,
    /// The database to use in the cluster
    #[arg(long, default_value = "promptlib")]
    pub database: String,
    /// What the cluster is; without it, what its limit of connections tells. M0 and Flex look alike
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
    fn reserved(self) -> u64 {
        let name = self.name();
        template::functions().iter().filter_map(|function| function.cap.get(name.as_str()).copied().flatten()).sum()
    }
}

/// What was found out.
pub struct Found {
    pub table: Table,
    /// Of the template, to pass to the deploy.
    pub settings: Vec<(&'static str, String)>,
    /// How the stack stands now.
    pub standing: Standing,
}

impl Found {
    /// For people: what to pass.
    pub fn parameters(&self) -> String {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("parameters of the deploy, which `cargo deploy` passes by itself:\n  {}", settings.join(" "))
    }
}

/// Asks for everything: AWS as whoever is signed in, and the cluster of a connection string.
pub async fn preflight(wanted: &Preflight, aws: Option<&Aws>, uri: Option<&str>) -> Found {
    let mut table = Table::default();
    let mut settings = vec![("DatabaseName", wanted.database.clone())];
    table.add("tools", tools::installed());
    let tier = database::check(&mut table, uri, wanted.tier, &wanted.database).await;
    settings.push(("MongoTier", tier.name()));
    let standing = match aws {
        None => {
            let remedy = "sign in (`aws configure sso`, then `aws sso login`), and set AWS_PROFILE and AWS_REGION";
            table.add("AWS login", Err(fault("no credentials, or no region", remedy)));
            Standing::Unknown
        }
        Some(aws) => account::check(&mut table, &mut settings, aws, &wanted.stack, tier).await,
    };
    if let Some(aws) = aws.filter(|_| standing != Standing::Unknown) {
        secrets::check(&mut table, aws, &wanted.stack, uri.is_some()).await;
        messages::check(&mut table, aws, wanted).await;
    } else {
        table.add("secrets, e-mail, SMS", Err(skipped("not without a login")));
    }
    let optional =
        [("AlarmEmail", &wanted.alarm_email), ("SenderEmail", &wanted.sender), ("SmsCountries", &wanted.sms_countries)];
    settings.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    Found { table, settings, standing }
}
