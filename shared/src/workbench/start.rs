//! The start of a run: within its budget, within the day's quota, and once.

use bson::{Document, doc};
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use garde::Validate;
use mongodb::{ClientSession, Database};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Contract, RunStatus, RunView, TOOLS,
    run::{RUNS, StoredRun, collection, stored},
};
use crate::{
    clock::{self, Moment},
    http::{Created, Problem},
    id,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    plans::Allowed,
    schema,
    usage::{
        Cost, TokenCounts, identifier,
        price::{PriceBook, Prices},
    },
    users::Account,
};

/// A run to start: what it will be, and what it is expected to need.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "toolId": "prompt-tester", "promptHash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "provider": "openai", "model": "gpt-4o", "promptTokens": 1000, "maxCompletionTokens": 500
}))]
pub struct StartRequest {
    /// The client's own id, 8 to 100 letters, digits, `-`, `_`, `.`, `:`. Sent again, it starts nothing.
    #[garde(inner(length(bytes, min = 8, max = 100), custom(key)))]
    #[schema(pattern = "^[A-Za-z0-9._:-]{8,100}$")]
    run_id: Option<String>,
    /// A tool that has a budget.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    tool_id: String,
    /// SHA-256 of the prompt, 64 hexadecimal digits: tells the same run from another under its id.
    #[garde(length(bytes, min = 64, max = 64), custom(hexadecimal))]
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    prompt_hash: String,
    /// `openai`, …
    #[garde(length(chars, min = 1, max = 50), custom(identifier::provider))]
    #[schema(min_length = 1, max_length = 50)]
    provider: String,
    /// The provider's name of the model.
    #[garde(length(chars, min = 1, max = 100), custom(identifier::model))]
    #[schema(min_length = 1, max_length = 100)]
    model: String,
    /// Tokens that will be sent.
    #[garde(range(max = 1_000_000))]
    #[schema(maximum = 1_000_000)]
    prompt_tokens: u64,
    /// Tokens that may come back.
    #[garde(range(max = 1_000_000))]
    #[schema(maximum = 1_000_000)]
    max_completion_tokens: u64,
}

/// Starts a run of `account` as of `now`.
///
/// 422 for a tool without a budget, 403 for an estimate beyond it, 429 beyond the day's quota, 409 for an id
/// that stands for another prompt.
pub async fn start(
    ledger: &Ledger,
    prices: &Prices,
    account: &Account,
    request: StartRequest,
    now: Moment,
) -> Result<Created<RunView>, Problem> {
    let mongo = ledger.mongo();
    // What was started is there, whatever the tool and its budget have become.
    if let Some(run_id) = &request.run_id
        && let Some(before) = stored(mongo, &account.id, run_id).await?
    {
        return replay(&request.tool_id, &request.prompt_hash, before);
    }
    let contract = contract(&request.tool_id)?;
    let run = request.into_run(contract, account, &prices.current().await, now)?;
    let quota = account.plan.allows();
    let document = mongo::to_document(&run).map_err(Problem::internal)?;
    let insert = async {
        match insert(mongo.clone(), run.clone(), quota, now).await {
            Err(error) if error.is_duplicate() => Ok(false),
            outcome => outcome,
        }
    };
    if ledger.pay(&account.payer(), schema::weight(RUNS, &document), insert, |inserted| *inserted).await? {
        return Ok(Created::New(run.into()));
    }
    // Another start of this very run may have been faster, and have used the quota up.
    match stored(mongo, &run.user_id, &run.run_id).await? {
        Some(before) => replay(&run.tool_id, &run.prompt_hash, before),
        None => Err(quota_reached(quota, now)),
    }
}

fn contract(tool: &str) -> Result<&'static Contract, Problem> {
    let refused = |message: &str| Problem::invalid_field("toolId", message);
    match Contract::of(tool) {
        Some(contract) => Ok(contract),
        None if TOOLS.contains(&tool) => Err(refused("runs in the browser, without a budget")),
        None => Err(refused("is not a tool of the workbench")),
    }
}

