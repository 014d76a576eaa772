//! What a deploy needs, asked before it: `cargo preflight`. Changes nothing.

mod account;
mod database;
mod messages;
mod secrets;
mod tools;
mod users;
mod wanted;

use account::Deployed;

pub use account::Standing;
pub(crate) use wanted::VARIABLES;
pub use wanted::{ConnectionStrings, Preflight, Tier, Users};

use crate::{
    aws::Aws,
    table::{Table, fault, skipped},
};

/// The database of a new stack.
const DATABASE: &str = "promptlib";

/// What was found out.
pub struct Found {
    pub table: Table,
    /// Of the template, to pass to the deploy.
    pub settings: Vec<(&'static str, String)>,
    /// How the stack stands now.
    pub standing: Standing,
    /// The database that it uses.
    pub database: String,
    /// As whom its functions sign in there.
    pub users: Users,
}

impl Found {
    /// For people: what to pass.
    pub fn parameters(&self) -> String {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("parameters of the deploy, which `cargo deploy` passes by itself:\n  {}", settings.join(" "))
    }
}

/// Asks for everything: AWS as whoever is signed in, and the cluster of the connection strings.
pub async fn preflight(wanted: &Preflight, aws: Option<&Aws>, strings: &ConnectionStrings) -> Found {
    let mut table = Table::default();
    let described = match aws {
        Some(aws) => account::described(aws, &wanted.stack).await,
        None => Ok(None),
    };
    // What nobody names stays as it is.
    let deployed = described.as_ref().ok().and_then(Option::as_deref).map(Deployed::read).unwrap_or_default();
    let database = wanted.database.clone().or(deployed.database).unwrap_or_else(|| DATABASE.into());
    let users = wanted.database_users.or(deployed.users).unwrap_or_default();
    let mut settings = vec![("DatabaseName", database.clone()), ("DatabaseUsers", users.name())];
    table.add("tools", tools::installed());
    let tier = database::check(&mut table, strings, users, wanted.tier.or(deployed.tier), &database).await;
    settings.push(("MongoTier", tier.name()));
    let standing = match aws {
        None => {
            let remedy = "sign in (`aws configure sso`, then `aws sso login`), and set AWS_PROFILE and AWS_REGION";
            table.add("AWS login", Err(fault("no credentials, or no region", remedy)));
            Standing::Unknown
        }
        Some(aws) => account::check(&mut table, &mut settings, aws, &wanted.stack, tier, &described).await,
    };
    if let Some(aws) = aws.filter(|_| standing != Standing::Unknown) {
        secrets::check(&mut table, aws, &wanted.stack, users, strings).await;
        messages::check(&mut table, aws, wanted).await;
    } else {
        table.add("secrets, e-mail, SMS", Err(skipped("not without a login")));
    }
    let optional =
        [("AlarmEmail", &wanted.alarm_email), ("SenderEmail", &wanted.sender), ("SmsCountries", &wanted.sms_countries)];
    settings.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    Found { table, settings, standing, database, users }
}
