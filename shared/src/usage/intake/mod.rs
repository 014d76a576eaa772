//! The way of records into the queue.

mod call;
mod number;
mod plan;
mod quota;
mod record;
mod sums;

use std::time::Duration;

pub(super) use self::record::LATE_DAYS;
pub use self::{
    call::{CallView, LimitsView, PlannedCall, Refusal},
    plan::PlanLimit,
    quota::{Allowance, PlanUse, UsageLimits},
    record::{AcceptedUsage, FlaggedUsage, UsageRequest},
};

use self::{quota::Taken, record::Use};
use super::price::Prices;
use crate::{
    api_keys::KeyPrincipal,
    cache::Cache,
    clock::{self, Moment},
    config::ConfigError,
    http::Problem,
    ledger::{self, Ledger, OUTAGE_GRACE},
    mongo,
    queue::{Queue, Queued, SendError},
    usage::AiUsage,
    users::Account,
};

const DAY: Duration = Duration::from_hours(24);

/// Whether there are bytes for records.
enum Room {
    /// They are taken from the ledger, or none need be.
    Taken(Option<ledger::Taken>),
    /// There are none left.
    Full,
}

/// Takes records. Opens the database only to look a caller up, for the operator's prices, and now and then for the ledger.
pub struct UsageIntake {
    cache: Cache,
    ledger: Ledger,
    limits: UsageLimits,
    prices: Prices,
    queue: Queue,
}

impl UsageIntake {
    /// Reads where events go; counts in `cache`.
    pub fn from_env(ledger: &Ledger, cache: &Cache) -> Result<Self, ConfigError> {
        Ok(Self {
            cache: cache.clone(),
            ledger: ledger.clone(),
            limits: UsageLimits::new(cache.clone()),
            prices: Prices::new(ledger.mongo().clone(), cache.clone()),
            queue: Queue::events_from_env()?.made_ahead(),
        })
    }

    /// What uses are priced by.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Accepts all records or none: when the queue has them, they are safe. What is beyond the plan is accepted, and
    /// flagged. Records for which the account has no bytes left are added to sums of their day, and flagged too.
    pub async fn accept(
        &self,
        caller: &KeyPrincipal,
        request: UsageRequest,
        now: Moment,
    ) -> Result<AcceptedUsage, Problem> {
        let (user_id, plan) = (&caller.account.id, caller.account.plan);
        let mut uses = request.into_uses(caller, &self.prices.current().await, now)?;
        let charges: Vec<_> = uses.iter().map(record::Use::charge).collect();
        let mut taken = self.limits.take(user_id, plan, &charges, now).await;
        uses.iter_mut().zip(&taken.beyond).for_each(|(one, beyond)| one.note_beyond(beyond));
        let new = uses.iter().zip(&taken.new).filter_map(|(one, new)| new.then_some(one.bytes()));
        let accepted = match self.take_room(&caller.account, new.sum(), now).await {
            Ok(Room::Taken(bytes)) => {
                let sent = self.send(user_id, uses, &taken).await;
                if sent.is_err()
                    && let Some(bytes) = bytes
                {
                    self.ledger.give_back(bytes).await;
                }
                sent
            }
            Ok(Room::Full) => self.add_up(user_id, uses, &mut taken).await,
            Err(problem) => Err(problem),
        };
        if accepted.is_err() {
            self.limits.give_back(&taken).await;
        }
        accepted
    }

    /// Takes the bytes of new records. While the database does not answer, a little is taken without it, and then nothing:
    /// 503.
    async fn take_room(&self, account: &Account, bytes: u64, now: Moment) -> Result<Room, Problem> {
        if bytes == 0 {
            return Ok(Room::Taken(None));
        }
        match self.ledger.take_if_any(&account.payer(), bytes).await {
            Ok(Some(taken)) => Ok(Room::Taken(Some(taken))),
            Ok(None) => Ok(Room::Full),
            Err(error @ mongo::Error::Unavailable(_)) => {
                let key = format!("bytes:grace:{}:{}", account.id, clock::day(now));
                let used = self.cache.add(&key, bytes, DAY).await.used;
                if used > OUTAGE_GRACE { Err(error.into()) } else { Ok(Room::Taken(None)) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the records, those that were counted before as well: a request at the same time may have failed with them.
    /// Those that are in a sum by now are left out.
    async fn send(&self, user_id: &str, uses: Vec<Use>, taken: &Taken) -> Result<AcceptedUsage, Problem> {
        let answer = accepted(&uses, &taken.beyond);
        let mut events = Vec::new();
        for (one, new) in uses.into_iter().zip(&taken.new) {
            if *new || !sums::is_added_up(&self.cache, user_id, &one.id).await {
                events.extend(one.into_events());
            }
        }
        self.queue.send(&events).await?;
        Ok(answer)
    }

    /// Adds the new records to sums. Those that were counted before are stored, or in a sum.
    async fn add_up(&self, user_id: &str, uses: Vec<Use>, taken: &mut Taken) -> Result<AcceptedUsage, Problem> {
        for (beyond, _) in taken.beyond.iter_mut().zip(&taken.new).filter(|(_, new)| **new) {
            beyond.push(PlanLimit::StoredBytesToday);
        }
        let answer = accepted(&uses, &taken.beyond);
        let new: Vec<Use> = uses.into_iter().zip(&taken.new).filter_map(|(one, new)| new.then_some(one)).collect();
        sums::add(self.ledger.mongo(), user_id, &new).await?;
        sums::remember(&self.cache, user_id, &new).await;
        self.ledger.count_refusal("ai.usage.added_up").await;
        Ok(answer)
    }

    /// Takes the record of a use that the bundle itself allowed, and that is paid for: it counts against the plan,
    /// whether the queue has it now or later, and is never refused.
    pub async fn record(&self, account: &Account, usage: AiUsage) -> Result<(), SendError> {
        let charge = record::charge(&usage);
        // One that comes again is stored already.
        if self.limits.count(&account.id, account.plan, charge, usage.occurred_at).await {
            self.ledger.charge(&account.payer(), record::stored_bytes(&usage)).await;
        }
        self.queue.send(&[Queued(usage)]).await
    }

    /// What is left of an account's plan, and whether a call fits it, if one is described.
    pub async fn limits(&self, account: &Account, call: &PlannedCall, now: Moment) -> Result<LimitsView, Problem> {
        let plan = self.limits.view(&account.id, account.plan, account.payer().bytes_a_day(now), now).await;
        if !call.is_described() {
            return Ok(LimitsView { plan, call: None });
        }
        let prices = self.prices.current().await;
        let answer = call.fits(&account.id, &plan, &prices, now);
        let call = answer.map_err(|(field, message)| Problem::invalid_field(field, message))?;
        Ok(LimitsView { plan, call: Some(call) })
    }
}

fn accepted(uses: &[Use], beyond: &[Vec<PlanLimit>]) -> AcceptedUsage {
    let told = uses.iter().zip(beyond).enumerate();
    AcceptedUsage {
        accepted: uses.len(),
        ids: uses.iter().map(|one| one.id.clone()).collect(),
        flagged: told.filter_map(|(index, (one, beyond))| one.flagged(index, beyond)).collect(),
    }
}
