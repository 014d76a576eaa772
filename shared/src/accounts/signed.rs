//! Callers who are signed in, and counted against a limit.

use std::{marker::PhantomData, ops::Deref};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{App, Principal};
use crate::http::{ClientInfo, Limit, Problem};

/// Somebody who is signed in, counted by account against the limit `L`: 401 for nobody, 429 when it is used up.
pub struct Signed<L> {
    principal: Principal,
    /// Where the request comes from.
    pub client: ClientInfo,
    limit: PhantomData<L>,
}

impl<L> Deref for Signed<L> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<L: Limit, Own: Send + Sync> FromRequestParts<App<Own>> for Signed<L> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<Own>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
        let client = ClientInfo::of(parts);
        L::POLICY.check(&app.cache, &client, principal.id()).await?;
        Ok(Self { principal, client, limit: PhantomData })
    }
}
