//! Signing in with a password.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Lockout, PasswordAttempt, Sessions, SignedIn, Tokens,
    tokens::{CHALLENGE_S, ChallengeClaims},
};
use crate::{
    audit::{Action, AuditEvent, AuditLog},
    cache::Cache,
    clock,
    config::ConfigError,
    http::{ClientInfo, Problem},
    ledger::Ledger,
    mongo::Mongo,
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
}

/// What a right password gives.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
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
    audit_log: AuditLog,
}

impl Login {
    /// Reads the seeds.
    pub fn from_env(mongo: &Mongo, cache: &Cache) -> Result<Self, ConfigError> {
        let ledger = Ledger::new(mongo.clone(), cache.clone());
        Ok(Self {
            users: Users::new(mongo.clone(), cache.clone()),
            lockout: Lockout::new(cache.clone()),
            audit_log: AuditLog::from_env(&ledger)?,
            sessions: Sessions::new(ledger, Tokens::from_env()?),
        })
    }

    /// Tells no difference between an unknown address and a wrong password, neither in words nor in time.
    pub async fn attempt(&self, client: &ClientInfo, request: &LoginRequest) -> Result<LoginAnswer, Problem> {
        let LoginRequest { email, password } = request;
        self.count(client, email).await?;
        let users = match self.users.by_email(email).await {
            Ok(users) => users,
            Err(error) => {
                // Or an outage would lock out whoever tries their right password a few times.
                self.lockout.give_back(email, client).await;
                return Err(error.into());
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
        self.lockout.clear(email, client).await;
        let upgraded = user.password_hash.as_deref().and_then(|stored| password.upgrade(stored));
        self.users.signed_in(user, upgraded).await?;
        let factor = user.mfa.method;
        let account = Account::from(user.clone());
        if let Some(method) = factor {
            let claims = ChallengeClaims { sub: account.id.clone(), ver: account.session_version };
            let challenge = self.sessions.tokens().challenge(claims, clock::now());
            let answer = MfaRequired { required: true, challenge, method, expires_in: CHALLENGE_S };
            self.audit_log.record(client, AuditEvent::new(Action::MfaRequired).by(&account)).await?;
            return Ok(LoginAnswer::MfaRequired(answer));
        }
        let signed_in = self.sessions.open(&account, client, None).await?;
        self.audit_log.record(client, AuditEvent::new(Action::SignIn).by(&account)).await?;
        Ok(LoginAnswer::SignedIn(Box::new(signed_in)))
    }

    /// Counts an attempt; 429 for one too many, unless the owner proved the mailbox since.
    async fn count(&self, client: &ClientInfo, email: &EmailAttempt) -> Result<(), Problem> {
        let Err(mut locked) = self.lockout.attempt(email, client).await else { return Ok(()) };
        let users = match self.users.by_email(email).await {
            Err(error) if locked.first => return Err(error.into()),
            found => found.unwrap_or_default(),
        };
        if let Some(proved) =
            users.iter().filter_map(|user| user.password_reset_at).max().filter(|at| *at >= locked.since)
        {
            self.lockout.forgive(email, client, proved).await;
            match self.lockout.attempt(email, client).await {
                Ok(()) => return Ok(()),
                Err(again) => locked = again,
            }
        }
        if locked.first {
            self.note(client, Action::SignInLocked, users.first()).await?;
        }
        Err(locked.into())
    }

    /// An attempt at an account, if there is one with that address: who made it is not known.
    async fn note(&self, client: &ClientInfo, action: Action, user: Option<&User>) -> Result<(), Problem> {
        self.audit_log.record(client, AuditEvent::new(action).on_user(user.map(|user| user.id.as_str()))).await
    }
}
