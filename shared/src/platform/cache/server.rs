//! Where the cache is, in this order:
//!
//! - `REDIS_URL` (`redis://` or `rediss://`, [secret](crate::secrets)): any Redis-compatible server; none if it names a
//!   parameter that is not there;
//! - `CACHE_NAME`: an ElastiCache Serverless cache with IAM authentication as `CACHE_USER`, at the
//!   host `CACHE_ENDPOINT`, which the template takes from the cache;
//! - neither: no server.

use std::time::Duration;

use anyhow::Context;
use futures_util::{FutureExt, future::BoxFuture};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    aio::MultiplexedConnection,
};
use tokio::time::timeout;

use super::elasticache::ElastiCache;
use crate::{config, config::ConfigError, secrets::Secret};

/// The longest that a caller waits for an answer of the cache.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_millis(300);
/// The longest that a caller waits for a connection where it takes TLS, and perhaps a signed password: on a seventh of a
/// processor that is several times as long as a call.
const TLS_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) enum Server {
    Url(Secret<ConnectionInfo>),
    ElastiCache(Box<ElastiCache>),
}

impl Server {
    pub(super) fn from_env() -> Result<Option<Self>, ConfigError> {
        if let Some(url) = Secret::optional("REDIS_URL", connection_info)? {
            return Ok(Some(Self::Url(url)));
        }
        let Some(name) = config::optional("CACHE_NAME") else { return Ok(None) };
        let user = config::required("CACHE_USER", "the ElastiCache user that this function signs in as")?;
        let endpoint = config::required("CACHE_ENDPOINT", "the host of the ElastiCache cache")?;
        Ok(Some(Self::ElastiCache(Box::new(ElastiCache::new(&name, user, endpoint)))))
    }

    #[cfg(test)]
    pub(super) fn at(url: &str) -> Option<Self> {
        url.into_connection_info().ok().map(|info| Self::Url(Secret::given(info)))
    }

    /// Whether there is one, as far as can be told.
    pub(super) async fn exists(&self) -> bool {
        match self {
            Self::Url(url) => url.find().await.is_ok_and(|url| url.is_some()),
            Self::ElastiCache(_) => true,
        }
    }

    /// Boxed: every caller of the cache would hold the SDK's futures otherwise.
    pub(super) fn connect(&self) -> BoxFuture<'_, anyhow::Result<MultiplexedConnection>> {
        async {
            let info = self.info().await?;
            let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
            let limit = if is_tls { TLS_CONNECT_TIMEOUT } else { CALL_TIMEOUT };
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(limit))
                .set_response_timeout(Some(CALL_TIMEOUT));
            let client = Client::open(info)?;
            let connected = timeout(limit, client.get_multiplexed_async_connection_with_config(&config)).await;
            Ok(connected.with_context(|| format!("no connection within {} ms", limit.as_millis()))??)
        }
        .boxed()
    }

    async fn info(&self) -> anyhow::Result<ConnectionInfo> {
        match self {
            Self::Url(url) => Ok((*url.get().await?).clone()),
            Self::ElastiCache(cache) => {
                let address = ConnectionAddr::TcpTls {
                    host: cache.endpoint().to_owned(),
                    port: 6379,
                    insecure: false,
                    tls_params: None,
                };
                // Each connection signs in with a token of its own, so none outlives its 15 minutes;
                // a connection that the service ends (after 12 h) is dialled anew.
                let login =
                    RedisConnectionInfo::default().set_username(cache.user()).set_password(cache.token().await?);
                Ok(address.into_connection_info()?.set_redis_settings(login))
            }
        }
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|_| "a URL that begins with redis:// or rediss://".into())
}

/// Whether this is the URL of a server; an error says what it must be.
pub fn check_url(url: &str) -> Result<(), String> {
    connection_info(url).map(drop)
}
