//! Records of use as a client sends them.

use garde::Validate;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        cost::Cost,
        identifier,
        price::{MAX_A_MILLION, PriceBook, Rate, Rates},
        tokens::TokenCounts,
    },
    number::WholeNumber,
    plan::PlanLimit,
    quota::Charge,
};
use crate::{
    api_keys::{ApiKeyUsage, KeyPrincipal},
    clock::Moment,
    http::Problem,
    id, mongo,
    queue::{Queued, QueuedEvent},
    schema,
    usage::AiUsage,
};

/// Records may come this late: days stay open for as long.
pub(in crate::usage) const LATE_DAYS: i64 = 7;
/// A client's clock may be this far ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// More tokens than any model takes.
const MAX_TOKENS: u64 = 100_000_000;
const MAX_IMAGES: u64 = 10_000;
const MAX_LATENCY_MS: u64 = 86_400_000;

/// A number of tokens.
pub(super) type Tokens = WholeNumber<MAX_TOKENS>;

/// Records of use.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"records": [{
    "provider": "openai", "model": "gpt-4o", "promptTokens": 1200, "cachedTokens": 1024, "completionTokens": 350,
    "reasoningTokens": 120, "latencyMs": 900, "success": true
}]}))]
pub struct UsageRequest {
    /// 1 to 100.
    #[garde(dive, length(min = 1, max = 100))]
    #[schema(min_items = 1, max_items = 100)]
    pub records: Vec<UsageRecord>,
    /// Whose usage it is, where a service key reports it.
    #[garde(inner(length(bytes, min = 1, max = 100)))]
    #[schema(min_length = 1, max_length = 100)]
    pub user_id: Option<String>,
    /// By which key of theirs that was.
    #[garde(inner(length(bytes, min = 1, max = 100)))]
    #[schema(min_length = 1, max_length = 100)]
    pub provider_key_id: Option<String>,
}

/// One use of a model.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageRecord {
    /// The client's own id (UUID): sent twice, it counts once.
    #[garde(skip)]
    #[schema(format = "uuid")]
    id: Option<String>,
    /// `openai`, `anthropic`, …, in any case.
    #[garde(length(chars, min = 1, max = 50), custom(identifier::provider))]
    #[schema(min_length = 1, max_length = 50)]
    provider: String,
    /// The model as the provider or gateway names it: case, a maker in front (`openai/gpt-4o`), a date or `-latest`
    /// behind do not matter.
    #[garde(length(chars, min = 1, max = 200), custom(identifier::model))]
    #[schema(min_length = 1, max_length = 200)]
    model: String,
    /// Tokens sent, of every kind.
    #[garde(skip)]
    #[schema(value_type = u64, maximum = 100_000_000)]
    prompt_tokens: Tokens,
    /// Of them, read from the provider's cache.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    cached_tokens: Option<Tokens>,
    /// Of them, written to the provider's cache.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    cache_write_tokens: Option<Tokens>,
    /// Of them, audio.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    prompt_audio_tokens: Option<Tokens>,
    /// Of them, images.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    prompt_image_tokens: Option<Tokens>,
    /// Tokens received, of every kind.
    #[garde(skip)]
    #[schema(value_type = u64, maximum = 100_000_000)]
    completion_tokens: Tokens,
    /// Of them, reasoning.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    reasoning_tokens: Option<Tokens>,
    /// Of them, audio.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    completion_audio_tokens: Option<Tokens>,
    /// Of them, images.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 100_000_000)]
    completion_image_tokens: Option<Tokens>,
    /// Images made.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 10_000)]
    images: Option<WholeNumber<MAX_IMAGES>>,
    /// `promptTokens` and `completionTokens` together, to be checked.
    #[garde(skip)]
    #[schema(value_type = Option<u64>, maximum = 200_000_000)]
    total_tokens: Option<WholeNumber<{ 2 * MAX_TOKENS }>>,
    /// How long the provider took.
    #[garde(skip)]
    #[schema(value_type = u64, maximum = 86_400_000)]
    latency_ms: WholeNumber<MAX_LATENCY_MS>,
    /// What it was called for, `/v1/chat/completions`.
    #[serde(default)]
    #[garde(length(chars, max = 200))]
    #[schema(max_length = 200)]
    endpoint: Option<String>,
    /// Whether the provider answered.
    #[garde(skip)]
    success: bool,
    /// Whether the provider asks money for it. When absent, it does if it answered.
    #[garde(skip)]
    billed: Option<bool>,
    /// What the tokens of a model of one's own cost. Counts where neither the operator nor the list has a price.
    #[garde(dive)]
    unit_prices: Option<UnitPrices>,
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

