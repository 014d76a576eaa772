//! The check of what a caller brings: our token, or the cookie of a front end's session.

use std::sync::Arc;

use http::{HeaderMap, header, request::Parts};
use jiff::SignedDuration;

use super::{
    AccessClaims, AuthJs, Principal, TokenKeys,
    auth_js::{CookieClaims, step_up_token},
    principal::FRONT_END_SESSION,
    sign_in_again,
};
use crate::{
    clock,
    config::ConfigError,
    http::{ClientInfo, Problem},
    ledger::{Ledger, Payer, SIGN_UP_BYTES},
    secrets::Secret,
    users::{Account, AccountStatus, Email, NewUser, Users, suspended},
};

/// How long ago somebody may have signed in at the front end for whom an account is made here: for less time than it is
/// remembered that one was deleted.
const WELCOME_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Tells who is calling, from what they bring.
pub struct Guard {
    keys: Secret<TokenKeys>,
    auth_js: Option<AuthJs>,
    users: Arc<Users>,
    ledger: Ledger,
}

impl Guard {
    /// Reads where the keys are.
    pub fn from_env(users: &Arc<Users>, ledger: &Ledger) -> Result<Self, ConfigError> {
        let (keys, auth_js) = (TokenKeys::from_env()?, AuthJs::from_env()?);
        Ok(Self { keys, auth_js, users: Arc::clone(users), ledger: ledger.clone() })
    }

    /// Who sends this request: by the header `Authorization`, else by the front end's cookie; `None` with neither.
    pub async fn caller(&self, parts: &Parts) -> Result<Option<Principal>, Problem> {
        match bearer(&parts.headers)? {
            Some(token) => self.authenticate(token).await.map(Some),
            None => self.by_cookie(parts).await,
        }
    }

    /// Whose token this is: 401 when it is invalid, 503 when that cannot be told. Nobody is let in
    /// on a token alone.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, Problem> {
        let claims = TokenKeys::verify_access_by(&self.keys, token).await?.ok_or_else(sign_in_again)?;
        let account = self.users.find_at_least(&claims.sub, claims.ver).await?.ok_or_else(sign_in_again)?;
        if !counts(&claims, &account) {
            return Err(sign_in_again());
        }
        if account.status == AccountStatus::Suspended {
            return Err(suspended());
        }
        Ok(Principal { account, session_id: claims.sid, mfa_at: claims.mfa, authenticated_at: claims.auth_time })
    }

    /// Whose cookie this is. It tells nothing of a second factor: that was shown to us, or it was not.
    async fn by_cookie(&self, parts: &Parts) -> Result<Option<Principal>, Problem> {
        let Some(auth_js) = &self.auth_js else { return Ok(None) };
        let Some(claims) = auth_js.claims(&parts.method, &parts.headers).await? else { return Ok(None) };
        let account = match self.users.find(&claims.user_id).await? {
            Some(account) => account,
            None => self.welcome(&claims, &ClientInfo::of(parts)).await?,
        };
        if account.status == AccountStatus::Suspended {
            return Err(suspended());
        }
        if claims.issued_at.as_millisecond() < account.cookies_count_from_ms {
            return Err(sign_in_again());
        }
        let (mfa_at, authenticated_at) = self.shown_lately(&account, &parts.headers).await?.unwrap_or_default();
        Ok(Some(Principal { account, session_id: FRONT_END_SESSION.into(), mfa_at, authenticated_at }))
    }

    /// What was shown to us within this session, if our own cookie beside the front end's tells it.
    async fn shown_lately(
        &self,
        account: &Account,
        headers: &HeaderMap,
    ) -> Result<Option<(Option<i64>, Option<i64>)>, Problem> {
        let Some(token) = step_up_token(headers) else { return Ok(None) };
        let Some(claims) = TokenKeys::verify_access_by(&self.keys, &token).await? else { return Ok(None) };
        let is_of_session = claims.sub == account.id && claims.sid == FRONT_END_SESSION;
        Ok((is_of_session && counts(&claims, account)).then_some((claims.mfa, claims.auth_time)))
    }

    /// The account of somebody who signed up at the front end: as good as one from before addresses were proved.
    async fn welcome(&self, claims: &CookieClaims, client: &ClientInfo) -> Result<Arc<Account>, Problem> {
        let email = Email::parse(&claims.email).filter(|_| claims.is_of_front_end()).ok_or_else(sign_in_again)?;
        // One that was deleted is not made anew while it is being erased, nor later by a session from before its end.
        let is_old = claims.issued_at < clock::now() - WELCOME_WITHIN;
        if is_old || self.users.is_deleted(&claims.user_id).await? {
            return Err(sign_in_again());
        }
        let name = claims.account_name();
        let user = NewUser { id: &claims.user_id, email: &email, name: &name, password_hash: None, is_proved: false };
        let payer = Payer::SignUp { network: client.network() };
        self.ledger.pay(&payer, SIGN_UP_BYTES, self.users.create(user), Option::is_some).await?;
        // Made now, or by another request at the same time: only the address may stand in the way.
        self.users.changed(&claims.user_id).await;
        self.users
            .find(&claims.user_id)
            .await?
            .ok_or_else(|| Problem::forbidden("email_taken", "Another account has your address: sign in to that one."))
    }
}

/// Whether the session of an access token goes on.
fn counts(claims: &AccessClaims, account: &Account) -> bool {
    let shown_at = claims.auth_time.unwrap_or_default();
    let is_over = claims.sid == FRONT_END_SESSION && shown_at * 1000 < account.cookies_count_from_ms;
    claims.ver == account.session_version && !account.ended_sessions.contains(&claims.sid) && !is_over
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
