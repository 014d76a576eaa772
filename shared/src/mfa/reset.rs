//! A factor that its owner has lost: a mailed link, then a wait of a day of which the owner is told and which they can
//! stop. So it takes the password, the mailbox, and an owner who does not look into it; and since a mailed link sets the
//! password, too, it takes days after one did, and is not for administrators.

use bson::doc;
use jiff::SignedDuration;

use crate::{
    audit::{Action, AuditEvent, AuditLog},
    auth::{FactorResetClaims, Links, Page, Tokens},
    clock::{self, Moment},
    config::ConfigError,
    counters::Counters,
    http::{ClientInfo, Limit, Problem},
    id,
    ledger::Ledger,
    notifications::{Outbox, Template},
    rate_limits,
    secrets::Secret,
    users::{FACTOR_RESET_LIFE, User, Users},
};

/// How long an owner has to stop it.
const WAIT_HOURS: i64 = 24;

/// How long after a mailed link set the password no reset is asked for: until then the mailbox alone may be behind it.
const AFTER_PASSWORD_RESET: SignedDuration = SignedDuration::from_hours(72);

/// Resets of lost factors.
pub(super) struct FactorResets {
    tokens: Secret<Tokens>,
    outbox: Outbox,
    links: Links,
    audit_log: AuditLog,
    counters: Counters,
}

impl FactorResets {
    /// Reads the seeds and where links lead.
    pub(super) fn from_env(ledger: &Ledger, counters: Counters) -> Result<Self, ConfigError> {
        let (tokens, outbox, audit_log) = (Tokens::from_env()?, Outbox::from_env()?, AuditLog::from_env(ledger)?);
        Ok(Self { tokens, outbox, links: Links::from_env(), audit_log, counters })
    }

    /// Mails a link to the owner of an account, whose password the caller has shown; 409 when there is nothing to reset,
    /// the address is not proved, or a mailed link set the password lately; 403 for an administrator.
    pub(super) async fn ask(&self, client: &ClientInfo, user: &User) -> Result<(), Problem> {
        if user.mfa.method.is_none() {
            return Err(Problem::conflict("mfa_disabled", "There is no second factor to reset."));
        }
        not_of_an_administrator(user)?;
        if user.password_reset_at.is_some_and(|at| at > clock::now() - AFTER_PASSWORD_RESET) {
            return Err(Problem::conflict(
                "password_reset_lately",
                "Your password was set by a mailed link less than three days ago: ask again after that.",
            ));
        }
        if user.proved_email().is_none() {
            return Err(Problem::conflict(
                "email_not_verified",
                "Your address is not confirmed: ask an administrator.",
            ));
        }
        self.counters.check(&rate_limits::MfaReset::POLICY, client, &user.id).await?;
        let token = self.tokens.get().await?.factor_reset(claims(user), clock::now());
        let link = self.links.to(Page::ResetFactor, &token, client);
        self.outbox.send_link(&id::new(), Some(&user.id), &user.email, Template::FactorReset { link }).await?;
        self.audit_log.record(client, AuditEvent::new(Action::MfaResetAsked).on("user", &user.id)).await
    }

    /// Begins the wait; returns when the factor will be gone. Twice is once.
    pub(super) async fn begin(&self, client: &ClientInfo, users: &Users, token: &str) -> Result<Moment, Problem> {
        let claims = self.tokens.get().await?.verify_factor_reset(token).ok_or_else(expired)?;
        let user = current(users, &claims).await?;
        not_of_an_administrator(&user)?;
        let lapsed = clock::now() - FACTOR_RESET_LIFE;
        if let Some(at) = user.mfa.reset_at.filter(|at| *at > lapsed) {
            return Ok(at);
        }
        // The owner is told first: there is no wait of which they do not know.
        let keep = self.tokens.get().await?.factor_keep(claims.clone(), clock::now());
        let link = self.links.to(Page::KeepFactor, &keep, client);
        let told = Template::FactorResetBegun { link };
        self.outbox.send_link(&id::new(), Some(&user.id), &user.email, told).await?;
        let at = clock::now() + SignedDuration::from_hours(WAIT_HOURS);
        let guard = doc! {
            "mfa.method": {"$ne": null},
            "sessionVersion": user.session_version,
            "$or": [{"mfa.resetAt": null}, {"mfa.resetAt": {"$lte": lapsed}}],
        };
        if users.change_if(&user.id, guard, doc! {"$set": {"mfa.resetAt": at}}).await?.is_none() {
            return current(users, &claims).await?.mfa.reset_at.ok_or_else(expired);
        }
        self.audit_log.record(client, AuditEvent::new(Action::MfaResetBegun).on("user", &user.id)).await?;
        Ok(at)
    }

    /// Ends the wait: the factor stays. Twice is once.
    pub(super) async fn stop(&self, client: &ClientInfo, users: &Users, token: &str) -> Result<(), Problem> {
        let claims = self.tokens.get().await?.verify_factor_keep(token).ok_or_else(expired)?;
        let waiting = doc! {"mfa.resetAt": {"$ne": null}};
        if users.change_if(&claims.sub, waiting, doc! {"$unset": {"mfa.resetAt": ""}}).await?.is_some() {
            self.audit_log.record(client, AuditEvent::new(Action::MfaResetStopped).on("user", &claims.sub)).await?;
        }
        Ok(())
    }
}

/// 403 for an administrator: of their account a mailbox is not enough.
fn not_of_an_administrator(user: &User) -> Result<(), Problem> {
    if !user.role.is_administrator() {
        return Ok(());
    }
    Err(Problem::forbidden(
        "administrator",
        "The factor of an administrator is taken off by another administrator, or with `cargo db promote`.",
    ))
}

fn claims(user: &User) -> FactorResetClaims {
    FactorResetClaims { sub: user.id.clone(), ver: user.session_version }
}

/// The account of a link, if it is as it was when the link was made.
async fn current(users: &Users, claims: &FactorResetClaims) -> Result<User, Problem> {
    let user = users.stored(&claims.sub).await?.filter(|user| user.session_version == claims.ver);
    user.filter(|user| user.mfa.method.is_some()).ok_or_else(expired)
}

fn expired() -> Problem {
    Problem::invalid_field("token", "is expired: sign in again and ask for another link")
}
