//! The S3 client of an environment, and where things lie in a bucket.

use std::time::Duration;

use anyhow::anyhow;
use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{Client, config::Builder, error::DisplayErrorContext};
use tokio::sync::OnceCell;
use url::Url;

use crate::aws;

/// A folder of a bucket: `s3://bucket/prefix`.
pub(crate) struct Location {
    pub(crate) bucket: String,
    /// Without a slash at its ends; may be empty.
    pub(crate) prefix: String,
}

impl Location {
    /// What the URL names; `None` for another scheme.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let prefix = url.path().trim_matches('/').to_owned();
        (url.scheme() == "s3").then(|| Some(Self { bucket: url.host_str()?.to_owned(), prefix })).flatten()
    }
}

/// The keys of a bucket that begin with `prefix`.
pub(crate) async fn keys(bucket: &str, prefix: &str) -> anyhow::Result<Vec<String>> {
    let mut pages = client().await.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| anyhow!(DisplayErrorContext(error).to_string()))?;
        keys.extend(page.contents().iter().filter_map(|file| file.key().map(str::to_owned)));
    }
    Ok(keys)
}

/// Settings of one call, which may take this long.
pub(crate) fn within(limit: Duration) -> Builder {
    Builder::new().timeout_config(TimeoutConfig::builder().operation_timeout(limit).build())
}

/// The environment's client.
pub(crate) async fn client() -> &'static Client {
    static CLIENT: OnceCell<Client> = OnceCell::const_new();
    let connect = async || {
        let config = aws::config().await;
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_millis(800)).build();
        let builder = Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            // Emulators know buckets by path; AWS takes both.
            .force_path_style(config.endpoint_url().is_some());
        Client::from_conf(builder.build())
    };
    CLIENT.get_or_init(connect).await
}
