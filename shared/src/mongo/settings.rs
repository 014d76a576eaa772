//! How the client is built. Environment: `MONGODB_URI` (secret), `DB_NAME` (default `promptlib`).

use std::{sync::Arc, time::Duration};

use mongodb::{
    Client,
    options::{Acknowledgment, ClientOptions, ServerApi, ServerApiVersion, ServerMonitoringMode, WriteConcern},
};
use secrecy::{ExposeSecret, SecretString};

use super::{Error, Ledger};
use crate::{config, config::ConfigError, telemetry};

/// One operation at a time is all that a Lambda environment runs.
const MAX_POOL_SIZE: u32 = 1;
/// No socket without work.
const MIN_POOL_SIZE: u32 = 0;
const MAX_CONNECTING: u32 = 1;
/// The audit has 5 s, which does nothing while Lambda has the process frozen (no timer runs then);
/// the wall-clock check of [`super::Mongo`] does that job. Within one long invocation 60 s is
/// below every silent-drop window.
const MAX_IDLE: Duration = Duration::from_mins(1);
/// The audit has 8 s: a thawed environment then hangs for as long on a dead socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The audit has 10 s; API Gateway's callers should have their 503 sooner.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_millis(2500);

/// The longest that a request waits for the database.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(3);
/// The longest that one operation of a job or consumer takes (the audit's socket timeout).
pub const WORK_LIMIT: Duration = Duration::from_secs(15);

/// Where the database is. Neither prints nor serialises the connection string.
#[derive(Clone)]
pub struct MongoSettings {
    uri: SecretString,
    /// Name of the database.
    pub database: String,
}

impl MongoSettings {
    /// Reads `MONGODB_URI` and `DB_NAME`.
    pub fn from_env() -> Result<Self, ConfigError> {
        let uri =
            config::required_secret("MONGODB_URI", "the cluster's connection string (mongodb:// or mongodb+srv://)")?;
        if !uri.expose_secret().starts_with("mongodb://") && !uri.expose_secret().starts_with("mongodb+srv://") {
            return Err(ConfigError::new(
                "MONGODB_URI",
                "a connection string that begins with mongodb:// or mongodb+srv://",
            ));
        }
        Ok(Self::new(uri, config::optional("DB_NAME").unwrap_or_else(|| "promptlib".into())))
    }

    /// From values at hand.
    pub fn new(uri: impl Into<SecretString>, database: impl Into<String>) -> Self {
        Self { uri: uri.into(), database: database.into() }
    }

    /// A client with the bundle's options. Its monitors dial at once; the pool dials on first use.
    pub(super) async fn connect(&self, ledger: &Arc<Ledger>) -> Result<Client, Error> {
        let options = self.options(ledger).await.map_err(Error::from)?;
        Client::with_options(options).map_err(Error::from)
    }

    async fn options(&self, ledger: &Arc<Ledger>) -> mongodb::error::Result<ClientOptions> {
        let mut options = ClientOptions::parse(self.uri.expose_secret()).await?;
        options.app_name = Some(telemetry::function_name());
        options.max_pool_size = Some(MAX_POOL_SIZE);
        options.min_pool_size = Some(MIN_POOL_SIZE);
        options.max_connecting = Some(MAX_CONNECTING);
        options.max_idle_time = Some(MAX_IDLE);
        options.connect_timeout = Some(CONNECT_TIMEOUT);
        options.server_selection_timeout = Some(SERVER_SELECTION_TIMEOUT);
        // Explicitly: the driver's own detection of Lambda is undone by a mere FUNCTION_NAME in the
        // environment, and streaming costs three more sockets.
        options.server_monitoring_mode = Some(ServerMonitoringMode::Poll);
        options.retry_reads = Some(true);
        options.retry_writes = Some(true);
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).build());
        options.server_api = Some(ServerApi::builder().version(ServerApiVersion::V1).build());
        options.cmap_event_handler = Some(ledger.pool_events());
        options.sdam_event_handler = Some(ledger.monitor_events());
        Ok(options)
    }
}
