//! One command from a checkout to an address: `cargo deploy`.
//!
//! Environment: `MONGODB_URI`, `MONGODB_READER_URI` and `MONGODB_MONITOR_URI` until they are stored; the AWS variables.

use std::{process::Command, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::Args;
use local::{
    root,
    step::{openly, step},
};

use crate::{
    aws::{Aws, CLOUDFORMATION, element, paired},
    preflight::{self, ConnectionStrings, Found, Preflight, Standing, Users, VARIABLES},
};

/// Of the questions about stacks.
const VERSION: &str = "2010-05-15";
/// Functions and log groups are gone within minutes.
const DELETED_WITHIN: Duration = Duration::from_mins(15);
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);

#[derive(Args, Clone, Debug)]
pub struct Deploy {
    #[command(flatten)]
    pub preflight: Preflight,
    /// A parameter of the template besides those that the preflight finds: `AllowedOrigins=https://example.com`
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Leave the starter content out: the content of the application before takes its place
    #[arg(long)]
    pub no_seed: bool,
}

/// Asks, builds, deploys, fills, and prints the address. Each step can be repeated: one that failed stops nothing that
/// comes after it the next time.
pub async fn deploy(wanted: &Deploy, aws: Option<&Aws>, strings: &ConnectionStrings) -> anyhow::Result<()> {
    let parameters = wanted.parameters.iter().map(|parameter| one(parameter)).collect::<anyhow::Result<Vec<_>>>()?;
    let x86 = parameters.iter().any(|(name, value)| *name == "Architecture" && *value != "arm64");
    ensure!(!x86, "this builds for arm64: for another Architecture build and deploy with SAM");
    let is_named = |parameter: &str| parameters.iter().any(|(name, _)| *name == parameter);
    ensure!(!is_named("DatabaseName"), "name the database with --database: its collections are made there, too");
    ensure!(!is_named("DatabaseUsers"), "choose the users with --database-users: their secrets are made, too");
    let found = preflight::preflight(&wanted.preflight, aws, strings).await;
    println!("{}\n", found.table);
    let faults = found.table.faults();
    ensure!(faults.is_empty(), "nothing was changed: mend these first: {}", faults.join(", "));
    // What nobody names stays as it was deployed: that has to be known.
    ensure!(
        found.standing != Standing::Unknown,
        "nothing was changed: AWS did not say how the stack stands: try again"
    );
    let stack = wanted.preflight.stack.as_str();
    step("building the functions", || openly(&mut build()))?;
    step("making the secrets that are missing", || {
        let mut command = db(stack, &["secrets", "--stack", stack]);
        if found.users != Users::One {
            command.args(["--database-users", &found.users.name()]);
        }
        openly(command.env_remove("CONTENT_URL"))
    })?;
    let aws = aws.context("not signed in")?;
    if found.standing == Standing::Failed {
        eprintln!("removing what a failed deploy left …");
        remove(aws, stack).await?;
    }
    step("deploying", || openly(&mut sam(stack, &aws.region, &found, &parameters)))?;
    let outputs = Outputs::of(aws, stack).await?;
    let content = format!("s3://{}/content", outputs.named("ContentBucketName")?);
    let fill = |what: &str, verb: &[&str]| {
        let mut command = without_strings(db(stack, verb));
        // The string is in Parameter Store by now; a stale one of this shell does not count.
        command.env("MONGODB_URI", format!("ssm:/{stack}/mongodb-uri")).env("DB_NAME", &found.database);
        step(what, || openly(command.env("CONTENT_URL", &content)))
    };
    fill("creating collections and indexes", &["apply"])?;
    if !wanted.no_seed {
        fill("importing what is missing of the starter content", &["seed"])?;
        fill("publishing the content", &["publish"])?;
    }
    let api = outputs.named("ApiUrl")?;
    println!("\nThe API: {api}   (page: {api}/api/docs)");
    println!("The dashboard: {}", outputs.named("DashboardUrl")?);
    println!("\nDoes it work? cargo smoke --api {api} --stack {stack}");
    if wanted.no_seed {
        println!("Move in, then `cargo db publish`: infra/README.md.");
    }
    Ok(())
}

