//! The second step: codes sent and shown, by somebody who signs in or is signed in.

use std::sync::Arc;

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Code, EnrolRequest, Enrolment, Mfa, MfaStatus, reset::FactorResets};
use crate::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{Clients, Lockout, Principal, Sessions, Shown, SignedIn, Tokens, sign_in_again},
    clock::{self, Moment},
    config::ConfigError,
    counters::Counters,
    http::{ClientInfo, Limit, Problem},
    notifications::Template,
    rate_limits,
    users::{Account, AccountStatus, User, Users, suspended},
};

/// Whose code to send.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendRequest {
    /// From the sign-in; absent when signed in.
    #[garde(length(max = 2000))]
    #[schema(max_length = 2000)]
    pub challenge: Option<String>,
}

/// A code.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeRequest {
    /// From the sign-in; absent when signed in.
    #[garde(length(max = 2000))]
    #[schema(max_length = 2000)]
    pub challenge: Option<String>,
    /// Six digits, or a recovery code; white space and hyphens in it mean nothing.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 6, max_length = 40)]
    pub code: Code,
}

/// A sign-in whose factor is lost.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = MfaResetRequest)]
pub struct ResetRequest {
    /// From the sign-in.
    #[garde(length(max = 2000))]
    #[schema(max_length = 2000)]
    pub challenge: String,
}

/// A lost factor's reset has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetBegun {
    /// From when on signing in does not ask for the factor.
    pub reset_at: Moment,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeSent {
    /// Until when it counts.
    pub expires_at: Moment,
}

/// What a right code gives.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum VerifyAnswer {
    /// With a challenge: the sign-in is complete.
    SignedIn(Box<SignedIn>),
    /// With a factor pending: it is on.
    MfaEnabled(MfaEnabled),
    /// Otherwise: a token that says when the factor was shown.
    SteppedUp(SteppedUp),
}

/// A factor just turned on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaEnabled {
    /// Always true.
    pub enabled: bool,
    /// Each stands in for a code once; shown now and never again.
    pub recovery_codes: Vec<String>,
}

impl VerifyAnswer {
    /// The token of somebody who was signed in already.
    pub fn stepped_up(&self) -> Option<&str> {
        match self {
            Self::SteppedUp(answer) => Some(&answer.access_token),
            Self::SignedIn(_) | Self::MfaEnabled(_) => None,
        }
    }
}

/// A factor just shown.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SteppedUp {
    /// To use from now on.
    pub access_token: String,
}

/// Second factors, with their limits and their audit log.
pub struct MfaFlow {
    users: Arc<Users>,
    sessions: Sessions,
    mfa: Mfa,
    audit_log: AuditLog,
    counters: Counters,
    lockout: Lockout,
    resets: FactorResets,
}

impl MfaFlow {
    /// Reads the seeds and where notifications go.
    pub fn from_env(Clients { mongo, cache, users, ledger }: &Clients) -> Result<Self, ConfigError> {
        let counters = Counters::new(mongo, cache);
        Ok(Self {
            users: Arc::clone(users),
            sessions: Sessions::new(ledger.clone(), Tokens::from_env()?),
            mfa: Mfa::from_env(mongo, &counters)?,
            audit_log: AuditLog::from_env(ledger)?,
            lockout: Lockout::new(counters.clone()),
            resets: FactorResets::from_env(ledger, counters.clone())?,
            counters,
        })
    }

    /// Whether the caller has a second factor.
    pub async fn status(&self, principal: &Principal) -> Result<MfaStatus, Problem> {
        Ok(Mfa::status(&self.user(principal.id()).await?))
    }

    /// Sends a code to whoever signs in, or is signed in.
    pub async fn send(
        &self,
        client: &ClientInfo,
        principal: Option<Principal>,
        request: SendRequest,
    ) -> Result<CodeSent, Problem> {
        let (id, version) = self.subject(principal.as_ref(), request.challenge.as_deref()).await?;
        self.limit_sending(client, &id).await?;
        let user = self.user_at(&id, version).await?;
        let expires_at = self.mfa.send(client, &user).await?;
        self.audit_log.record(client, AuditEvent::new(Action::MfaCodeSent).by(&Account::from(user))).await?;
        Ok(CodeSent { expires_at })
    }