impl StartRequest {
    fn into_run(
        self,
        contract: &Contract,
        account: &Account,
        prices: &PriceBook,
        now: Moment,
    ) -> Result<StoredRun, Problem> {
        let tokens = self.prompt_tokens + self.max_completion_tokens;
        let counts = TokenCounts::text(self.prompt_tokens, self.max_completion_tokens);
        let known = prices.cost(&account.id, &self.provider, &self.model, &counts, now);
        let estimate = known.map_or(tokens * contract.micros_per_token, Cost::rounded_micros);
        if tokens > contract.max_tokens || estimate > contract.budget_micros {
            return Err(over_budget(contract, tokens, estimate));
        }
        Ok(StoredRun {
            id: id::new(),
            user_id: account.id.clone(),
            run_id: match self.run_id {
                Some(id) => id,
                None => id::new(),
            },
            tool_id: self.tool_id,
            contract_version: contract.version,
            status: RunStatus::Pending,
            prompt_hash: self.prompt_hash.to_ascii_lowercase(),
            provider: self.provider,
            model: self.model,
            budget_micros: i64::try_from(contract.budget_micros).unwrap_or(i64::MAX),
            estimate_micros: i64::try_from(estimate).unwrap_or(i64::MAX),
            created_at: now,
            completed_at: None,
            result: None,
            usage_due: None,
        })
    }
}

fn over_budget(contract: &Contract, tokens: u64, estimate: u64) -> Problem {
    let Contract { budget_micros, max_tokens, .. } = contract;
    let detail = format!(
        "This run would need {tokens} tokens and {estimate} micro-dollars; the tool has {max_tokens} and {budget_micros}."
    );
    let problem = Problem::forbidden("budget_exceeded", detail);
    let problem = problem.with("estimateMicros", estimate).with("budgetMicros", *budget_micros);
    problem.with("tokens", tokens).with("maxTokens", *max_tokens)
}

/// The run under this id, if it is the same; 409 if the id stands for another prompt or tool.
fn replay(tool_id: &str, prompt_hash: &str, before: StoredRun) -> Result<Created<RunView>, Problem> {
    if before.prompt_hash.eq_ignore_ascii_case(prompt_hash) && before.tool_id == tool_id {
        return Ok(Created::Known(before.into()));
    }
    Err(Problem::conflict("run_id_taken", "This run id stands for another prompt: choose a new one."))
}

/// A day's runs. One that is pending, or was never completed, counts with its estimate.
#[derive(Default, Deserialize)]
struct Spent {
    runs: u64,
    micros: u64,
}

/// Keeps the run; false when it does not fit into the quota. Boxed: the driver's futures are large.
fn insert(mongo: Mongo, run: StoredRun, quota: Allowed, now: Moment) -> BoxFuture<'static, Result<bool, mongo::Error>> {
    let insert = async move |database: Database| {
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            // Two starts of one account at once both write it: one of them starts over, and counts the other.
            let users = database.collection::<Document>("users");
            let touch = doc! {"$inc": {"workbenchStarts": 1}};
            users.update_one(doc! {"_id": &run.user_id}, touch).session(&mut *session).await?;
            let spent = spent(&database, &run.user_id, now, session).await?;
            let dear = spent.micros + run.estimate_micros.unsigned_abs() > quota.micros_per_day;
            if spent.runs >= quota.runs_per_day || dear {
                return Ok(false);
            }
            collection(&database).insert_one(&run).session(&mut *session).await?;
            Ok(true)
        };
        session.start_transaction().and_run2(work).await
    };
    async move { mongo.run(REQUEST_TIMEOUT, insert).await }.boxed()
}

async fn spent(
    database: &Database,
    user_id: &str,
    now: Moment,
    session: &mut ClientSession,
) -> mongodb::error::Result<Spent> {
    let today = clock::start_of_day(now, 0);
    let pipeline = [
        doc! {"$match": {"userId": user_id, "createdAt": {"$gte": today}}},
        doc! {"$group": {
            "_id": null, "runs": {"$sum": 1}, "micros": {"$sum": {"$ifNull": ["$costMicros", "$estimateMicros"]}},
        }},
    ];
    let rows = collection(database).aggregate(pipeline).session(&mut *session).await?;
    let mut rows = rows.with_type::<Spent>();
    let spent = rows.stream(session).try_next().await?;
    Ok(spent.unwrap_or_default())
}

fn quota_reached(quota: Allowed, now: Moment) -> Problem {
    let until = clock::start_of_day(now, -1).as_second() - now.as_second();
    let Allowed { runs_per_day: runs, micros_per_day: micros, .. } = quota;
    let detail = format!("Your plan has {runs} runs and {micros} micro-dollars a UTC day");
    Problem::limit_reached(detail, until.unsigned_abs())
}

#[expect(clippy::ptr_arg, clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn key(text: &String, _: &()) -> garde::Result {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.bytes().all(plain) {
        Ok(())
    } else {
        Err(garde::Error::new("may hold letters, digits, -, _, . and : only"))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn hexadecimal(text: &str, _: &()) -> garde::Result {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err(garde::Error::new("must be hexadecimal"))
    }
}
