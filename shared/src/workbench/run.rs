//! A run as stored, and as its owner sees it.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    clock::Moment,
    http::{Cursor, Page, Problem},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

pub(super) const RUNS: &str = "workbench_runs";

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RunStatus)]
pub enum RunStatus {
    /// Started.
    Pending,
    /// Done.
    Success,
    /// Failed, or not completed in time.
    Error,
    /// Done, and dearer than its budget.
    BudgetExceeded,
}

/// `workbench_runs`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredRun {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) run_id: String,
    pub(super) tool_id: String,
    pub(super) contract_version: i32,
    pub(super) status: RunStatus,
    pub(super) prompt_hash: String,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) budget_micros: i64,
    pub(super) estimate_micros: i64,
    pub(super) created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed_at: Option<Moment>,
    #[serde(flatten)]
    pub(super) result: Option<Outcome>,
    /// There while its usage is not known to be in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_due: Option<bool>,
}

/// How the provider's part of it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Ending {
    Success,
    Error,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) completion_hash: Option<String>,
    pub(super) ending: Option<Ending>,
    pub(super) cost_micros: Option<i64>,
    pub(super) priced: Option<bool>,
    pub(super) prompt_tokens: Option<i64>,
    pub(super) completion_tokens: Option<i64>,
    pub(super) latency_ms: Option<i64>,
    pub(super) output: Option<String>,
    pub(super) error: Option<String>,
    /// As JSON text: an object like `{"$date": 1}` would be taken for a date on its way through the store.
    pub(super) metadata: Option<String>,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// The client's id of it, or ours.
    pub run_id: String,
    /// Of which tool.
    pub tool_id: String,
    /// The version of the tool's contract.
    pub contract_version: i32,
    /// How it stands.
    pub status: RunStatus,
    /// SHA-256 of the prompt, hex.
    pub prompt_hash: String,
    /// Who runs the model.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Micro-dollars that it may cost.
    pub budget_micros: i64,
    /// Micro-dollars that it was expected to cost.
    pub estimate_micros: i64,
    /// Micro-dollars that it cost.
    pub cost_micros: Option<i64>,
    /// Tokens sent.
    pub prompt_tokens: Option<i64>,
    /// Tokens received.
    pub completion_tokens: Option<i64>,
    /// How long the provider took.
    pub latency_ms: Option<i64>,
    /// What came out; not in lists.
    pub output: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What the front end added.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// When it was made.
    pub created_at: Moment,
    /// When it ended.
    pub completed_at: Option<Moment>,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunPage {
    /// The newest first.
    pub runs: Vec<RunView>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct RunFilter {
    /// Of this tool.
    pub tool_id: Option<String>,
    /// `pending`, `success`, `error` or `budget_exceeded`.
    pub status: Option<RunStatus>,
}

impl From<StoredRun> for RunView {
    fn from(run: StoredRun) -> Self {
        let result = run.result;
        let number = |field: fn(&Outcome) -> Option<i64>| result.as_ref().and_then(field);
        let (cost_micros, latency_ms) = (number(|result| result.cost_micros), number(|result| result.latency_ms));
        let (prompt_tokens, completion_tokens) =
            (number(|result| result.prompt_tokens), number(|result| result.completion_tokens));
        let (output, error, metadata) =
            result.map(|result| (result.output, result.error, result.metadata)).unwrap_or_default();
        let metadata = metadata.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            run_id: run.run_id,
            tool_id: run.tool_id,
            contract_version: run.contract_version,
            status: run.status,
            prompt_hash: run.prompt_hash,
            provider: run.provider,
            model: run.model,
            budget_micros: run.budget_micros,
            estimate_micros: run.estimate_micros,
            cost_micros,
            prompt_tokens,
            completion_tokens,
            latency_ms,
            output,
            error,
            metadata,
            created_at: run.created_at,
            completed_at: run.completed_at,
        }
    }
}

/// A run of this account; 404 for another's too.
pub async fn find(mongo: &Mongo, user_id: &str, run_id: &str) -> Result<RunView, Problem> {
    Ok(stored(mongo, user_id, run_id).await?.ok_or_else(absent)?.into())
}

/// As [`find`], as stored; `None` where there is none.
pub(super) async fn stored(mongo: &Mongo, user_id: &str, run_id: &str) -> Result<Option<StoredRun>, mongo::Error> {
    let mine = doc! {"userId": user_id, "runId": run_id};
    mongo.run(REQUEST_TIMEOUT, async |database| collection(&database).find_one(mine).await).await
}

pub(super) fn absent() -> Problem {
    Problem::not_found("You have no such run.")
}

/// An account's runs without their output, the newest first, from `cursor` on.
pub async fn list(
    mongo: &Mongo,
    user_id: &str,
    filter: &RunFilter,
    Page { limit, cursor }: Page,
) -> Result<RunPage, Problem> {
    let mut query = doc! {"userId": user_id};
    if let Some(tool) = &filter.tool_id {
        query.insert("toolId", tool);
    }
    if let Some(status) = filter.status {
        query.insert("status", bson::serialize_to_bson(&status).map_err(Problem::internal)?);
    }
    if let Some(Cursor(_, last)) = cursor {
        query.insert("_id", doc! {"$lt": last});
    }
    let wanted = Page::to_read(limit);
    let find = async |database: Database| {
        let all = collection(&database);
        let runs = all.find(query).sort(doc! {"_id": -1}).limit(wanted).projection(doc! {"output": 0}).await?;
        runs.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
    };
    let read = mongo.run(REQUEST_TIMEOUT, find).await?;
    let (read, next_cursor) = Page::cut(read, limit, Page::by_id);
    let runs: Vec<StoredRun> = mongo::readable("workbench_runs", &read);
    Ok(RunPage { runs: runs.into_iter().map(RunView::from).collect(), next_cursor })
}

pub(super) fn collection(database: &Database) -> Collection<StoredRun> {
    database.collection(RUNS)
}

/// What only a pending run matches.
pub(super) fn pending(mut of: Document) -> Document {
    of.insert("status", "pending");
    of
}