    /// Takes a code: completes a sign-in, turns a pending factor on, or notes that it was shown.
    pub async fn verify(
        &self,
        client: &ClientInfo,
        principal: Option<Principal>,
        request: CodeRequest,
    ) -> Result<VerifyAnswer, Problem> {
        let (id, version) = self.subject(principal.as_ref(), request.challenge.as_deref()).await?;
        self.limit_trying(client, &id).await?;
        let user = self.user_at(&id, version).await?;
        let account = Account::from(user.clone());
        let answer = match principal.filter(|_| request.challenge.is_none()) {
            Some(principal) if user.mfa.method.is_none() => {
                let codes = self.mfa.prove(&self.users, &user, &request.code).await?;
                if codes.is_some() {
                    self.sessions.end_others(&self.users, &principal).await?;
                }
                codes.map(|recovery_codes| VerifyAnswer::MfaEnabled(MfaEnabled { enabled: true, recovery_codes }))
            }
            principal if self.is_right(client, &user, &request.code).await? => {
                Some(self.shown(client, principal, &account).await?)
            }
            _ => None,
        };
        let action = match &answer {
            None => Action::MfaFailed,
            Some(VerifyAnswer::SignedIn(_)) => Action::SignIn,
            Some(VerifyAnswer::MfaEnabled(_)) => Action::MfaEnabled,
            Some(VerifyAnswer::SteppedUp(_)) => Action::MfaVerified,
        };
        if action == Action::MfaEnabled {
            // It is on: the owner is told before anything else can fail.
            self.mfa.notify(&user, Template::MfaEnabled).await;
        }
        if let Err(problem) =
            self.audit_log.record(client, AuditEvent::new(action).by(&account).with("mfa", true)).await
        {
            if action == Action::MfaEnabled {
                self.take_back(&user).await;
            }
            return Err(problem);
        }
        answer.ok_or_else(wrong_code)
    }

    /// Turns off a factor whose recovery codes nobody is told, so that its owner can set it up anew.
    async fn take_back(&self, user: &User) {
        match self.mfa.disable(&self.users, user).await {
            Ok(()) => self.mfa.notify(user, Template::MfaDisabled).await,
            Err(problem) => {
                tracing::error!(user_id = user.id, ?problem, "a factor is on whose recovery codes nobody knows");
            }
        }
    }

    /// What follows a right code of the factor that is on.
    async fn shown(
        &self,
        client: &ClientInfo,
        principal: Option<Principal>,
        account: &Account,
    ) -> Result<VerifyAnswer, Problem> {
        if let Some(principal) = principal {
            let access_token = self.sessions.step_up(&principal, Shown::Factor).await?;
            return Ok(VerifyAnswer::SteppedUp(SteppedUp { access_token }));
        }
        let now = clock::now().as_second();
        Ok(VerifyAnswer::SignedIn(Box::new(self.sessions.open(&self.users, account, client, Some(now)).await?)))
    }

    /// Begins to set a factor up, with the password.
    pub async fn enable(
        &self,
        client: &ClientInfo,
        principal: &Principal,
        request: EnrolRequest,
    ) -> Result<Enrolment, Problem> {
        self.limit_sending(client, principal.id()).await?;
        let user = self.user(principal.id()).await?;
        if !self.lockout.confirm(&user, client, &request.password).await? {
            self.audit_log.record(client, AuditEvent::new(Action::MfaFailed).by(&principal.account)).await?;
            return Err(Problem::invalid_field("password", "is wrong"));
        }
        let event = AuditEvent::new(Action::MfaBegun).by(&principal.account).with("method", json!(request.method));
        let enrolment = self.mfa.enrol(client, &self.users, &user, request).await?;
        self.audit_log.record(client, event).await?;
        Ok(enrolment)
    }

