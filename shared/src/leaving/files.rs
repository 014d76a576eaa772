//! Where exports are: a bucket, whose lifecycle removes them.

use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_s3::{
    error::DisplayErrorContext,
    operation::get_object::GetObjectError,
    types::{Delete, ObjectIdentifier},
};
use url::Url;

use crate::{
    config::{self, ConfigError},
    keys::sha256,
    s3::{Location, client, keys, within},
};

const EXPECTED: &str = "s3://bucket/prefix";
/// A part is written in the background, and read by somebody who waits.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Source: `DeleteObjects`.
const KEYS_PER_CALL: usize = 1000;

/// The parts of exports: `<hash of the account's id>/<folder>/<part>.jsonl`.
pub struct ExportFiles(Location);

impl ExportFiles {
    /// Reads `ACCOUNT_EXPORTS_URL`; opens nothing.
    pub fn from_env() -> Result<Self, ConfigError> {
        let url = config::required("ACCOUNT_EXPORTS_URL", EXPECTED)?;
        let location = Url::parse(&url).ok().and_then(|url| Location::of(&url));
        // The whole bucket is not the exports' alone.
        let location = location.filter(|location| !location.prefix.is_empty());
        location.map(Self).ok_or_else(|| ConfigError::new("ACCOUNT_EXPORTS_URL", EXPECTED))
    }

    pub(super) async fn write(&self, account_id: &str, folder: &str, part: u32, lines: Vec<u8>) -> anyhow::Result<()> {
        let put = client().await.put_object().bucket(&self.0.bucket).key(self.key(account_id, folder, part));
        let put = put.content_type("application/jsonl").body(lines.into()).customize();
        let put = put.config_override(within(CALL_TIMEOUT)).send().await;
        put.map(drop).map_err(|error| anyhow!(DisplayErrorContext(error).to_string()))
    }

    /// `None` when it expired, and was removed.
    pub(super) async fn read(&self, account_id: &str, folder: &str, part: u32) -> anyhow::Result<Option<Vec<u8>>> {
        let get =
            client().await.get_object().bucket(&self.0.bucket).key(self.key(account_id, folder, part)).customize();
        match get.config_override(within(CALL_TIMEOUT)).send().await {
            Ok(answer) => Ok(Some(answer.body.collect().await?.to_vec())),
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(anyhow!(DisplayErrorContext(error).to_string())),
        }
    }

    /// Removes every export of an account.
    pub(super) async fn remove(&self, account_id: &str) -> anyhow::Result<()> {
        let named = keys(&self.0.bucket, &self.folder_of(account_id)).await?;
        for named in named.chunks(KEYS_PER_CALL) {
            let objects = named.iter().map(|key| ObjectIdentifier::builder().key(key).build());
            let objects = objects.collect::<Result<Vec<_>, _>>()?;
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build()?;
            let answer = client().await.delete_objects().bucket(&self.0.bucket).delete(delete).send().await;
            let answer = answer.map_err(|error| anyhow!(DisplayErrorContext(error).to_string()))?;
            anyhow::ensure!(answer.errors().is_empty(), "{} files were not removed", answer.errors().len());
        }
        Ok(())
    }

    /// An imported id may hold any character; and whoever lists the bucket need not know whose exports these are.
    fn folder_of(&self, account_id: &str) -> String {
        format!("{}/{}/", self.0.prefix, &sha256(account_id)[..32])
    }

    fn key(&self, account_id: &str, folder: &str, part: u32) -> String {
        format!("{}{folder}/{part}.jsonl", self.folder_of(account_id))
    }
}
