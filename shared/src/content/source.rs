//! Where published content lies: a folder or a bucket.
//!
//! Environment: `CONTENT_URL`, `file:///absolute/folder` or `s3://bucket/prefix`.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use aws_sdk_s3::{Client, error::DisplayErrorContext, operation::get_object::GetObjectError};
use url::Url;

use super::Kind;
use crate::{
    config,
    config::ConfigError,
    s3::{Location, client, within},
};

/// A reader waits for the source at most this long; then the next link of the chain serves.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Whoever publishes, a job or somebody at a slow line (a megabyte at 0.5 Mbit/s), may take longer, to read what is
/// there as well as to write.
pub(super) const PATIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a published file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("there is no {0}")]
    Missing(String),
    /// The source did not answer, or refused.
    #[error("{0}")]
    Unreachable(String),
}

/// A file, or word that it is still the one that the reader has.
pub(super) enum Fetched {
    Unchanged,
    New { bytes: Vec<u8>, tag: String },
}

/// A folder or bucket with `prompts.json`, `patterns.json` and `learning.json`.
pub struct PublishedContent(Place);

enum Place {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl PublishedContent {
    /// Reads `CONTENT_URL`; opens nothing.
    pub fn from_env() -> Result<Self, ConfigError> {
        let expected = "file:///absolute/folder or s3://bucket/prefix";
        Self::at(&config::required("CONTENT_URL", expected)?).ok_or_else(|| ConfigError::new("CONTENT_URL", expected))
    }

    /// The place that a URL names; `None` for another scheme.
    pub fn at(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        if url.scheme() == "file" {
            return Some(Self(Place::Folder(url.to_file_path().ok()?)));
        }
        Location::of(&url).map(|Location { bucket, prefix }| Self(Place::Bucket { bucket, prefix }))
    }

    /// The file of `kind`, unless it still is the one with this tag. A bucket has `limit` to answer, and again for the
    /// file to arrive.
    pub(super) async fn fetch(&self, kind: Kind, tag: Option<&str>, limit: Duration) -> Result<Fetched, SourceError> {
        self.fetch_file(kind.file_name(), tag, limit).await
    }

    /// A small file beside the content, for a reader who waits for it.
    pub async fn read_file(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        match self.fetch_file(name, None, READ_TIMEOUT).await? {
            Fetched::New { bytes, .. } => Ok(bytes),
            Fetched::Unchanged => Err(SourceError::Missing(name.to_owned())),
        }
    }

    async fn fetch_file(&self, name: &str, tag: Option<&str>, limit: Duration) -> Result<Fetched, SourceError> {
        match &self.0 {
            Place::Folder(folder) => fetch_from_folder(&folder.join(name), tag),
            Place::Bucket { bucket, prefix } => {
                fetch_from_bucket(client().await, bucket, &key(prefix, name), tag, limit).await
            }
        }
    }

    /// Whether the file of `kind` can be read.
    pub async fn ping(&self, kind: Kind) -> Result<(), SourceError> {
        self.fetch(kind, None, READ_TIMEOUT).await.map(drop)
    }

    /// Puts the file of `kind` in its place in one step: a reader sees the old one or the new one, whole.
    pub async fn publish(&self, kind: Kind, bytes: Vec<u8>) -> Result<(), SourceError> {
        self.publish_file(kind.file_name(), bytes).await
    }

    /// As [`PublishedContent::publish`], a file beside the content.
    pub async fn publish_file(&self, name: &str, bytes: Vec<u8>) -> Result<(), SourceError> {
        match &self.0 {
            Place::Folder(folder) => {
                publish_to_folder(folder, name, &bytes).map_err(|error| SourceError::Unreachable(error.to_string()))
            }
            Place::Bucket { bucket, prefix } => {
                let put = client().await.put_object().bucket(bucket).key(key(prefix, name));
                let put = put.content_type("application/json").body(bytes.into());
                put.customize()
                    .config_override(within(PATIENT_TIMEOUT))
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| SourceError::Unreachable(DisplayErrorContext(error).to_string()))
            }
        }
    }
}

fn key(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.into() } else { format!("{prefix}/{name}") }
}

async fn fetch_from_bucket(
    client: &Client,
    bucket: &str,
    key: &str,
    tag: Option<&str>,
    limit: Duration,
) -> Result<Fetched, SourceError> {
    let request = client.get_object().bucket(bucket).key(key).set_if_none_match(tag.map(str::to_owned));
    let answer = match request.customize().config_override(within(limit)).send().await {
        Ok(answer) => answer,
        Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 304) => {
            return Ok(Fetched::Unchanged);
        }
        Err(error) => {
            return Err(match error.as_service_error() {
                Some(GetObjectError::NoSuchKey(_)) => SourceError::Missing(key.to_owned()),
                _ => SourceError::Unreachable(DisplayErrorContext(error).to_string()),
            });
        }
    };
    let tag = answer.e_tag().unwrap_or_default().to_owned();
    let read = tokio::time::timeout(limit, answer.body.collect()).await;
    match read {
        Ok(Ok(bytes)) => Ok(Fetched::New { bytes: bytes.to_vec(), tag }),
        Ok(Err(error)) => Err(SourceError::Unreachable(error.to_string())),
        Err(_) => Err(SourceError::Unreachable(format!("{key} did not arrive in time"))),
    }
}

fn fetch_from_folder(path: &Path, tag: Option<&str>) -> Result<Fetched, SourceError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => SourceError::Missing(path.display().to_string()),
        _ => SourceError::Unreachable(format!("{}: {error}", path.display())),
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let current = format!("{}-{}", modified.as_nanos(), metadata.len());
    if tag == Some(current.as_str()) {
        return Ok(Fetched::Unchanged);
    }
    Ok(Fetched::New { bytes: std::fs::read(path).map_err(failed)?, tag: current })
}

fn publish_to_folder(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{name}.{}", crate::id::new()));
    std::fs::write(&unfinished, bytes)?;
    std::fs::rename(unfinished, folder.join(name))
}
