//! The check of the token that a caller brings.

use std::sync::Arc;

use http::{HeaderMap, header};

use super::{Principal, TokenKeys, sign_in_again};
use crate::{
    config::ConfigError,
    http::Problem,
    secrets::Secret,
    users::{AccountStatus, Users, suspended},
};

/// Tells who is calling, from the token they bring.
pub struct Guard {
    keys: Secret<TokenKeys>,
    users: Arc<Users>,
}

impl Guard {
    /// Reads where the keys are.
    pub fn from_env(users: &Arc<Users>) -> Result<Self, ConfigError> {
        Ok(Self { keys: TokenKeys::from_env()?, users: Arc::clone(users) })
    }

    /// Whose token this is: 401 when it is invalid, 503 when that cannot be told. Nobody is let in
    /// on a token alone.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, Problem> {
        let claims = TokenKeys::verify_access_by(&self.keys, token).await?.ok_or_else(sign_in_again)?;
        let account = self.users.find_at_least(&claims.sub, claims.ver).await?.ok_or_else(sign_in_again)?;
        if account.session_version != claims.ver || account.ended_sessions.contains(&claims.sid) {
            return Err(sign_in_again());
        }
        if account.status == AccountStatus::Suspended {
            return Err(suspended());
        }
        Ok(Principal { account, session_id: claims.sid, mfa_at: claims.mfa, authenticated_at: claims.auth_time })
    }
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
