//! The end of a run, and the record of what it used.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bson::doc;
use garde::Validate;
use mongodb::{Database, options::ReturnDocument};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Contract, RunStatus, RunView,
    run::{Ending, Outcome, RUNS, StoredRun, absent, collection, pending, stored},
};
use crate::{
    clock::Moment,
    http::Problem,
    keys,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    schema,
    text::plain,
    usage::{AiUsage, Cost, TokenCounts, UsageIntake, price::PriceBook},
    users::Account,
};

/// What a front end may add to a run, bytes of JSON.
const MAX_METADATA_BYTES: usize = 2048;

/// How a run ended.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"status": "success", "promptTokens": 1000, "completionTokens": 300, "latencyMs": 1200, "output": "…"}))]
pub struct CompleteRequest {
    /// `success` or `error`.
    #[garde(skip)]
    status: Ending,
    /// Tokens sent.
    #[garde(range(max = 100_000_000))]
    #[schema(maximum = 100_000_000)]
    prompt_tokens: u64,
    /// Tokens received.
    #[garde(range(max = 100_000_000))]
    #[schema(maximum = 100_000_000)]
    completion_tokens: u64,
    /// How long the provider took.
    #[garde(range(max = 86_400_000))]
    #[schema(maximum = 86_400_000)]
    latency_ms: u64,
    /// What came out, up to 40,000 characters: whoever asks for the run again gets it. The largest contract has 8,000
    /// tokens, of five characters.
    #[garde(inner(length(chars, max = 40_000)))]
    #[schema(max_length = 40_000)]
    output: Option<String>,
    /// Why it failed.
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    error: Option<String>,
    /// Anything else, up to 2 KiB.
    #[garde(custom(small))]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Where runs end.
pub struct Workbench {
    ledger: Ledger,
    mongo: Mongo,
    usage: UsageIntake,
}

impl Workbench {
    /// Uses the environment's client; records of use go through `usage`.
    pub fn new(ledger: Ledger, usage: UsageIntake) -> Self {
        Self { mongo: ledger.mongo().clone(), ledger, usage }
    }

    /// Ends a pending run of this account. A run that has ended never changes; the same completion again, after
    /// a lost answer, gets the same answer. 429 when the account has no bytes left for its output: it is ended without.
    pub async fn complete(
        &self,
        account: &Account,
        run_id: &str,
        request: CompleteRequest,
        now: Moment,
    ) -> Result<RunView, Problem> {
        let run = stored(&self.mongo, &account.id, run_id).await?.ok_or_else(absent)?;
        let prices = self.usage.prices().current().await;
        let is_large = request.output.is_some() || request.metadata.is_some();
        let before = weight(&run)?;
        let (was_pending, run) = (run.status == RunStatus::Pending, completed(run, request, &prices, now)?);
        let grown = weight(&run)?.saturating_sub(before);
        if was_pending && let Some(ended) = self.end_paid(account, &run, grown, is_large).await? {
            self.report(account, &ended).await;
            return Ok(ended.into());
        }
        let before = stored(&self.mongo, &account.id, run_id).await?.ok_or_else(absent)?;
        match completion(&before) {
            Some(hash) if Some(hash) == completion(&run) => Ok(before.into()),
            Some(_) => Err(finished()),
            // Swept up for being late: it stays so, but its provider is paid all the same.
            None => {
                if let Some(usage) = usage(&run) {
                    self.usage.record(account, usage).await?;
                }
                Err(finished())
            }
        }
    }

    /// As [`Workbench::end`], paid for. A completion without what may be long is taken whatever is left: each run has one,
    /// and a plan has so many runs.
    async fn end_paid(
        &self,
        account: &Account,
        run: &StoredRun,
        bytes: u64,
        is_large: bool,
    ) -> Result<Option<StoredRun>, Problem> {
        if is_large {
            return self.ledger.pay(&account.payer(), bytes, self.end(run), Option::is_some).await;
        }
        let ended = self.end(run).await?;
        if ended.is_some() {
            self.ledger.charge(&account.payer(), bytes).await;
        }
        Ok(ended)
    }

    /// Puts the run that was completed in the place of the pending one; `None` when that was not pending any more.
    async fn end(&self, run: &StoredRun) -> Result<Option<StoredRun>, Problem> {
        let ended = StoredRun { usage_due: Some(true), ..run.clone() };
        let still = pending(doc! {"_id": &run.id});
        let end = async |database: Database| {
            let runs = collection(&database);
            runs.find_one_and_replace(still, &ended).return_document(ReturnDocument::After).await
        };
        Ok(self.mongo.run(REQUEST_TIMEOUT, end).await?)
    }