/// Dollars for a million tokens, 0 as well.
#[derive(Clone, Copy, Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UnitPrices {
    /// Of tokens sent.
    #[garde(range(min = 0.0, max = MAX_A_MILLION))]
    #[schema(minimum = 0, maximum = 10_000)]
    input: f64,
    /// Of tokens received.
    #[garde(range(min = 0.0, max = MAX_A_MILLION))]
    #[schema(minimum = 0, maximum = 10_000)]
    output: f64,
}

/// What was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedUsage {
    /// How many.
    pub accepted: usize,
    /// Their ids, in order.
    pub ids: Vec<String>,
    /// Those that were recorded, and about which there is something to say.
    pub flagged: Vec<FlaggedUsage>,
}

/// A record that is beyond the plan, or whose cost is not known.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlaggedUsage {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// The limits of the plan that it is beyond. It counts all the same.
    pub beyond_plan: Vec<PlanLimit>,
    /// Whether its model has no price: its cost is missing in reports, and nothing is counted against the plan's cost.
    pub unpriced: bool,
}

/// What goes into the queue of a record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum UsageEvent {
    /// That a model was used.
    Model(Box<Queued<AiUsage>>),
    /// That a key was.
    Key(Queued<ApiKeyUsage>),
}

/// A record that may go into the queue.
#[derive(Debug)]
pub(super) struct Use {
    /// The client's id.
    pub(super) id: String,
    pub(super) usage: AiUsage,
    /// When it came by a key.
    pub(super) key_usage: Option<ApiKeyUsage>,
}

impl UsageRequest {
    /// The records as uses of this caller, priced; 422 for one that contradicts itself or is out of time.
    pub(super) fn into_uses(self, caller: &KeyPrincipal, prices: &PriceBook, now: Moment) -> Result<Vec<Use>, Problem> {
        let (user_id, key_id, provider_key_id) = (&caller.account.id, caller.key_id(), self.provider_key_id);
        let read = |(index, record): (usize, UsageRecord)| {
            let refused =
                |(field, message): (&str, String)| Problem::invalid_field(format!("records[{index}].{field}"), message);
            let mut one = record.into_use(user_id, key_id, prices, now).map_err(refused)?;
            one.usage.provider_key_id.clone_from(&provider_key_id);
            Ok(one)
        };
        self.records.into_iter().enumerate().map(read).collect()
    }
}

impl UsageRecord {
    /// An error is a field, and what it must be.
    fn into_use(
        self,
        user_id: &str,
        key_id: Option<&str>,
        prices: &PriceBook,
        now: Moment,
    ) -> Result<Use, (&'static str, String)> {
        let id = match &self.id {
            Some(text) => id::parse(text).ok_or_else(|| ("id", "must be a UUID".to_owned()))?,
            None => id::new(),
        };
        let occurred_at = self.occurred_at.unwrap_or(now);
        if occurred_at > now + AHEAD || occurred_at < now - SignedDuration::from_hours(24 * LATE_DAYS) {
            return Err(("occurredAt", "must be at most 7 days ago and at most 5 minutes ahead".into()));
        }
        let tokens = self.tokens()?;
        let found = prices.find(user_id, &self.provider, &self.model, occurred_at);
        let cost = if !self.billed.unwrap_or(self.success) {
            Some(Cost::ZERO)
        } else if let Some(found) = &found {
            Some(found.rates.cost(&tokens))
        } else {
            self.unit_prices.and_then(UnitPrices::rates).map(|rates| rates.cost(&tokens))
        };
        let model = identifier::normal(found.map_or(self.model.as_str(), |found| found.model));
        // The store keeps it under the owner's id too: nobody can take another's id away.
        let stored_id = format!("{user_id}/{id}");
        let provider = identifier::normal(&self.provider);
        let key_usage = key_id.map(|key_id| ApiKeyUsage {
            id: stored_id.clone(),
            user_id: user_id.to_owned(),
            key_id: key_id.to_owned(),
            provider: Some(provider.clone()),
            status: if self.success { "success" } else { "error" }.into(),
            occurred_at,
        });
        let usage = AiUsage {
            id: stored_id,
            user_id: user_id.to_owned(),
            key_id: key_id.map(str::to_owned),
            provider_key_id: None,
            provider,
            reported_model: (model != self.model).then_some(self.model),
            model,
            prompt_tokens: tokens.prompt,
            cached_tokens: tokens.cached,
            cache_write_tokens: tokens.cache_write,
            prompt_audio_tokens: tokens.prompt_audio,
            prompt_image_tokens: tokens.prompt_image,
            completion_tokens: tokens.completion,
            reasoning_tokens: tokens.reasoning,
            completion_audio_tokens: tokens.completion_audio,
            completion_image_tokens: tokens.completion_image,
            images: tokens.images,
            cost_micros: cost.unwrap_or_default().whole_micros(),
            cost_picos: cost.unwrap_or_default().picos_left(),
            priced: cost.is_some(),
            billed: self.billed,
            beyond_plan: Vec::new(),
            latency_ms: self.latency_ms.get(),
            endpoint: self.endpoint,
            success: self.success,
            error: self.error,
            session_id: self.session_id,
            occurred_at,
            received_at: now,
        };
        Ok(Use { id, usage, key_usage })
    }

