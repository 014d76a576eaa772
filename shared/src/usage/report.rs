//! What a report holds, and how usage is added up: in one way, for days, months and summaries.

use bson::{Document, doc};
use mongodb::Database;
use serde::{Deserialize, Serialize};
use std::ops::Add;
use utoipa::ToSchema;

use crate::mongo::{self, Mongo, REQUEST_LIMIT};

/// Usage added up. Money is in micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Uses of a model, failed ones included.
    pub requests: u64,
    /// Failed ones.
    pub failed: u64,
    /// Those of a model without a price: their cost is missing.
    pub unpriced: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Tokens received.
    pub completion_tokens: u64,
    /// What the priced ones cost.
    pub cost_micros: u64,
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            failed: self.failed + other.failed,
            unpriced: self.unpriced + other.unpriced,
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            completion_tokens: self.completion_tokens + other.completion_tokens,
            cost_micros: self.cost_micros + other.cost_micros,
        }
    }
}

/// A part of a report, by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Part {
    /// The day, the model or the user's id.
    #[serde(alias = "_id")]
    pub name: String,
    /// What it comes to.
    #[serde(flatten)]
    pub totals: Totals,
}

/// A prompt and how often it was run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MostUsedPrompt)]
pub struct TopPrompt {
    /// Its id.
    #[serde(alias = "_id")]
    pub prompt_id: String,
    /// Runs.
    pub executions: u64,
    /// Views.
    pub views: u64,
}

/// `usage_reports`: a day or a month.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `daily` or `monthly`.
    pub kind: String,
    /// `2026-11-22` or `2026-11`.
    pub period: String,
    /// Accounts that used a model.
    pub active_users: u64,
    /// Everything together.
    pub totals: Totals,
    /// By day, in order; of a daily report, the day itself.
    pub days: Vec<Part>,
    /// Models, the dearest first.
    pub models: Vec<Part>,
    /// The accounts that used most, by cost.
    pub top_users: Vec<Part>,
    /// The prompts that were run most; of a daily report, none.
    pub top_prompts: Vec<TopPrompt>,
}

/// Accumulators over `ai_usage` records.
pub(super) fn sums() -> Document {
    let count_if = |condition: Document| doc! {"$sum": {"$cond": [condition, 1_i64, 0_i64]}};
    doc! {
        "requests": {"$sum": 1_i64},
        "failed": count_if(doc! {"$eq": ["$success", false]}),
        "unpriced": count_if(doc! {"$eq": ["$priced", false]}),
        "promptTokens": {"$sum": "$promptTokens"},
        "completionTokens": {"$sum": "$completionTokens"},
        "costMicros": {"$sum": "$costMicros"},
    }
}

/// Accumulators over what [`sums`] made, found under `prefix` (`""` or `"byModel."`).
pub(super) fn sums_of_sums(prefix: &str) -> Document {
    let fields = ["requests", "failed", "unpriced", "promptTokens", "completionTokens", "costMicros"];
    fields.iter().map(|field| ((*field).to_owned(), doc! {"$sum": format!("${prefix}{field}")}.into())).collect()
}

/// Puts reports in the place of those before, by one command whatever their number.
pub(super) async fn keep(database: &Database, reports: &[&Report]) -> mongodb::error::Result<()> {
    let mut updates = Vec::new();
    for report in reports {
        let id = doc! {"_id": format!("{}/{}", report.kind, report.period)};
        updates.push(doc! {"q": id, "u": bson::serialize_to_document(report)?, "upsert": true});
    }
    // The driver's own methods replace one document a command; `bulk_write` needs a server of version 8.
    let answer = database.run_command(doc! {"update": "usage_reports", "updates": updates}).await?;
    match answer.get("writeErrors") {
        Some(errors) => Err(mongodb::error::Error::custom(format!("reports were refused: {errors}"))),
        None => Ok(()),
    }
}

/// A report; `None` when it was not made yet.
pub async fn read_report(mongo: &Mongo, kind: &str, period: &str) -> Result<Option<Report>, mongo::Error> {
    let id = format!("{kind}/{period}");
    let find =
        async |database: Database| database.collection::<Report>("usage_reports").find_one(doc! {"_id": id}).await;
    mongo.run(REQUEST_LIMIT, find).await
}