    /// Turns the factor off, with a code.
    pub async fn disable(&self, client: &ClientInfo, principal: &Principal, code: &Code) -> Result<(), Problem> {
        self.limit_trying(client, principal.id()).await?;
        let user = self.user(principal.id()).await?;
        if user.mfa.method.is_none() {
            return Err(Problem::conflict("mfa_disabled", "There is no second factor to disable."));
        }
        if !self.is_right(client, &user, code).await? {
            self.audit_log.record(client, AuditEvent::new(Action::MfaFailed).by(&principal.account)).await?;
            return Err(wrong_code());
        }
        self.mfa.disable(&self.users, &user).await?;
        // It is off: the owner is told before anything else can fail.
        self.mfa.notify(&user, Template::MfaDisabled).await;
        self.sessions.end_others(&self.users, principal).await?;
        self.audit_log.record(client, AuditEvent::new(Action::MfaDisabled).by(&principal.account)).await
    }

    /// Mails a link to whoever signs in with the right password and has lost the factor.
    pub async fn ask_reset(&self, client: &ClientInfo, request: ResetRequest) -> Result<(), Problem> {
        let (id, version) = self.subject(None, Some(&request.challenge)).await?;
        self.limit_sending(client, &id).await?;
        self.resets.ask(client, &self.user_at(&id, version).await?).await
    }

    /// Begins the wait after which a lost factor is gone, by a mailed link.
    pub async fn begin_reset(&self, client: &ClientInfo, token: &str) -> Result<ResetBegun, Problem> {
        Ok(ResetBegun { reset_at: self.resets.begin(client, &self.users, token).await? })
    }

    /// Ends that wait, by a mailed link: the factor stays.
    pub async fn stop_reset(&self, client: &ClientInfo, token: &str) -> Result<(), Problem> {
        self.resets.stop(client, &self.users, token).await
    }

    /// Whether `code` shows the factor that is on. Too many wrong ones in a row stop it, and its owner is told.
    async fn is_right(&self, client: &ClientInfo, user: &User, code: &Code) -> Result<bool, Problem> {
        if user.mfa.method.is_none() {
            return Ok(false);
        }
        let is_last = self.mfa.count_failure(&self.users, user).await?;
        if self.mfa.check(&self.users, user, code).await? {
            self.mfa.forget_failures(&self.users, user).await?;
            return Ok(true);
        }
        if is_last {
            self.mfa.notify(user, Template::FactorStopped).await;
            self.audit_log.record(client, AuditEvent::new(Action::MfaStopped).on("user", &user.id)).await?;
        }
        Ok(false)
    }

    /// The account behind a challenge, else the one that is signed in: its id and session version.
    async fn subject(&self, principal: Option<&Principal>, challenge: Option<&str>) -> Result<(String, i64), Problem> {
        match (challenge, principal) {
            (Some(challenge), _) => {
                let claims = self.sessions.tokens().await?.verify_challenge(challenge).ok_or_else(sign_in_again)?;
                Ok((claims.sub, claims.ver))
            }
            (None, Some(principal)) => Ok((principal.id().to_owned(), principal.account.session_version)),
            (None, None) => Err(Problem::unauthorized("Sign in first, or send the sign-in's challenge.")),
        }
    }

    async fn user_at(&self, id: &str, version: i64) -> Result<User, Problem> {
        let user = self.user(id).await?;
        if user.session_version != version {
            return Err(sign_in_again());
        }
        if user.status == AccountStatus::Suspended { Err(suspended()) } else { Ok(user) }
    }

    async fn user(&self, id: &str) -> Result<User, Problem> {
        self.users.stored(id).await?.ok_or_else(sign_in_again)
    }

    async fn limit_sending(&self, client: &ClientInfo, user_id: &str) -> Result<(), Problem> {
        self.counters.check(&rate_limits::MfaSend::POLICY, client, user_id).await?;
        self.counters.check(&rate_limits::MfaSendHourly::POLICY, client, user_id).await?;
        self.counters.check(&rate_limits::MfaSendAddress::POLICY, client, &client.network()).await
    }

    async fn limit_trying(&self, client: &ClientInfo, user_id: &str) -> Result<(), Problem> {
        self.counters.check(&rate_limits::MfaVerify::POLICY, client, user_id).await?;
        self.counters.check(&rate_limits::MfaVerifyHourly::POLICY, client, user_id).await
    }
}

/// 422: the code does not count.
pub fn wrong_code() -> Problem {
    Problem::invalid_field("code", "is wrong, used up or expired: ask for another one")
}
