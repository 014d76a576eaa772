//! Where digests lie: a bucket, or a folder, such as a copy of the bucket's.
//!
//! Environment: `AUDIT_DIGESTS_URL`, `s3://bucket/prefix` or `file:///absolute/folder`.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, anyhow};
use aws_sdk_s3::error::DisplayErrorContext;
use url::Url;

use crate::{
    config,
    config::ConfigError,
    s3::{Location, client, keys, within},
};

const EXPECTED: &str = "s3://bucket/prefix or file:///absolute/folder";
/// A day of many entries is a few megabytes, and nobody waits.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The digests, one file a day: `2026-01-31.json`.
pub struct DigestStore(Place);

enum Place {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl DigestStore {
    /// Reads `AUDIT_DIGESTS_URL`; opens nothing.
    pub fn from_env() -> Result<Self, ConfigError> {
        let url = config::required("AUDIT_DIGESTS_URL", EXPECTED)?;
        Self::at(&url).ok_or_else(|| ConfigError::new("AUDIT_DIGESTS_URL", EXPECTED))
    }

    /// The place that a URL names; `None` for another scheme.
    pub fn at(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        if url.scheme() == "file" {
            return Some(Self(Place::Folder(url.to_file_path().ok()?)));
        }
        let Location { bucket, prefix } = Location::of(&url)?;
        let prefix = if prefix.is_empty() { prefix } else { prefix + "/" };
        Some(Self(Place::Bucket { bucket, prefix }))
    }

    /// The days that have a digest.
    pub async fn days(&self) -> anyhow::Result<BTreeSet<String>> {
        let names = match &self.0 {
            Place::Folder(folder) => match fs::read_dir(folder) {
                Ok(files) => files.map(|file| Ok(file?.file_name().to_string_lossy().into_owned())).collect(),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error).with_context(|| folder.display().to_string()),
            },
            Place::Bucket { bucket, prefix } => {
                let names = |key: String| Some(key.strip_prefix(prefix)?.to_owned());
                keys(bucket, prefix).await.map(|keys| keys.into_iter().filter_map(names).collect())
            }
        };
        Ok(names?.iter().filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect())
    }

    /// The digest's bytes.
    pub(super) async fn read(&self, day: &str) -> anyhow::Result<Vec<u8>> {
        match &self.0 {
            Place::Folder(folder) => Ok(fs::read(folder.join(file_name(day)))?),
            Place::Bucket { bucket, prefix } => {
                let get = client().await.get_object().bucket(bucket).key(format!("{prefix}{}", file_name(day)));
                let answer = get.customize().config_override(within(CALL_TIMEOUT)).send().await;
                let answer = answer.map_err(|error| anyhow!(DisplayErrorContext(error).to_string()))?;
                Ok(answer.body.collect().await?.to_vec())
            }
        }
    }

    /// Writes a day's digest if there is none; tells whether it did.
    pub(super) async fn write_new(&self, day: &str, bytes: Vec<u8>) -> anyhow::Result<bool> {
        match &self.0 {
            Place::Folder(folder) => {
                fs::create_dir_all(folder)?;
                match OpenOptions::new().write(true).create_new(true).open(folder.join(file_name(day))) {
                    Ok(mut file) => Ok(file.write_all(&bytes).map(|()| true)?),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            Place::Bucket { bucket, prefix } => {
                let put = client().await.put_object().bucket(bucket).key(format!("{prefix}{}", file_name(day)));
                let put = put.if_none_match("*").content_type("application/json").body(bytes.into());
                match put.customize().config_override(within(CALL_TIMEOUT)).send().await {
                    Ok(_) => Ok(true),
                    Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 412) => {
                        Ok(false)
                    }
                    Err(error) => Err(anyhow!(DisplayErrorContext(error).to_string())),
                }
            }
        }
    }
}

fn file_name(day: &str) -> String {
    format!("{day}.json")
}
