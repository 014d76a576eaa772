//! What an entry ([`crate::lambda`]) looks after besides the handler: clients that hold sockets.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

/// Something with sockets. A function without a database hands in `()`, and its binary then holds no
/// trace of the driver.
///
/// The futures are boxed so that the entries need no type parameter: they are compiled once, with this
/// crate, instead of once for each of the functions.
pub trait Connection: Send + Sync + 'static {
    /// Called when an invocation is done, before its answer leaves: Lambda freezes the process
    /// right after, so this is the last chance to close or to report.
    fn after_invocation(&self) -> BoxFuture<'_, ()>;
    /// Called when Lambda retires the environment.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What all requests of an environment share.
pub(crate) type SharedConnection = Arc<dyn Connection>;

impl Connection for () {
    fn after_invocation(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

impl<A: Connection, B: Connection> Connection for (A, B) {
    fn after_invocation(&self) -> BoxFuture<'_, ()> {
        async {
            self.0.after_invocation().await;
            self.1.after_invocation().await;
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.0.close().await;
            self.1.close().await;
        }
        .boxed()
    }
}
