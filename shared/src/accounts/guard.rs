//! Who is calling: the one line by which a handler asks.
//!
//! A handler that takes a [`Principal`] is reached by signed-in callers alone; `Option<Principal>`
//! lets others through as `None`, but nobody with an invalid token.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, header, request::Parts};

use super::{Account, AccountStatus, App, Permission, Role, Users, session::sign_in_again, token::Tokens};
use crate::{clock, config::ConfigError, http::Problem};

/// A second factor counts as fresh this long, in seconds, where a route asks for one.
const MFA_FRESH_S: i64 = 15 * 60;

/// A caller who is signed in.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Whose account.
    pub account: Arc<Account>,
    /// The session that the token is of.
    pub session_id: String,
    /// When a second factor was shown last, Unix seconds.
    pub mfa_at: Option<i64>,
}

impl Principal {
    /// The account's id.
    pub fn id(&self) -> &str {
        &self.account.id
    }

    /// The account's role.
    pub fn role(&self) -> Role {
        self.account.role
    }

    /// 403 without the permission.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.account.role.may(permission) { Ok(()) } else { Err(not_allowed()) }
    }

    /// 403 with an account that has a second factor and has not shown it lately: what this route does
    /// is worth asking again.
    pub fn require_fresh_mfa(&self) -> Result<(), Problem> {
        let fresh = self.mfa_at.is_some_and(|at| clock::now().as_second() - at < MFA_FRESH_S);
        if fresh || !self.account.mfa_enabled {
            return Ok(());
        }
        Err(Problem::forbidden("mfa_required", "Show your second factor first: POST /api/auth/mfa/verify."))
    }

    /// Whether an object of this organisation is the caller's to see.
    pub fn sees_organization(&self, organization_id: Option<&str>) -> bool {
        self.account.role == Role::SuperAdmin
            || (organization_id.is_some() && self.account.organization_id.as_deref() == organization_id)
    }
}

/// 403, without telling what would have been needed.
pub fn not_allowed() -> Problem {
    Problem::forbidden("forbidden", "Your account may not do this.")
}

/// Tells who is calling, from the token they bring.
pub struct Guard {
    tokens: Tokens,
    users: Arc<Users>,
}

impl Guard {
    /// Reads the seeds.
    pub fn from_env(users: &Arc<Users>) -> Result<Self, ConfigError> {
        Ok(Self { tokens: Tokens::from_env()?, users: Arc::clone(users) })
    }

    /// Whose token this is: 401 when it is invalid, 503 when that cannot be told. Nobody is let in
    /// on a token alone.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, Problem> {
        let claims = self.tokens.verify_access(token).ok_or_else(sign_in_again)?;
        let account = self.users.find_at_least(&claims.sub, claims.ver).await?.ok_or_else(sign_in_again)?;
        if account.session_version != claims.ver || account.ended_sessions.contains(&claims.sid) {
            return Err(sign_in_again());
        }
        if account.status == AccountStatus::Suspended {
            return Err(suspended());
        }
        Ok(Principal { account, session_id: claims.sid, mfa_at: claims.mfa })
    }
}

/// 403 for an account that is suspended.
pub fn suspended() -> Problem {
    Problem::forbidden("account_suspended", "This account is suspended: ask an administrator.")
}

/// The token in `Authorization: Bearer …`; `None` without that header, 401 for another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized("Send the header authorization: Bearer <access token>."));
    }
    Ok(Some(token.trim()))
}

impl<Own: Send + Sync> FromRequestParts<App<Own>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<Own>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?.ok_or_else(|| Problem::unauthorized("Sign in first."))?;
        app.guard.authenticate(token).await
    }
}

impl<Own: Send + Sync> OptionalFromRequestParts<App<Own>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<Own>) -> Result<Option<Self>, Problem> {
        match bearer(&parts.headers)? {
            None => Ok(None),
            Some(token) => app.guard.authenticate(token).await.map(Some),
        }
    }
}
