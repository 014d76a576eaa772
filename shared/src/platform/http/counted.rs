//! Callers that are counted before anything else is done for them: the limit is seen in a handler's signature, and no
//! handler can forget it.

use std::{marker::PhantomData, ops::Deref};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{ClientInfo, Policy, Problem};
use crate::cache::Cache;

/// A rate limit as a type; `crate::rate_limits` has all of them.
pub trait Limit: Send {
    /// What it allows.
    const POLICY: Policy;
}

/// An application state with the cache that callers are counted in.
pub trait HasCache: Send + Sync {
    fn cache(&self) -> &Cache;
}

/// A caller who need not be signed in, counted by address against the limit `L`: 429 when it is used up.
pub struct Counted<L> {
    client: ClientInfo,
    limit: PhantomData<L>,
}

impl<L> Deref for Counted<L> {
    type Target = ClientInfo;

    fn deref(&self) -> &ClientInfo {
        &self.client
    }
}

impl<L: Limit, S: HasCache> FromRequestParts<S> for Counted<L> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let client = ClientInfo::of(parts);
        L::POLICY.check_address(state.cache(), &client).await?;
        Ok(Self { client, limit: PhantomData })
    }
}
