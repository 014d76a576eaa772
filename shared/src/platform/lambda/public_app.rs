//! What the handlers of a function share whose callers need not be signed in.

use std::{ops::Deref, sync::Arc};

use axum::Router;

use super::Error;
use crate::{cache::Cache, connection::Connection, http::HasCache};

/// The state of public routes: the cache that their callers are counted in, and what is the function's own. It leads to
/// the latter.
pub struct PublicApp<Own>(Arc<(Cache, Own)>);

impl<Own: Send + Sync + 'static> PublicApp<Own> {
    /// Opens nothing; the cache connects while the environment starts.
    pub fn new(cache: Cache, own: Own) -> Self {
        cache.connect_while_starting();
        Self(Arc::new((cache, own)))
    }

    /// Serves these routes until Lambda ends the environment. The cache is looked after; `connection` is what else is.
    pub async fn serve(self, routes: Router<Self>, connection: impl Connection) -> Result<(), Error> {
        let connections = (connection, self.0.0.clone());
        super::http_by_address(routes.with_state(self), connections).await
    }
}

impl<Own> Clone for PublicApp<Own> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Own> Deref for PublicApp<Own> {
    type Target = Own;

    fn deref(&self) -> &Own {
        &self.0.1
    }
}

impl<Own: Send + Sync> HasCache for PublicApp<Own> {
    fn cache(&self) -> &Cache {
        &self.0.0
    }
}
