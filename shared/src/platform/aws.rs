//! The one AWS configuration of an environment: where credentials and the region come from is found out once, at the
//! first use.
//!
//! Environment: the AWS SDK's own variables.

use aws_config::{BehaviorVersion, SdkConfig};
use tokio::sync::OnceCell;

static CONFIG: OnceCell<SdkConfig> = OnceCell::const_new();

/// What every client of a service is made from, with time limits of its own.
pub async fn config() -> &'static SdkConfig {
    CONFIG.get_or_init(async || aws_config::load_defaults(BehaviorVersion::latest()).await).await
}

/// Why a call failed, in a line: the SDK's own text says only where.
pub fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
