//! The one Mongo client of an environment: lazy, small, and gone when it should be.
//!
//! A client holds a monitoring socket to each of the cluster's three nodes and at most one pooled
//! socket, so four per warm environment, two of them at the primary. It connects while the environment starts, or at the
//! first operation ([`Lifetime`]); an attempt that fails leaves nothing behind; a client that stopped
//! answering, or that may have lost its sockets while Lambda had the process frozen, is replaced.

mod document;
mod error;
mod observe;
mod odd;
mod settings;
mod socket_counter;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{Client, Database, bson::doc};
use tokio::{sync::Mutex, time::timeout};

pub use document::{free_form, from_json, to_document, to_json, to_json_leniently};
pub use error::{DUPLICATE_KEY, Error, only_duplicates};
pub use observe::{Limits, Observation, observe};
pub use odd::{note_odd, readable, readable_json};
pub use settings::{MongoSettings, REQUEST_TIMEOUT, WORK_TIMEOUT, check_uri};

use crate::{config::ConfigError, connection::Connection, init};
use socket_counter::{Change, SocketCounter};

/// Above this wall-clock gap since its last use a client is pinged before it is
/// used again. Lambda freezes the process between invocations, when no timer runs, so the wall
/// clock is what tells. Requests in quick succession pay for no ping.
const PING_AFTER: Duration = Duration::from_secs(5);
/// Above this gap a client is replaced unasked: NAT gateways drop silent sockets after 350 s, and
/// 60 s is MongoDB's own advice for Lambda.
const REPLACE_AFTER: Duration = Duration::from_mins(1);
/// How long the ping may take. In the cluster's region a ping takes 1–2 ms; together with a new
/// connection it must stay below the 100 ms that a thaw may cost.
const PING_TIMEOUT: Duration = Duration::from_millis(50);
/// Closing took 2–8 ms. It is tried in order, then at once; Lambda leaves 300 ms for both after SIGTERM.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a request waits for the client to close that it replaces: one whose sockets are lost does so
/// on its own time.
const PARTING_TIMEOUT: Duration = Duration::from_millis(20);

/// From when and how long an environment has its client. To connect takes about half as long on the whole processor that
/// Lambda gives a function while it starts as on the share that it has at 256 MB from the first request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Connected while the environment starts, and kept between invocations: for consumers, and for routes whose first
    /// call asks the database, if only for its caller. Lambda starts most environments for a call that is waiting, and
    /// some ahead of calls: those hold their sockets earlier.
    FromStart,
    /// Connected at the first operation, and kept: for routes whose answer is mostly found elsewhere.
    FromFirstUse,
    /// Connected at the first operation, and closed at the end of each invocation: for jobs, and for routes that need the database less often than every
    /// [`REPLACE_AFTER`]. Warm and idle, such an environment holds no socket.
    Invocation,
}

/// A handle to the environment's client; clones share it.
#[derive(Clone)]
pub struct Mongo(Arc<Inner>);

struct Inner {
    settings: MongoSettings,
    lifetime: Lifetime,
    live: Mutex<Option<Live>>,
    socket_counter: Arc<SocketCounter>,
}

struct Live {
    client: Client,
    last_used: SystemTime,
}

impl Mongo {
    /// Reads the settings; what is to be connected from the start is registered ([`init`]), and nothing opened yet.
    pub fn from_env(lifetime: Lifetime) -> Result<Self, ConfigError> {
        let mongo = Self::new(MongoSettings::from_env()?, lifetime);
        if lifetime == Lifetime::FromStart {
            let starting = mongo.clone();
            init::register(async move { starting.connect_at_start().await });
        }
        Ok(mongo)
    }

    /// From settings at hand; opens nothing.
    pub fn new(settings: MongoSettings, lifetime: Lifetime) -> Self {
        Self(Arc::new(Inner { settings, lifetime, live: Mutex::new(None), socket_counter: Arc::default() }))
    }

