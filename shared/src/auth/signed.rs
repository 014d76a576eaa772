//! Who is calling: the one line by which a handler asks.
//!
//! A handler that takes a [`Principal`] is reached by signed-in callers alone; `Option<Principal>`
//! lets others through as `None`, but nobody with an invalid token. [`Signed`] counts them against a limit as well.

use std::{marker::PhantomData, ops::Deref};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::{App, Principal};
use crate::http::{ClientInfo, Limit, Problem};

impl<Own: Send + Sync> FromRequestParts<App<Own>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<Own>) -> Result<Self, Problem> {
        app.guard.caller(parts).await?.ok_or_else(|| Problem::unauthorized("Sign in first."))
    }
}

impl<Own: Send + Sync> OptionalFromRequestParts<App<Own>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<Own>) -> Result<Option<Self>, Problem> {
        app.guard.caller(parts).await
    }
}

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
        let principal = <Principal as FromRequestParts<_>>::from_request_parts(parts, app).await?;
        let client = ClientInfo::of(parts);
        L::POLICY.check(&app.cache, &client, principal.id()).await?;
        Ok(Self { principal, client, limit: PhantomData })
    }
}