/// A parameter of the template, which may hold no secret: those are in Parameter Store.
fn one(parameter: &str) -> anyhow::Result<(&str, &str)> {
    parameter
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .with_context(|| format!("{parameter} is not NAME=VALUE"))
}

/// For arm64, by pinned tools, each binary checked.
fn build() -> Command {
    let mut command = Command::new("cargo");
    // No build script need know it.
    command.args(["local", "release"]).current_dir(root());
    without_strings(command)
}

fn db(stack: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--bin", "db", "--"]).args(arguments).env("STACK_NAME", stack).current_dir(root());
    command
}

/// Deletes a stack, and waits until it is gone. One whose first deploy failed holds nothing: what outlives a stack does
/// not outlive its failed creation (`RetainExceptOnCreate`).
pub async fn remove(aws: &Aws, stack: &str) -> anyhow::Result<()> {
    let call = |action| [("Action", action), ("StackName", stack)];
    if let Err(refusal) = aws.query(CLOUDFORMATION, VERSION, &call("DeleteStack")).await {
        bail!("the stack {stack} cannot be deleted: {refusal}");
    }
    for _ in 0..DELETED_WITHIN.as_secs() / ASK_AGAIN_AFTER.as_secs() {
        match aws.query(CLOUDFORMATION, VERSION, &call("DescribeStacks")).await {
            Err(refusal) if refusal.is("ValidationError") => return Ok(()),
            Err(refusal) => bail!("the stack {stack} cannot be read: {refusal}"),
            Ok(described) => match element(&described, "StackStatus") {
                Some("DELETE_COMPLETE") => return Ok(()),
                Some("DELETE_FAILED") => {
                    bail!("the stack {stack} cannot be deleted: its events say what is in the way")
                }
                _ => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            },
        }
    }
    bail!("the stack {stack} is not gone after {} minutes", DELETED_WITHIN.as_secs() / 60)
}

/// SAM does not look at `AWS_REGION` by itself.
fn sam(stack: &str, region: &str, found: &Found, parameters: &[(&str, &str)]) -> Command {
    let mut command = Command::new("sam");
    command.args([
        "deploy",
        "--stack-name",
        stack,
        "--s3-prefix",
        stack,
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
    ]);
    command.args(["--region", region]).arg("--parameter-overrides").args(overrides(found, parameters));
    command.env("SAM_CLI_TELEMETRY", "0").current_dir(root());
    without_strings(command)
}

/// Who has no use for the connection strings does not get them.
fn without_strings(mut command: Command) -> Command {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// What the preflight found, and what was wished for instead or besides.
fn overrides(found: &Found, parameters: &[(&str, &str)]) -> Vec<String> {
    let found = found.settings.iter().map(|(name, value)| (*name, value.as_str()));
    let found = found.filter(|(name, _)| !parameters.iter().any(|(own, _)| own == name));
    found.chain(parameters.iter().copied()).map(|(name, value)| format!("{name}={value}")).collect()
}

/// What a stack tells of itself.
struct Outputs(String);

impl Outputs {
    async fn of(aws: &Aws, stack: &str) -> anyhow::Result<Self> {
        let call = [("Action", "DescribeStacks"), ("StackName", stack)];
        match aws.query(CLOUDFORMATION, VERSION, &call).await {
            Ok(described) => Ok(Self(described)),
            Err(refusal) => bail!("the stack {stack} cannot be read: {refusal}"),
        }
    }

    fn named(&self, output: &str) -> anyhow::Result<&str> {
        paired(&self.0, ("OutputKey", output), "OutputValue")
            .with_context(|| format!("the stack has no output {output}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn a_parameter_that_was_named_counts_instead_of_the_found_one() {
        let settings = vec![("MongoTier", "M0".to_owned()), ("ReserveConcurrency", "false".to_owned())];
        let (standing, database, users) = (Standing::None, "promptlib".into(), Users::One);
        let found = Found { table: Table::default(), settings, standing, database, users };
        let named = [one("MongoTier=Flex").expect("one"), one("AllowedOrigins=https://a.example?x=1").expect("one")];
        let expected = ["ReserveConcurrency=false", "MongoTier=Flex", "AllowedOrigins=https://a.example?x=1"];
        assert_eq!(overrides(&found, &named), expected);
        assert!(one("MongoTier").is_err() && one("=x").is_err());
    }
}
