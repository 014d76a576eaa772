//! How the client is built. Environment: `MONGODB_URI` ([secret](crate::secrets)), `DB_NAME` (default `promptlib`).

use std::{sync::Arc, time::Duration};

use mongodb::{
    Client,
    options::{
        Acknowledgment, ClientOptions, ConnectionString, ReadPreference, ServerApi, ServerApiVersion,
        ServerMonitoringMode, WriteConcern,
    },
};
use secrecy::{ExposeSecret, SecretString};

use super::{Error, SocketCounter};
use crate::{config, config::ConfigError, secrets::Secret, telemetry};

/// One operation at a time is all that a Lambda environment runs.
const MAX_POOL_SIZE: u32 = 1;
/// No socket without work.
const MIN_POOL_SIZE: u32 = 0;
const MAX_CONNECTING: u32 = 1;
/// Within one long invocation: NAT gateways drop silent sockets after 350 s. A shorter time would do nothing more, since
/// no timer runs while Lambda has the process frozen: the wall-clock check of [`super::Mongo`] does that job.
const MAX_IDLE: Duration = Duration::from_mins(1);
/// A thawed environment hangs for as long on a dead socket. In the cluster's region a connection takes well under 100 ms.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Within [`REQUEST_TIMEOUT`], so that who calls while there is no primary has their 503 soon.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_millis(2500);

/// A sign-in that keeps failing does not ask for the connection string each time.
const READ_ANEW_AFTER: Duration = Duration::from_secs(5);
const EXPECTED: &str = "set to the cluster's connection string (mongodb:// or mongodb+srv://), or to ssm:/… with the name \
                        of the parameter that holds it";

/// The longest that a request waits for the database.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest that one operation of a job or consumer takes: nobody waits for its answer.
pub const WORK_TIMEOUT: Duration = Duration::from_secs(15);

/// Where the database is. Neither prints nor serialises the connection string.
#[derive(Clone)]
pub struct MongoSettings {
    uri: Arc<Secret<SecretString>>,
    pub database: String,
}

impl MongoSettings {
    /// Reads `MONGODB_URI` and `DB_NAME`; asks no DNS.
    pub fn from_env() -> Result<Self, ConfigError> {
        let missing = || ConfigError::new("MONGODB_URI", EXPECTED);
        let uri = Secret::optional("MONGODB_URI", connection_string)?.ok_or_else(missing)?;
        Ok(Self { uri: Arc::new(uri), database: config::optional("DB_NAME").unwrap_or_else(|| "promptlib".into()) })
    }

    /// The database that the connection string names, which is not asked for anything: `DB_NAME` is.
    pub async fn database_in_uri(&self) -> Result<Option<String>, Error> {
        let uri = self.uri.get().await?;
        Ok(ConnectionString::parse(uri.expose_secret()).map_err(Error::from)?.default_database)
    }

    /// The servers that the connection string names, by way of the name service where it says so.
    pub async fn hosts(&self) -> Result<Vec<String>, Error> {
        let uri = self.uri.get().await?;
        let options = ClientOptions::parse(uri.expose_secret()).await.map_err(Error::from)?;
        Ok(options.hosts.iter().map(ToString::to_string).collect())
    }

    /// From values at hand.
    pub fn new(uri: impl Into<SecretString>, database: impl Into<String>) -> Self {
        Self { uri: Arc::new(Secret::given(uri.into())), database: database.into() }
    }

    /// A client with the bundle's options. Its monitors dial at once; the pool dials on first use.
    pub(super) async fn connect(&self, socket_counter: &Arc<SocketCounter>) -> Result<Client, Error> {
        let uri = self.uri.get().await?;
        let options = options(&uri, socket_counter).await.map_err(Error::from)?;
        Client::with_options(options).map_err(Error::from)
    }

    /// Reads the connection string, if it is not there yet.
    pub(super) async fn has_uri(&self) -> Result<(), Error> {
        Ok(self.uri.get().await.map(drop)?)
    }

