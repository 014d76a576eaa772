//! The way of records into the queue.

mod price;
mod quota;
mod record;

pub(super) use self::record::LATE_DAYS;
pub use self::{
    price::cost_micros,
    quota::{LimitsView, UsageLimits},
    record::{AcceptedUsage, UsageRequest},
};

use self::quota::Charge;
use crate::{
    api_keys::KeyPrincipal,
    cache::Cache,
    clock::Moment,
    config::ConfigError,
    http::Problem,
    queue::{Queue, Queued, SendError},
    usage::AiUsage,
    users::Account,
};

/// Takes records. Never opens the database, but to look a caller up.
pub struct UsageIntake {
    limits: UsageLimits,
    queue: Queue,
}

impl UsageIntake {
    /// Reads where events go; counts in `cache`.
    pub fn from_env(cache: &Cache) -> Result<Self, ConfigError> {
        Ok(Self { limits: UsageLimits::new(cache.clone()), queue: Queue::events_from_env()? })
    }

    /// Accepts all records or none: when the queue has them, they are safe. 429 beyond the plan.
    pub async fn accept(
        &self,
        caller: &KeyPrincipal,
        request: UsageRequest,
        now: Moment,
    ) -> Result<AcceptedUsage, Problem> {
        let (user_id, plan) = (&caller.account.id, caller.account.plan);
        let usage = request.into_usage(caller, plan, now)?;
        let taken = self.limits.take(user_id, plan, &usage.charges, now).await?;
        if let Err(error) = self.queue.send(&usage.events).await {
            self.limits.give_back(&taken).await;
            return Err(error.into());
        }
        Ok(usage.answer)
    }

    /// Takes the record of a use that the bundle itself allowed, and that is paid for: it counts against the plan,
    /// whether the queue has it now or later, and is never refused.
    pub async fn record(&self, account: &Account, usage: AiUsage) -> Result<(), SendError> {
        let tokens = usage.prompt_tokens + usage.completion_tokens;
        let charge = Charge { id: usage.id.clone(), tokens, cost_micros: usage.cost_micros };
        self.limits.count(&account.id, account.plan, charge, usage.occurred_at).await;
        self.queue.send(&[Queued(usage)]).await
    }

    /// What is left of an account's plan.
    pub async fn limits(&self, account: &Account, now: Moment) -> LimitsView {
        self.limits.view(&account.id, account.plan, now).await
    }
}
