//! What a route for signed-in callers needs, when it needs no more.

use std::sync::Arc;

use super::{Guard, Guarded};
use crate::{
    cache::Cache,
    config::ConfigError,
    mongo::{Lifetime, Mongo},
};

/// The state of such a route.
pub struct Base {
    /// The database.
    pub mongo: Mongo,
    /// The cache, for limits among other things.
    pub cache: Cache,
    /// Who is calling.
    pub guard: Guard,
}

impl Base {
    /// Reads the settings; opens nothing.
    pub fn from_env(lifetime: Lifetime) -> Result<Arc<Self>, ConfigError> {
        let (mongo, cache) = (Mongo::from_env(lifetime)?, Cache::from_env()?);
        Ok(Arc::new(Self { guard: Guard::from_env(&mongo, &cache)?, mongo, cache }))
    }

    /// What [`crate::lambda::http`] looks after.
    pub fn connections(&self) -> (Mongo, Cache) {
        (self.mongo.clone(), self.cache.clone())
    }
}

impl Guarded for Base {
    fn guard(&self) -> &Guard {
        &self.guard
    }
}