    /// Hands the record of use on. The run is safe, and says that its record is due: what fails here, the
    /// sweeper makes up for.
    async fn report(&self, account: &Account, run: &StoredRun) {
        let Some(usage) = usage(run) else { return };
        let reported = match self.usage.record(account, usage).await {
            Ok(()) => no_longer_due(&self.mongo, vec![run.id.clone()]).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = reported {
            tracing::warn!(reason, "a run's usage is left to the sweeper");
        }
    }
}

/// The run as this completion ends it.
fn completed(run: StoredRun, request: CompleteRequest, prices: &PriceBook, now: Moment) -> Result<StoredRun, Problem> {
    let (sent, received) = (request.prompt_tokens, request.completion_tokens);
    let counts = TokenCounts::text(sent, received);
    let known = prices.cost(&run.user_id, &run.provider, &run.model, &counts, run.created_at);
    let cost = known.map_or_else(|| by_contract(&run.tool_id, sent + received), Cost::rounded_micros);
    let status = match request.status {
        _ if cost > run.budget_micros.unsigned_abs() => RunStatus::BudgetExceeded,
        Ending::Success => RunStatus::Success,
        Ending::Error => RunStatus::Error,
    };
    let result = Outcome {
        completion_hash: Some(hash(&request)?),
        ending: Some(request.status),
        cost_micros: Some(signed(cost)),
        priced: Some(known.is_some()),
        prompt_tokens: Some(signed(sent)),
        completion_tokens: Some(signed(received)),
        latency_ms: Some(signed(request.latency_ms)),
        output: request.output,
        error: request.error,
        metadata: request.metadata.map(|metadata| serde_json::to_string(&metadata)).transpose()?,
    };
    Ok(StoredRun { status, completed_at: Some(now), result: Some(result), ..run })
}

/// Tells the completion that ended a run from another; none ended what was swept up.
fn completion(run: &StoredRun) -> Option<&str> {
    run.result.as_ref()?.completion_hash.as_deref()
}

/// The record of a run that was completed. Its id is made of the run's: however often it is sent, it counts once. What
/// a caller reports is under another name, so that nothing reported can stand in its place.
pub(super) fn usage(run: &StoredRun) -> Option<AiUsage> {
    let result = run.result.as_ref()?;
    let occurred_at = run.completed_at?;
    Some(AiUsage {
        id: format!("{}/run/{}", run.user_id, run.id),
        user_id: run.user_id.clone(),
        key_id: None,
        provider: run.provider.clone(),
        model: run.model.clone(),
        prompt_tokens: result.prompt_tokens?.unsigned_abs(),
        completion_tokens: result.completion_tokens?.unsigned_abs(),
        // What the contract counts against the run's budget is no price.
        cost_micros: if result.priced? { result.cost_micros?.unsigned_abs() } else { 0 },
        priced: result.priced?,
        latency_ms: result.latency_ms?.unsigned_abs(),
        endpoint: Some(format!("workbench/{}", run.tool_id)),
        // A run over its budget may have failed besides.
        success: run.status != RunStatus::Error && result.ending != Some(Ending::Error),
        error: result.error.clone(),
        session_id: None,
        provider_key_id: None,
        occurred_at,
        received_at: occurred_at,
        ..AiUsage::default()
    })
}

fn weight(run: &StoredRun) -> Result<u64, Problem> {
    Ok(schema::weight(RUNS, &mongo::to_document(run).map_err(Problem::internal)?))
}

/// Their usage is in the queue.
pub(super) async fn no_longer_due(mongo: &Mongo, ids: Vec<String>) -> Result<(), mongo::Error> {
    let these = doc! {"_id": {"$in": ids}};
    let unset = doc! {"$unset": {"usageDue": ""}};
    mongo.run(REQUEST_TIMEOUT, async |database| collection(&database).update_many(these, unset).await).await.map(drop)
}

/// By the tool's price a token, for a model whose own is unknown: never for nothing.
fn by_contract(tool: &str, tokens: u64) -> u64 {
    Contract::of(tool).map_or(u64::MAX, |contract| tokens.saturating_mul(contract.micros_per_token))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn hash(request: &CompleteRequest) -> Result<String, Problem> {
    Ok(URL_SAFE_NO_PAD.encode(keys::sha256_bytes(&serde_json::to_vec(request)?)))
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn small(metadata: &Option<Map<String, Value>>, _: &()) -> garde::Result {
    let size = metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok()).map_or(0, |text| text.len());
    if size > MAX_METADATA_BYTES {
        return Err(garde::Error::new(format!("must be {MAX_METADATA_BYTES} bytes of JSON at most")));
    }
    Ok(())
}

fn finished() -> Problem {
    Problem::conflict("run_finished", "This run has ended, and stays as it is.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use serde_json::json;

    fn pending_run() -> StoredRun {
        StoredRun {
            id: "1".into(),
            user_id: "ada".into(),
            run_id: "the-run".into(),
            tool_id: "prompt-tester".into(),
            contract_version: 1,
            status: RunStatus::Pending,
            prompt_hash: "0".repeat(64),
            provider: "p".into(),
            model: "unheard-of".into(),
            budget_micros: 900_000,
            estimate_micros: 1,
            created_at: clock::now(),
            completed_at: None,
            result: None,
            usage_due: None,
        }
    }

    #[test]
    fn the_largest_contracts_output_is_kept_and_no_more() {
        for (characters, fits) in [(40_000, true), (40_001, false)] {
            let mut request = json!({"status": "success", "promptTokens": 0, "completionTokens": 0, "latencyMs": 1});
            request["output"] = "ü".repeat(characters).into();
            let request: CompleteRequest = serde_json::from_value(request).expect("a completion");
            assert_eq!(request.validate().is_ok(), fits, "{characters} characters");
        }
    }

    #[test]
    fn a_run_over_its_budget_that_failed_is_no_success() {
        for (ending, tokens, status, success) in [
            ("success", 4_500, RunStatus::Success, true),
            ("error", 4_500, RunStatus::Error, false),
            ("success", 4_501, RunStatus::BudgetExceeded, true),
            ("error", 4_501, RunStatus::BudgetExceeded, false),
        ] {
            let request = json!({"status": ending, "promptTokens": tokens, "completionTokens": 0, "latencyMs": 1});
            let request: CompleteRequest = serde_json::from_value(request).expect("a completion");
            let run = completed(pending_run(), request, &PriceBook::default(), clock::now()).expect("completed");
            let usage = usage(&run).expect("a record");
            assert_eq!((run.status, usage.success), (status, success), "{ending}, {tokens} tokens");
            assert_eq!(usage.id, "ada/run/1");
            assert_eq!((usage.priced, usage.cost_micros), (false, 0), "nobody paid what the contract counts");
        }
    }

    #[test]
    fn a_run_expires() {
        crate::schema::tests::assert_expires("workbench_runs", &pending_run());
    }
}