    /// Runs one piece of work against the database, within `limit` ([`REQUEST_TIMEOUT`] on request
    /// paths, [`WORK_TIMEOUT`] in jobs). The driver has no socket timeout: this is it.
    ///
    /// A server that is away or silent is [`Error::Unavailable`], and the client is dropped, so that
    /// the next call starts afresh: with another connection string, if the server refuses this one's user.
    pub async fn run<T, F>(&self, limit: Duration, work: impl FnOnce(Database) -> F) -> Result<T, Error>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        // Boxed: the driver's futures are large, and so would be every future that awaits this one.
        let attempt = Box::pin(async {
            let client = self.client().await?;
            let outcome = work(client.database(&self.0.settings.database)).await;
            if outcome.as_ref().is_err_and(error::is_refused_sign_in) {
                self.0.settings.distrust_uri().await;
            }
            outcome.map_err(Error::from)
        });
        let outcome = timeout(limit, attempt)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable(format!("no answer within {} ms", limit.as_millis()))));
        match &outcome {
            Err(Error::Unavailable(_)) => self.close_client().await,
            _ => self.touch().await,
        }
        outcome
    }

    /// A failure costs the first request what it would have cost anyway.
    async fn connect_at_start(&self) {
        // Apart: that the connection string is late is no fault of the server's.
        if let Err(error) = self.0.settings.has_uri().await {
            tracing::warn!(%error, "no connection string while starting");
            return;
        }
        let connected =
            self.run(init::CONNECT_LIMIT, async |database| database.run_command(doc! {"ping": 1}).await).await;
        if let Err(error) = connected {
            tracing::warn!(%error, "not connected to MongoDB while starting");
        }
    }

    async fn client(&self) -> Result<Client, Error> {
        let mut live = self.0.live.lock().await;
        if let Some(current) = live.take() {
            let usable = match liveness(current.last_used, SystemTime::now()) {
                Liveness::Sure => true,
                Liveness::Unsure => ping(&current.client).await,
                Liveness::Lost => false,
            };
            if usable {
                let client = current.client.clone();
                *live = Some(current);
                return Ok(client);
            }
            timeout(PARTING_TIMEOUT, tokio::spawn(close(current.client))).await.ok();
        }
        let client = self.0.settings.connect(&self.0.socket_counter).await?;
        *live = Some(Live { client: client.clone(), last_used: SystemTime::now() });
        Ok(client)
    }

    async fn touch(&self) {
        if let Some(live) = self.0.live.lock().await.as_mut() {
            live.last_used = SystemTime::now();
        }
    }

    async fn close_client(&self) {
        let live = self.0.live.lock().await.take();
        if let Some(live) = live {
            close(live.client).await;
        }
    }
}

/// Whether a client still has its sockets.
#[derive(Debug, PartialEq, Eq)]
enum Liveness {
    Sure,
    /// It is pinged before it is used.
    Unsure,
    Lost,
}

fn liveness(last_used: SystemTime, now: SystemTime) -> Liveness {
    match now.duration_since(last_used) {
        Ok(gap) if gap < PING_AFTER => Liveness::Sure,
        Ok(gap) if gap < REPLACE_AFTER => Liveness::Unsure,
        Ok(_) => Liveness::Lost,
        // The clock was set back, by a little as a rule: it tells nothing.
        Err(_) => Liveness::Unsure,
    }
}

impl Connection for Mongo {
    fn after_invocation(&self) -> BoxFuture<'_, ()> {
        async {
            if self.0.lifetime == Lifetime::Invocation {
                self.close_client().await;
            }
            if let Some(change) = self.0.socket_counter.take_change() {
                let Change { opened, closed, open } = change;
                tracing::info!(
                    mongo_sockets_opened = opened,
                    mongo_sockets_closed = closed,
                    mongo_sockets_open = open,
                    "sockets to MongoDB",
                );
            }
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.close_client().boxed()
    }
}

async fn ping(client: &Client) -> bool {
    let admin = client.database("admin");
    matches!(timeout(PING_TIMEOUT, async { admin.run_command(doc! {"ping": 1}).await }).await, Ok(Ok(_)))
}

async fn close(client: Client) {
    // In order: a transaction whose work was dropped is aborted by a task of the driver's, on a connection of its own.
    // Otherwise the server would hold the transaction's locks for up to a minute.
    if timeout(CLOSE_TIMEOUT, async { client.clone().shutdown().await }).await.is_ok() {
        return;
    }
    if timeout(CLOSE_TIMEOUT, async { client.shutdown().immediate(true).await }).await.is_err() {
        tracing::warn!("the Mongo client did not close in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_used_asked_or_replaced_by_the_wall_clock_whichever_way_it_went() {
        let used = SystemTime::now();
        for (seconds, expected) in
            [(0, Liveness::Sure), (4, Liveness::Sure), (5, Liveness::Unsure), (59, Liveness::Unsure)]
        {
            assert_eq!(liveness(used, used + Duration::from_secs(seconds)), expected, "after {seconds} s");
        }
        assert_eq!(liveness(used, used + Duration::from_mins(1)), Liveness::Lost);
        for back in [Duration::from_millis(1), Duration::from_hours(24)] {
            assert_eq!(liveness(used, used - back), Liveness::Unsure, "the clock was set back by {back:?}");
        }
    }
}
