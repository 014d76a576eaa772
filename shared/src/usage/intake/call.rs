//! Whether a call fits the plan, answered before it is made.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    super::{cost::Cost, price::PriceBook, tokens::TokenCounts},
    number,
    plan::PlanLimit,
    quota::{Allowance, DAY_MS, HOUR_MS, PlanUse, seconds_left},
    record::Tokens,
};
use crate::clock::Moment;

/// A call that somebody is about to make.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PlannedCall {
    /// `openai`, `anthropic`, …, in any case.
    pub provider: Option<String>,
    /// The model as the provider or gateway names it.
    pub model: Option<String>,
    /// Tokens that will be sent.
    #[serde(default, deserialize_with = "number::in_query")]
    #[param(value_type = Option<u64>, maximum = 100_000_000)]
    pub prompt_tokens: Option<Tokens>,
    /// Of them, read from the provider's cache.
    #[serde(default, deserialize_with = "number::in_query")]
    #[param(value_type = Option<u64>, maximum = 100_000_000)]
    pub cached_tokens: Option<Tokens>,
    /// Tokens that may come back.
    #[serde(default, deserialize_with = "number::in_query")]
    #[param(value_type = Option<u64>, maximum = 100_000_000)]
    pub completion_tokens: Option<Tokens>,
}

/// What is left of a plan, and whether the call that was asked about fits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsView {
    /// What is left.
    #[serde(flatten)]
    pub plan: PlanUse,
    /// About the call; absent when none was described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallView>,
}

/// Whether a call fits. It may be made all the same, and is then recorded as beyond the plan.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// Whether it fits.
    pub fits: bool,
    /// The model as it is known, if it is.
    pub model: Option<String>,
    /// Whether its price is known.
    pub priced: bool,
    /// What it would cost, in micro-dollars; absent when that is not known.
    pub cost_micros: Option<u64>,
    /// Why it does not fit, limit by limit.
    pub why_not: Vec<Refusal>,
}

/// A limit that a call is beyond.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Which.
    pub limit: PlanLimit,
    /// What it allows, and what the call would take.
    pub message: String,
    /// Seconds until it allows more; absent when it never does.
    pub retry_after_s: Option<u64>,
}

impl PlannedCall {
    /// Whether any call was described.
    pub(super) fn is_described(&self) -> bool {
        self.model.is_some() || self.prompt_tokens.is_some() || self.completion_tokens.is_some()
    }

    /// Whether it fits, and why not. An error is a field, and what it must be.
    pub(super) fn fits(
        &self,
        user_id: &str,
        plan: &PlanUse,
        prices: &PriceBook,
        now: Moment,
    ) -> Result<CallView, (&'static str, String)> {
        let number = |tokens: Option<Tokens>| tokens.unwrap_or_default().get();
        let tokens = TokenCounts {
            cached: number(self.cached_tokens),
            ..TokenCounts::text(number(self.prompt_tokens), number(self.completion_tokens))
        };
        if let Some(contradiction) = tokens.contradiction() {
            return Err(contradiction);
        }
        let provider = self.provider.as_deref().unwrap_or_default();
        let found = self.model.as_deref().and_then(|model| prices.find(user_id, provider, model, now));
        let cost = found.as_ref().map(|found| found.rates.cost(&tokens));
        let why_not = why_not(plan, tokens.total(), cost, self.model.is_some(), now);
        Ok(CallView {
            fits: why_not.is_empty(),
            priced: cost.is_some(),
            cost_micros: cost.map(Cost::rounded_micros),
            model: found.map(|found| found.model.to_lowercase()),
            why_not,
        })
    }
}

fn why_not(plan: &PlanUse, tokens: u64, cost: Option<Cost>, names_model: bool, now: Moment) -> Vec<Refusal> {
    let (hour, day) = (Some(seconds_left(HOUR_MS, now)), Some(seconds_left(DAY_MS, now)));
    let mut refusals = Vec::new();
    let mut refuse = |limit, retry_after_s, message| refusals.push(Refusal { limit, message, retry_after_s });
    let requests = |what: &str, allowed: Allowance| {
        format!("Your plan has {} requests {what}, and {} were made.", allowed.limit, allowed.used)
    };
    if plan.requests_this_hour.left == 0 {
        refuse(PlanLimit::RequestsThisHour, hour, requests("an hour", plan.requests_this_hour));
    }
    if plan.requests_today.left == 0 {
        refuse(PlanLimit::RequestsToday, day, requests("a UTC day", plan.requests_today));
    }
    if tokens > plan.tokens_per_request {
        let message = format!("Your plan has {} tokens a request; this one has {tokens}.", plan.tokens_per_request);
        refuse(PlanLimit::TokensPerRequest, None, message);
    }
    let Allowance { limit, left, .. } = plan.tokens_today;
    if tokens > left {
        let message = format!("Of your plan's {limit} tokens a UTC day, {left} are left; this call has {tokens}.");
        refuse(PlanLimit::TokensToday, day, message);
    }
    let limit = Cost::from_stored(plan.cost_micros_today.limit, 0);
    let left = limit - plan.cost;
    let of_plan = format!("Of your plan's {} a UTC day, {} are left", dollars(limit), dollars(left));
    match cost {
        Some(cost) if cost > left => {
            refuse(PlanLimit::CostMicrosToday, day, format!("{of_plan}; this call costs {}.", dollars(cost)));
        }
        // What it costs is not known: it fits while anything is left.
        None if names_model && left == Cost::ZERO => {
            let message = format!("{of_plan}; this model has no price, so what the call costs is not known.");
            refuse(PlanLimit::CostMicrosToday, day, message);
        }
        _ => {}
    }
    refusals
}

