//! The S3 client of an environment.

use std::time::Duration;

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{Client, config::Builder};
use tokio::sync::OnceCell;

use crate::aws;

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