    /// What it took; an error is the field that contradicts the others.
    fn tokens(&self) -> Result<TokenCounts, (&'static str, String)> {
        let part = |tokens: Option<Tokens>| tokens.unwrap_or_default().get();
        let tokens = TokenCounts {
            prompt: self.prompt_tokens.get(),
            completion: self.completion_tokens.get(),
            cached: part(self.cached_tokens),
            cache_write: part(self.cache_write_tokens),
            prompt_audio: part(self.prompt_audio_tokens),
            prompt_image: part(self.prompt_image_tokens),
            reasoning: part(self.reasoning_tokens),
            completion_audio: part(self.completion_audio_tokens),
            completion_image: part(self.completion_image_tokens),
            images: self.images.unwrap_or_default().get(),
        };
        if let Some(contradiction) = tokens.contradiction() {
            return Err(contradiction);
        }
        match self.total_tokens {
            Some(total) if total.get() != tokens.total() => {
                Err(("totalTokens", format!("must be promptTokens and completionTokens together: {}", tokens.total())))
            }
            _ => Ok(tokens),
        }
    }
}

impl UnitPrices {
    fn rates(self) -> Option<Rates> {
        Some(Rates::text(Rate::a_million(self.input)?, Rate::a_million(self.output)?))
    }
}

impl Use {
    /// What it counts against the plan: the very cost that is stored.
    pub(super) fn charge(&self) -> Charge {
        Charge { bytes: self.bytes(), ..charge(&self.usage) }
    }

    /// What its documents fill.
    pub(super) fn bytes(&self) -> u64 {
        stored_bytes(&self.usage) + self.key_usage.as_ref().map_or(0, stored_bytes)
    }

    /// What to say about it, if anything.
    pub(super) fn flagged(&self, index: usize, beyond_plan: &[PlanLimit]) -> Option<FlaggedUsage> {
        let unpriced = !self.usage.priced;
        let flagged = || FlaggedUsage { index, id: self.id.clone(), beyond_plan: beyond_plan.to_vec(), unpriced };
        (unpriced || !beyond_plan.is_empty()).then(flagged)
    }

    /// Notes the limits of the plan that it is beyond.
    pub(super) fn note_beyond(&mut self, beyond_plan: &[PlanLimit]) {
        self.usage.beyond_plan = beyond_plan.iter().map(|limit| limit.name().to_owned()).collect();
    }

    /// As it is sent.
    pub(super) fn into_events(self) -> impl Iterator<Item = UsageEvent> + use<> {
        let key_usage = self.key_usage.map(|usage| UsageEvent::Key(Queued(usage)));
        key_usage.into_iter().chain([UsageEvent::Model(Box::new(Queued(self.usage)))])
    }
}

/// What an event fills in the store. Nothing for what the store cannot hold, which is never sent.
pub(super) fn stored_bytes<T: QueuedEvent>(event: &T) -> u64 {
    mongo::to_document(event).map_or(0, |document| schema::weight(T::COLLECTION, &document))
}

