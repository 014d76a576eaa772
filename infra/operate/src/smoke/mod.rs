//! Whether a deployed stack does what it should: `cargo smoke --api https://…`.
//!
//! With the address alone it changes nothing: what would change something is asked without a body or a token, and is
//! refused.

mod api;
mod aws;
mod logs;
mod web;
mod write;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use local::root;

pub use api::Api;
pub use write::Account;

use crate::{
    aws::Aws,
    table::{Table, fault},
};

/// The API's description that belongs to this checkout.
const DOCUMENT: &str = "functions/openapi.json";

#[derive(Args, Clone, Debug)]
pub struct Smoke {
    /// Where the API answers: the output `ApiUrl` of the deploy, or a domain of your own
    #[arg(long)]
    pub api: String,
    /// An origin that browsers call the API from, if `AllowedOrigins` lists some
    #[arg(long, default_value = "https://smoke.example")]
    pub origin: String,
    /// Also look at the stack of this name with AWS credentials: functions, jobs, queues, logs
    #[arg(long)]
    pub stack: Option<String>,
    /// Also sign in, and record one use of no tokens, as the account `SMOKE_EMAIL` with `SMOKE_PASSWORD`; what is not
    /// set is asked for
    #[arg(long)]
    pub write: bool,
    /// The API's description that the deployed one must equal
    #[arg(long, default_value_os_t = root().join(DOCUMENT))]
    pub document: PathBuf,
}

/// Asks everything that was wished for: as `account` too, if there is one, and AWS about the stack, if one is named.
pub async fn smoke(wanted: &Smoke, account: Option<&Account>, aws: Option<&Aws>) -> anyhow::Result<Table> {
    let api = Api::at(&wanted.api)
        .context("--api must be an address such as https://abc.execute-api.eu-west-1.amazonaws.com")?;
    let is_safe = api.is_encrypted() || api.is_local();
    ensure!(account.is_none() || is_safe, "--write would send the password in the open: name the https:// address");
    let mut table = web::check(&api, &wanted.origin, &wanted.document).await;
    if let Some(account) = account {
        table.extend(write::check(&api, account).await);
    }
    if let Some(stack) = &wanted.stack {
        match aws {
            Some(aws) => table.extend(aws::check(aws, stack).await),
            None => table
                .add("AWS", Err(fault("no credentials, or no region", "sign in, and set AWS_PROFILE and AWS_REGION"))),
        }
    }
    Ok(table)
}
