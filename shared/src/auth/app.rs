//! What the handlers of a function share.

use std::{ops::Deref, sync::Arc};

use axum::Router;

use super::Guard;
use crate::{
    cache::Cache,
    config::ConfigError,
    http::HasCache,
    lambda,
    ledger::Ledger,
    mongo::{Lifetime, Mongo},
    users::Users,
};

/// The state of a function's routes: its clients, the guard, and what is its own.
pub struct App<Own = ()>(Arc<Shared<Own>>);

/// What [`App`] leads to.
pub struct Shared<Own> {
    /// Clients of the database and the cache.
    clients: Clients,
    pub guard: Guard,
    pub own: Own,
}

/// The clients of an environment. With [`Lifetime::FromStart`] they connect while it starts, else when they are first used.
#[derive(Clone)]
pub struct Clients {
    pub mongo: Mongo,
    /// The cache, for limits among other things.
    pub cache: Cache,
    /// The accounts: one look-up for all, so that a change is seen by all.
    pub users: Arc<Users>,
    /// What anybody may store.
    pub ledger: Ledger,
}

impl App {
    /// For routes that need nothing of their own. Reads the settings.
    pub fn from_env(lifetime: Lifetime) -> Result<Self, ConfigError> {
        Self::with(lifetime, |_| Ok(()))
    }
}

impl<Own: Send + Sync + 'static> App<Own> {
    /// As [`App::from_env`], with what `own` makes of the clients.
    pub fn with(
        lifetime: Lifetime,
        own: impl FnOnce(&Clients) -> Result<Own, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let (mongo, cache) = (Mongo::from_env(lifetime)?, Cache::from_env()?);
        if lifetime == Lifetime::FromStart {
            cache.connect_while_starting();
        }
        let users = Arc::new(Users::new(mongo.clone(), cache.clone()));
        let ledger = Ledger::new(mongo.clone(), cache.clone());
        let clients = Clients { mongo, cache, users, ledger };
        let (guard, own) = (Guard::from_env(&clients.users, &clients.ledger)?, own(&clients)?);
        Ok(Self(Arc::new(Shared { clients, guard, own })))
    }

    /// Serves these routes until Lambda ends the environment.
    pub async fn serve(self, routes: Router<Self>) -> Result<(), lambda::Error> {
        let connections = (self.mongo.clone(), self.cache.clone());
        lambda::http_by_address(routes.with_state(self), connections).await
    }
}

impl<Own> Clone for App<Own> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Own> Deref for App<Own> {
    type Target = Shared<Own>;

    fn deref(&self) -> &Shared<Own> {
        &self.0
    }
}

impl<Own> Deref for Shared<Own> {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

impl<Own: Send + Sync> HasCache for App<Own> {
    fn cache(&self) -> &Cache {
        &self.cache
    }
}