/// What a stored use counts against the plan.
pub(super) fn charge(usage: &AiUsage) -> Charge {
    Charge {
        id: usage.id.clone(),
        tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        cost: Cost::from_stored(usage.cost_micros, usage.cost_picos),
        bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn now() -> Moment {
        "2026-11-28T12:00:00Z".parse().expect("valid")
    }

    /// A record of `gpt-4o` with these fields besides.
    fn record(fields: &Value) -> UsageRecord {
        let mut record = json!({
            "provider": "openai", "model": "gpt-4o", "promptTokens": 1000, "completionTokens": 100, "latencyMs": 1, "success": true
        });
        for (field, value) in fields.as_object().expect("fields") {
            record[field] = value.clone();
        }
        serde_json::from_value(record).expect("a record")
    }

    fn used(fields: &Value) -> AiUsage {
        record(fields).into_use("ada", None, &PriceBook::default(), now()).expect("a use").usage
    }

    fn refused(fields: &Value) -> (&'static str, String) {
        record(fields).into_use("ada", None, &PriceBook::default(), now()).expect_err("a refusal")
    }

    #[test]
    fn every_name_of_a_model_is_the_model_and_what_the_client_said_stays() {
        for name in ["gpt-4o-2024-11-20", "openai/gpt-4o", "GPT-4o", "gpt-4o ", "azure.gpt-4o", "gpt-4o-latest"] {
            let usage = used(&json!({"model": name, "provider": "OpenAI "}));
            assert_eq!(
                (usage.model.as_str(), usage.provider.as_str(), usage.priced),
                ("gpt-4o", "openai", true),
                "{name}"
            );
            assert_eq!((usage.cost_micros, usage.reported_model.as_deref()), (3_500, Some(name)));
        }
        assert_eq!(used(&json!({})).reported_model, None);
        let unknown = used(&json!({"model": " My-Model"}));
        assert_eq!((unknown.model.as_str(), unknown.priced, unknown.cost_micros), ("my-model", false, 0));
    }

    #[test]
    fn the_kinds_of_todays_providers_are_taken_and_priced() {
        let cached = used(&json!({"cachedTokens": 400, "reasoningTokens": 60, "totalTokens": 1100}));
        assert_eq!((cached.cached_tokens, cached.reasoning_tokens), (400, 60));
        assert_eq!(cached.cost_micros, 600 * 5 / 2 + 400 * 5 / 4 + 1_000, "cached tokens at half the price");
        let claude = json!({"model": "claude-3-5-sonnet-20241022", "cachedTokens": 400, "cacheWriteTokens": 600});
        assert_eq!(used(&claude).cost_micros, 120 + 2_250 + 1_500);
        let audio = json!({"model": "gpt-4o-audio-preview", "promptAudioTokens": 1000, "completionAudioTokens": 100});
        assert_eq!(used(&audio).cost_micros, 100_000 + 20_000);
        assert_eq!(used(&json!({"promptImageTokens": 800, "images": 3})).images, 3);
    }

    #[test]
    fn a_part_or_total_that_contradicts_the_others_is_named() {
        for (fields, field) in [
            (json!({"cachedTokens": 1001}), "cachedTokens"),
            (json!({"cachedTokens": 600, "cacheWriteTokens": 401}), "cacheWriteTokens"),
            (json!({"promptAudioTokens": 1001}), "promptAudioTokens"),
            (json!({"reasoningTokens": 101}), "reasoningTokens"),
            (json!({"completionAudioTokens": 101}), "completionAudioTokens"),
            (json!({"totalTokens": 1099}), "totalTokens"),
            (json!({"totalTokens": 0}), "totalTokens"),
            (json!({"id": "x"}), "id"),
            (json!({"occurredAt": "2026-11-20T12:00:00Z"}), "occurredAt"),
        ] {
            assert_eq!(refused(&fields).0, field, "{fields}");
        }
    }

    #[test]
    fn a_small_call_keeps_what_it_costs() {
        let small = used(&json!({"model": "gpt-4o-mini", "promptTokens": 3, "completionTokens": 0}));
        assert_eq!((small.cost_micros, small.cost_picos), (0, 450_000));
        assert_eq!(charge(&small).cost, Cost::from_picos(450_000));
    }

    #[test]
    fn what_the_provider_did_not_bill_costs_nothing() {
        for (success, billed, cost) in [
            (true, None, 3_500),
            (false, None, 0),
            (false, Some(true), 3_500),
            (false, Some(false), 0),
            (true, Some(false), 0),
        ] {
            let usage = used(&json!({"success": success, "billed": billed}));
            assert_eq!((usage.cost_micros, usage.priced), (cost, true), "{success} {billed:?}");
        }
        assert!(used(&json!({"model": "unheard-of", "success": false})).priced, "nothing is known to be nothing");
    }

    #[test]
    fn a_model_of_ones_own_has_the_price_that_one_gives_it() {
        let own = json!({"model": "my-llama", "unitPrices": {"input": 1.5, "output": 0}});
        assert_eq!((used(&own).cost_micros, used(&own).priced), (1_500, true));
        let free = used(&json!({"model": "my-llama", "unitPrices": {"input": 0, "output": 0}}));
        assert_eq!((free.cost_micros, free.priced), (0, true));
        let known = used(&json!({"unitPrices": {"input": 0, "output": 0}}));
        assert_eq!(known.cost_micros, 3_500, "a model of others costs what they ask");
        for (input, fits) in [(-1.0, false), (10_001.0, false), (10_000.0, true)] {
            let record = record(&json!({"unitPrices": {"input": input, "output": 0}}));
            assert_eq!(record.validate().is_ok(), fits, "{input}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_and_a_use_says_what_it_fills() {
        for field in ["model", "provider"] {
            for name in [" \u{a0}", "a\r\nb", "evil?", "оpenai"] {
                assert!(record(&json!({field: name})).validate().is_err(), "{field} {name:?}");
            }
        }
        let long = record(&json!({"error": "x".repeat(500), "success": false}));
        let long = long.into_use("ada", Some("key"), &PriceBook::default(), now()).expect("a use");
        let short = record(&json!({})).into_use("ada", None, &PriceBook::default(), now()).expect("a use");
        let (long, short) = (long.bytes(), short.bytes());
        assert!(long > short + 600 && (300..700).contains(&short), "{long} {short}");
    }
}