    /// Has the connection string read anew, since the server refuses its user or password.
    pub(super) async fn distrust_uri(&self) {
        self.uri.distrust(READ_ANEW_AFTER).await;
    }
}

/// Whether this is a connection string that the bundle can use; an error says what it must be.
pub fn check_uri(uri: &str) -> Result<(), String> {
    connection_string(uri).map(drop)
}

async fn options(uri: &SecretString, socket_counter: &Arc<SocketCounter>) -> mongodb::error::Result<ClientOptions> {
    let mut options = ClientOptions::parse(uri.expose_secret()).await?;
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
    // Whatever the connection string says: a secondary may not know yet what was written.
    options.selection_criteria = Some(ReadPreference::Primary.into());
    options.retry_reads = Some(true);
    options.retry_writes = Some(true);
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).build());
    options.server_api = Some(ServerApi::builder().version(ServerApiVersion::V1).build());
    options.cmap_event_handler = Some(socket_counter.pool_events());
    options.sdam_event_handler = Some(socket_counter.monitor_events());
    Ok(options)
}

/// Refuses what would fail at the first operation. The driver's own words are left out: they quote.
fn connection_string(uri: &str) -> Result<SecretString, String> {
    let parsed = ConnectionString::parse(uri).map_err(|_| {
        "a connection string that the driver can read, mongodb://… or mongodb+srv://…, with %XX for what is special in \
         a password"
    })?;
    #[expect(deprecated, reason = "read all the same: the driver refuses it, but only when it connects")]
    if parsed.socket_timeout.is_some() {
        return Err("a connection string without socketTimeoutMS, which the driver lacks".into());
    }
    Ok(uri.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::options::SelectionCriteria;

    #[tokio::test]
    async fn what_the_bundle_relies_on_is_not_the_connection_strings_to_say() {
        let uri = "mongodb://a,b,c/?replicaSet=r&readPreference=secondaryPreferred&readPreferenceTags=dc:x\
                   &maxPoolSize=50&minPoolSize=5&w=0&retryWrites=false&retryReads=false&serverMonitoringMode=stream";
        let options = options(&uri.into(), &Arc::default()).await.expect("readable");
        assert_eq!(options.selection_criteria, Some(SelectionCriteria::ReadPreference(ReadPreference::Primary)));
        assert_eq!((options.max_pool_size, options.min_pool_size), (Some(1), Some(0)));
        assert_eq!(options.server_monitoring_mode, Some(ServerMonitoringMode::Poll));
        assert_eq!((options.retry_reads, options.retry_writes), (Some(true), Some(true)));
        assert_eq!(options.write_concern.and_then(|concern| concern.w), Some(Acknowledgment::Majority));
    }

    #[test]
    fn a_connection_string_that_cannot_work_ends_the_start_and_is_not_printed() {
        for good in [
            "mongodb://127.0.0.1:1",
            "mongodb://127.0.0.1:27117/?directConnection=true",
            "mongodb+srv://promptlib:p%40ss@cluster.abcde.mongodb.net/?retryWrites=true&w=majority&appName=Cluster0",
        ] {
            assert!(connection_string(good).is_ok(), "{good}");
        }
        for bad in [
            "postgres://user:hunter2@host",
            "mongodb://",
            "mongodb://user:hunter2@host:port",
            "mongodb://user:hunter2@more@host/",
            "mongodb://user:hunter2/more@host/",
            "mongodb+srv://user:hunter2@host:27017/",
            "mongodb+srv://user:hunter2@one,other/",
            "mongodb://user:hunter2@host/?readPreference=hunter2",
            "mongodb://user:hunter2@host/?noSuchOption=hunter2",
            "mongodb+srv://user:hunter2@host/?socketTimeoutMS=15000",
        ] {
            let expected = connection_string(bad).expect_err(bad);
            assert!(expected.contains("a connection string") && !expected.contains("hunter2"), "{bad}: {expected}");
        }
    }
}
