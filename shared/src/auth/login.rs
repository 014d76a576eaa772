//! Signing in with a password.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Lockout, PasswordAttempt, Sessions, SignedIn, Tokens,
    lockout::{Refused, Source, Subject},
    tokens::{CHALLENGE_S, ChallengeClaims, sign_in_again},
};
use crate::{
    audit::{Action, AuditEvent, AuditLog},
    cache::Cache,
    clock,
    config::ConfigError,
    counters::Counters,
    http::{ClientInfo, Problem},
    ledger::Ledger,
    mongo::Mongo,
    notifications::{Outbox, Template},
    secrets::Unavailable,
    users::{Account, AccountStatus, EmailAttempt, Method, User, Users, suspended},
};

/// An address and a password.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    /// The account's address.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    pub email: EmailAttempt,
    /// Its password.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    pub password: PasswordAttempt,
    /// From an earlier sign-in on this device, if there was one; one that does not count changes nothing.
    #[garde(length(max = 2000))]
    #[schema(max_length = 2000)]
    pub device_token: Option<String>,
}

/// What a right password gives.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum LoginAnswer {
    /// Tokens.
    SignedIn(Box<SignedIn>),
    /// Not yet: a code is to follow, at `/api/auth/mfa/verify`.
    MfaRequired(MfaRequired),
}

/// A sign-in that waits for its second factor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaRequired {
    /// Always true.
    #[serde(rename = "mfaRequired")]
    pub required: bool,
    /// To be sent along with the code.
    pub challenge: String,
    /// Which factor; for `sms` and `email` ask for a code at `/api/auth/mfa/send-code`.
    pub method: Method,
    /// Seconds that the challenge counts.
    pub expires_in: i64,
}

/// Sign-ins, with their lockout and their audit log.
pub struct Login {
    users: Users,
    sessions: Sessions,
    lockout: Lockout,
    outbox: Outbox,
    audit_log: AuditLog,
}

impl Login {
    /// Reads the seeds.
    pub fn from_env(mongo: &Mongo, cache: &Cache) -> Result<Self, ConfigError> {
        let ledger = Ledger::new(mongo.clone(), cache.clone());
        Ok(Self {
            users: Users::new(mongo.clone(), cache.clone()),
            lockout: Lockout::new(Counters::new(mongo, cache)),
            outbox: Outbox::from_env()?,
            audit_log: AuditLog::from_env(&ledger)?,
            sessions: Sessions::new(ledger, Tokens::from_env()?),
        })
    }

    /// Tells no difference between an unknown address and a wrong password, neither in words nor in time.
    pub async fn attempt(&self, client: &ClientInfo, request: &LoginRequest) -> Result<LoginAnswer, Problem> {
        let LoginRequest { email, password, device_token } = request;
        // Nothing is counted before this: an outage locks nobody out who tries their right password a few times.
        let users = self.users.by_email(email).await?;
        let source = self.source(client, device_token.as_deref(), &users).await?;
        let counted = match self.lockout.attempt(&Subject::at(email, &users), &source).await {
            Ok(counted) => counted,
            Err(refused) => {
                if let Refused::Locked { first: true, .. } = &refused {
                    self.note(client, Action::SignInLocked, users.first()).await?;
                }
                return Err(refused.into());
            }
        };
        if users.is_empty() {
            password.matches(None);
        }
        let right = users.iter().find(|user| password.matches(user.password_hash.as_deref()));
        let Some(user) = right else {
            self.note(client, Action::SignInFailed, users.first()).await?;
            return Err(Problem::unauthorized("The address or the password is wrong."));
        };
        if user.status == AccountStatus::Suspended {
            self.note(client, Action::SignInSuspended, Some(user)).await?;
            return Err(suspended());
        }
        self.lockout.succeeded(counted).await;
        let better_hash = user.password_hash.as_deref().and_then(|stored| password.upgrade(stored));
        let without_factor = self.take_lost_factor(client, user).await?;
        let user = without_factor.as_ref().unwrap_or(user);
        match user.mfa.method {
            Some(method) => self.challenge(client, user, method, better_hash).await,
            None => self.open(client, user, better_hash).await,
        }
    }

    /// A challenge for the second factor.
    async fn challenge(
        &self,
        client: &ClientInfo,
        user: &User,
        method: Method,
        better_hash: Option<String>,
    ) -> Result<LoginAnswer, Problem> {
        if !self.users.signed_in(user, better_hash).await? {
            return Err(sign_in_again());
        }
        let account = Account::from(user.clone());
        let claims = ChallengeClaims { sub: account.id.clone(), ver: account.session_version };
        let challenge = self.sessions.tokens().await?.challenge(claims, clock::now());
        let answer = MfaRequired { required: true, challenge, method, expires_in: CHALLENGE_S };
        self.audit_log.record(client, AuditEvent::new(Action::MfaRequired).by(&account)).await?;
        Ok(LoginAnswer::MfaRequired(answer))
    }

    /// A session. It is there before the account is looked at again: whoever turns a factor on meanwhile sees one of
    /// the two, and ends it.
    async fn open(
        &self,
        client: &ClientInfo,
        user: &User,
        better_hash: Option<String>,
    ) -> Result<LoginAnswer, Problem> {
        let account = Account::from(user.clone());
        let signed_in = self.sessions.open(&self.users, &account, client, None).await?;
        if !self.users.signed_in(user, better_hash).await? {
            self.sessions.forget_token(&signed_in.refresh_token).await;
            return Err(sign_in_again());
        }
        self.audit_log.record(client, AuditEvent::new(Action::SignIn).by(&account)).await?;
        Ok(LoginAnswer::SignedIn(Box::new(signed_in)))
    }

    /// The account without the factor that its owner has lost, if the wait for it is over.
    async fn take_lost_factor(&self, client: &ClientInfo, user: &User) -> Result<Option<User>, Problem> {
        if user.mfa.reset_at.is_none_or(|at| at > clock::now()) {
            return Ok(None);
        }
        let Some(user) = self.users.take_lost_factor(&user.id).await? else { return Ok(None) };
        self.outbox.notify(&user.id, user.proved_email().as_ref(), Template::MfaDisabled).await;
        self.sessions.forget_all(&user.id).await;
        self.audit_log.record(client, AuditEvent::new(Action::MfaReset).on("user", &user.id)).await?;
        Ok(Some(user))
    }

    /// Where an attempt comes from: a device that one of these accounts knows, else its network.
    async fn source(
        &self,
        client: &ClientInfo,
        device_token: Option<&str>,
        users: &[User],
    ) -> Result<Source, Unavailable> {
        let claims = match device_token {
            Some(token) => self.sessions.tokens().await?.verify_device(token),
            None => None,
        };
        let known = |user: &User, sub: &str, ver: i64| user.id == sub && user.session_version == ver;
        Ok(match claims {
            Some(claims) if users.iter().any(|user| known(user, &claims.sub, claims.ver)) => Source::Device(claims.did),
            _ => Source::of(client),
        })
    }

    /// An attempt at an account, if there is one with that address: who made it is not known.
    async fn note(&self, client: &ClientInfo, action: Action, user: Option<&User>) -> Result<(), Problem> {
        self.audit_log.record(client, AuditEvent::new(action).on_user(user.map(|user| user.id.as_str()))).await
    }
}
