//! The way of records into the queue.

mod call;
mod number;
mod plan;
mod quota;
mod record;

pub(super) use self::record::LATE_DAYS;
pub use self::{
    call::{CallView, LimitsView, PlannedCall, Refusal},
    plan::PlanLimit,
    quota::{Allowance, PlanUse, UsageLimits},
    record::{AcceptedUsage, FlaggedUsage, UsageRequest},
};

use super::price::Prices;
use crate::{
    api_keys::KeyPrincipal,
    cache::Cache,
    clock::Moment,
    config::ConfigError,
    http::Problem,
    mongo::Mongo,
    queue::{Queue, Queued, SendError},
    usage::AiUsage,
    users::Account,
};

/// Takes records. Opens the database only to look a caller up, or the operator's prices.
pub struct UsageIntake {
    limits: UsageLimits,
    prices: Prices,
    queue: Queue,
}

impl UsageIntake {
    /// Reads where events go; counts in `cache`.
    pub fn from_env(mongo: &Mongo, cache: &Cache) -> Result<Self, ConfigError> {
        Ok(Self {
            limits: UsageLimits::new(cache.clone()),
            prices: Prices::new(mongo.clone(), cache.clone()),
            queue: Queue::events_from_env()?,
        })
    }

    /// What uses are priced by.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Accepts all records or none: when the queue has them, they are safe. What is beyond the plan is accepted, and
    /// flagged; 429 only when the day's records would fill more than they may.
    pub async fn accept(
        &self,
        caller: &KeyPrincipal,
        request: UsageRequest,
        now: Moment,
    ) -> Result<AcceptedUsage, Problem> {
        let (user_id, plan) = (&caller.account.id, caller.account.plan);
        let uses = request.into_uses(caller, &self.prices.current().await, now)?;
        let charges: Vec<_> = uses.iter().map(record::Use::charge).collect();
        let taken = self.limits.take(user_id, plan, &charges, now).await?;
        let told = || uses.iter().zip(&taken.beyond).enumerate();
        let answer = AcceptedUsage {
            accepted: uses.len(),
            ids: uses.iter().map(|one| one.id.clone()).collect(),
            flagged: told().filter_map(|(index, (one, beyond))| one.flagged(index, beyond)).collect(),
        };
        let events: Vec<_> =
            uses.into_iter().zip(&taken.beyond).flat_map(|(one, beyond)| one.into_events(beyond)).collect();
        if let Err(error) = self.queue.send(&events).await {
            self.limits.give_back(&taken).await;
            return Err(error.into());
        }
        Ok(answer)
    }

    /// Takes the record of a use that the bundle itself allowed, and that is paid for: it counts against the plan,
    /// whether the queue has it now or later, and is never refused.
    pub async fn record(&self, account: &Account, usage: AiUsage) -> Result<(), SendError> {
        let charge = record::charge(&usage);
        self.limits.count(&account.id, account.plan, charge, usage.occurred_at).await;
        self.queue.send(&[Queued(usage)]).await
    }

    /// What is left of an account's plan, and whether a call fits it, if one is described.
    pub async fn limits(&self, account: &Account, call: &PlannedCall, now: Moment) -> Result<LimitsView, Problem> {
        let plan = self.limits.view(&account.id, account.plan, now).await;
        if !call.is_described() {
            return Ok(LimitsView { plan, call: None });
        }
        let prices = self.prices.current().await;
        let answer = call.fits(&account.id, &plan, &prices, now);
        let call = answer.map_err(|(field, message)| Problem::invalid_field(field, message))?;
        Ok(LimitsView { plan, call: Some(call) })
    }
}