/// To the micro-dollar: what is left may be little.
fn dollars(cost: Cost) -> String {
    let micros = cost.rounded_micros();
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let digits = text.trim_end_matches('0').len().max(text.len() - 4);
    format!("${}", &text[..digits])
}

#[cfg(test)]
mod tests {
    use super::{
        super::quota::{Charge, UsageLimits},
        *,
    };
    use crate::{cache::Cache, plans::Plan};

    fn now() -> Moment {
        "2026-11-28T23:50:00Z".parse().expect("valid")
    }

    /// What is left of a free plan after such requests.
    async fn after(requests: u64, tokens: u64, cost: Cost) -> PlanUse {
        let limits = UsageLimits::new(Cache::in_process());
        let charges: Vec<_> = (0..requests).map(|n| Charge { id: n.to_string(), tokens, cost, bytes: 100 }).collect();
        limits.take("u", Plan::Free, &charges, now()).await;
        limits.view("u", Plan::Free, 2_000_000, now()).await
    }

    fn call(query: &str) -> PlannedCall {
        serde_urlencoded::from_str(query).expect("a call")
    }

    fn asked(query: &str, plan: &PlanUse) -> CallView {
        call(query).fits("u", plan, &PriceBook::default(), now()).expect("an answer")
    }

    fn limits(view: &CallView) -> Vec<PlanLimit> {
        view.why_not.iter().map(|refusal| refusal.limit).collect()
    }

    #[tokio::test]
    async fn a_call_that_fits_is_priced_by_any_name() {
        let unused = after(0, 0, Cost::ZERO).await;
        let view = asked("model=openai/GPT-4o&promptTokens=1000&completionTokens=100", &unused);
        let expected = CallView {
            fits: true,
            model: Some("gpt-4o".into()),
            priced: true,
            cost_micros: Some(3_500),
            why_not: Vec::new(),
        };
        assert_eq!(view, expected);
        let unknown = asked("model=my-llama&completionTokens=2000", &unused);
        assert_eq!((unknown.fits, unknown.priced, unknown.cost_micros), (true, false, None));
        assert!(!call("utm_source=x").is_described() && call("promptTokens=1").is_described());
    }

    #[tokio::test]
    async fn each_limit_says_why_it_refuses() {
        let unused = after(0, 0, Cost::ZERO).await;
        let large = asked("promptTokens=2001", &unused);
        assert_eq!((large.fits, limits(&large)), (false, vec![PlanLimit::TokensPerRequest]));
        assert_eq!(large.why_not[0].message, "Your plan has 2000 tokens a request; this one has 2001.");
        let dear = asked("model=o1-pro&completionTokens=2000", &unused);
        assert_eq!(dear.why_not[0].message, "Of your plan's $0.50 a UTC day, $0.50 are left; this call costs $1.20.");
        assert_eq!((limits(&dear), dear.why_not[0].retry_after_s), (vec![PlanLimit::CostMicrosToday], Some(600)));

        let hour = asked("model=gpt-4o", &after(10, 0, Cost::ZERO).await);
        assert_eq!(limits(&hour), [PlanLimit::RequestsThisHour]);
        let day = asked("model=gpt-4o", &after(50, 1_000, Cost::ZERO).await);
        assert_eq!(limits(&day), [PlanLimit::RequestsThisHour, PlanLimit::RequestsToday]);
        let tokens = asked("model=gpt-4o&promptTokens=1", &after(50, 1_000, Cost::ZERO).await);
        assert!(limits(&tokens).contains(&PlanLimit::TokensToday));

        let spent = after(1, 0, Cost::from_stored(500_000, 0)).await;
        let unknown = asked("model=my-llama&completionTokens=1", &spent);
        assert_eq!(limits(&unknown), [PlanLimit::CostMicrosToday]);
        assert!(unknown.why_not[0].message.contains("has no price"), "{unknown:?}");
        assert!(asked("model=gemini-exp-1206&completionTokens=1", &spent).fits, "what costs nothing fits");
        assert_eq!(limits(&asked("model=gpt-4o-mini&promptTokens=1", &spent)), [PlanLimit::CostMicrosToday]);
        let nearly = after(1, 0, Cost::from_picos(499_999_900_000)).await;
        assert!(!asked("model=gpt-4o-mini&promptTokens=1", &nearly).fits, "0.15 of a micro-dollar, of 0.1");
    }

    #[test]
    fn a_number_that_is_none_is_named_in_plain_words() {
        for query in ["promptTokens=-1", "promptTokens=many", "promptTokens=1.5", "completionTokens=100000001"] {
            let error = serde_urlencoded::from_str::<PlannedCall>(query).expect_err(query).to_string();
            assert!(error.contains("must be a whole number from 0 to 100000000"), "{query}: {error}");
        }
        let contradiction = call("promptTokens=1&cachedTokens=2");
        assert!(contradiction.is_described());
        assert_eq!(call("promptTokens=").prompt_tokens, None);
    }
}
