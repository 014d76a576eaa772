//! Records of use as a client sends them.

use garde::Validate;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{cost_micros, price::dearest_micros, quota::Charge};
use crate::{
    api_keys::{ApiKeyUsage, KeyPrincipal},
    clock::Moment,
    http::Problem,
    id,
    plans::Plan,
    queue::Queued,
    usage::AiUsage,
};

/// Records may come this late: days stay open for as long.
pub(in crate::usage) const LATE_DAYS: i64 = 7;
/// A client's clock may be this far ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// More tokens than any model takes.
const MAX_TOKENS: u64 = 100_000_000;

/// Records of use.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"records": [{
    "provider": "openai", "model": "gpt-4o", "promptTokens": 1200, "completionTokens": 350, "latencyMs": 900, "success": true
}]}))]
pub struct UsageRequest {
    /// 1 to 100.
    #[garde(dive, length(min = 1, max = 100))]
    #[schema(min_items = 1, max_items = 100)]
    pub records: Vec<UsageRecord>,
}

/// One use of a model.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageRecord {
    /// The client's own id (UUID): sent twice, it counts once.
    #[garde(skip)]
    #[schema(format = "uuid")]
    id: Option<String>,
    /// `openai`, `anthropic`, …
    #[garde(length(chars, min = 1, max = 50))]
    #[schema(min_length = 1, max_length = 50)]
    provider: String,
    /// The provider's name of the model.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    model: String,
    /// Tokens sent.
    #[garde(range(max = MAX_TOKENS))]
    #[schema(maximum = 100_000_000)]
    prompt_tokens: u64,
    /// Tokens received.
    #[garde(range(max = MAX_TOKENS))]
    #[schema(maximum = 100_000_000)]
    completion_tokens: u64,
    /// How long the provider took.
    #[garde(range(max = 86_400_000))]
    #[schema(maximum = 86_400_000)]
    latency_ms: u64,
    /// What it was called for, `/v1/chat/completions`.
    #[serde(default)]
    #[garde(length(chars, max = 200))]
    #[schema(max_length = 200)]
    endpoint: Option<String>,
    /// Whether the provider answered.
    #[garde(skip)]
    success: bool,
    /// What it said otherwise.
    #[garde(length(chars, max = 500))]
    #[schema(max_length = 500)]
    error: Option<String>,
    /// The client's session.
    #[garde(length(chars, max = 100))]
    #[schema(max_length = 100)]
    session_id: Option<String>,
    /// When it happened; now when absent. At most 7 days ago, at most 5 minutes ahead.
    #[garde(skip)]
    occurred_at: Option<Moment>,
}

/// What was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedUsage {
    /// How many.
    pub accepted: usize,
    /// Their ids, in order.
    pub ids: Vec<String>,
}

/// What goes into the queue of a record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum UsageEvent {
    /// That a model was used.
    Model(Queued<AiUsage>),
    /// That a key was.
    Key(Queued<ApiKeyUsage>),
}

/// Records that may go into the queue.
#[derive(Debug)]
pub struct Usage {
    pub events: Vec<UsageEvent>,
    pub answer: AcceptedUsage,
    pub(super) charges: Vec<Charge>,
}

impl UsageRequest {
    /// The records as events of this caller, priced; 422 for one that is out of time or beyond the plan.
    pub fn into_usage(self, caller: &KeyPrincipal, plan: Plan, now: Moment) -> Result<Usage, Problem> {
        let per_request = plan.allows().tokens_per_request;
        let (mut events, mut ids, mut charges) = (Vec::new(), Vec::new(), Vec::new());
        let user_id = &caller.account.id;
        for (index, record) in self.records.into_iter().enumerate() {
            let field = |name: &str| format!("records[{index}].{name}");
            let id = match &record.id {
                Some(text) => id::parse(text).ok_or_else(|| Problem::invalid_field(field("id"), "must be a UUID"))?,
                None => id::new(),
            };
            let occurred_at = record.occurred_at.unwrap_or(now);
            if occurred_at > now + AHEAD || occurred_at < now - SignedDuration::from_hours(24 * LATE_DAYS) {
                let message = "must be at most 7 days ago and at most 5 minutes ahead";
                return Err(Problem::invalid_field(field("occurredAt"), message));
            }
            let tokens = record.prompt_tokens + record.completion_tokens;
            if tokens > per_request {
                let message = format!("is beyond your plan: {per_request} tokens in all a request");
                return Err(Problem::invalid_field(field("promptTokens"), message));
            }
            let cost = cost_micros(&record.model, record.prompt_tokens, record.completion_tokens, occurred_at);
            // The store keeps it under the owner's id too: nobody can take another's id away.
            let stored_id = format!("{user_id}/{id}");
            charges.push(Charge {
                id: stored_id.clone(),
                tokens,
                // An unknown name is no way around the limit.
                cost_micros: cost.unwrap_or_else(|| dearest_micros(record.prompt_tokens, record.completion_tokens)),
            });
            if let Some(key_id) = caller.key_id() {
                events.push(UsageEvent::Key(Queued(ApiKeyUsage {
                    id: stored_id.clone(),
                    user_id: user_id.clone(),
                    key_id: key_id.to_owned(),
                    provider: Some(record.provider.clone()),
                    status: if record.success { "success" } else { "error" }.into(),
                    occurred_at,
                })));
            }
            events.push(UsageEvent::Model(Queued(AiUsage {
                id: stored_id,
                user_id: user_id.clone(),
                key_id: caller.key_id().map(str::to_owned),
                provider: record.provider,
                model: record.model,
                prompt_tokens: record.prompt_tokens,
                completion_tokens: record.completion_tokens,
                cost_micros: cost.unwrap_or_default(),
                priced: cost.is_some(),
                latency_ms: record.latency_ms,
                endpoint: record.endpoint,
                success: record.success,
                error: record.error,
                session_id: record.session_id,
                occurred_at,
                received_at: now,
            })));
            ids.push(id);
        }
        Ok(Usage { events, answer: AcceptedUsage { accepted: ids.len(), ids }, charges })
    }
}
