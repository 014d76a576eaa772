//! What a report holds, and how usage is added up: in one way, for days, months and summaries.

mod daily;
mod mailer;
mod monthly;
pub mod render;
mod summary;

pub use self::{
    daily::{DailyRun, daily_reports},
    mailer::ReportMailer,
    monthly::monthly_report,
    summary::{GroupBy, SummaryFilter, UsageSummary, summarise},
};

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use utoipa::ToSchema;

use crate::{
    analytics::counts::TopPrompt,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// Accounts that a report names.
const TOP_ACCOUNTS: i64 = 10;
/// Models that it names. Clients call them what they like, and as many as they like.
const TOP_MODELS: i64 = 20;
/// The name of all the models that it does not name.
const OTHERS: &str = "others";
const FIELDS: [&str; 6] = ["requests", "failed", "unpriced", "promptTokens", "completionTokens", "costMicros"];

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

impl Totals {
    fn with(self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        Self {
            requests: combine(self.requests, other.requests),
            failed: combine(self.failed, other.failed),
            unpriced: combine(self.unpriced, other.unpriced),
            prompt_tokens: combine(self.prompt_tokens, other.prompt_tokens),
            completion_tokens: combine(self.completion_tokens, other.completion_tokens),
            cost_micros: combine(self.cost_micros, other.cost_micros),
        }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }
}

impl Sub for Totals {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }
}

/// Usage of a day, a provider, a model or an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct UsageGroup {
    /// The day, the provider, the model or the account's id.
    #[serde(alias = "_id")]
    pub name: String,
    /// What it comes to.
    #[serde(flatten)]
    pub totals: Totals,
}

/// `usage_reports`: a day or a month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// `daily` or `monthly`.
    pub kind: String,
    /// `2026-11-22` or `2026-11`.
    pub period: String,
    /// Accounts that used a model.
    pub active_users: u64,
    /// Everything together.
    pub totals: Totals,
    /// By day, in order; of a daily report, the day itself.
    pub days: Vec<UsageGroup>,
    /// The models that cost most, the dearest first, and last `others`: all the rest, if there are more than twenty.
    pub models: Vec<UsageGroup>,
    /// The accounts that used most, by cost.
    pub top_users: Vec<UsageGroup>,
    /// The prompts that were run most; of a daily report, none.
    pub top_prompts: Vec<TopPrompt>,
}

impl UsageReport {
    /// A report of nothing: that nothing happened is worth knowing.
    pub(super) fn empty(kind: &str, period: &str) -> Self {
        Self { kind: kind.into(), period: period.into(), ..Self::default() }
    }
}

/// The groups of a period that cost most, and what all of them come to.
#[derive(Deserialize)]
struct Ranked {
    #[serde(rename = "_id")]
    period: String,
    groups: u64,
    top: Vec<UsageGroup>,
    #[serde(flatten)]
    totals: Totals,
}

/// Reports of the periods that the days which match `days` belong to; `period` names one, by a document of
/// `usage_daily`. Their days and prompts are left to the caller. Two operations.
pub(super) async fn add_up(
    database: &Database,
    kind: &str,
    days: &Document,
    period: &Bson,
) -> mongodb::error::Result<Vec<UsageReport>> {
    let matching = doc! {"$match": days};
    let [by_account, top_accounts] = ranked(period, "$userId", "", TOP_ACCOUNTS);
    let [by_model, top_models] = ranked(period, "$byModel.model", "byModel.", TOP_MODELS);
    let accounts = read(database, vec![matching.clone(), by_account, top_accounts]).await?;
    let models = read(database, vec![matching, doc! {"$unwind": "$byModel"}, by_model, top_models]).await?;
    let report = |accounts: Ranked| UsageReport {
        active_users: accounts.groups,
        totals: accounts.totals,
        models: with_others(models.iter().find(|models| models.period == accounts.period), accounts.totals),
        top_users: accounts.top,
        ..UsageReport::empty(kind, &accounts.period)
    };
    Ok(accounts.into_iter().map(report).collect())
}

/// Stages: groups called `name`, of sums found under `prefix`; then for each period those that cost most.
fn ranked(period: &Bson, name: &str, prefix: &str, most: i64) -> [Document; 2] {
    let mut by_name = doc! {"_id": {"period": period, "name": name}};
    by_name.extend(sums_of_sums(prefix));
    let mut top = doc! {"name": "$_id.name"};
    top.extend(fields_of_sums());
    let order = doc! {"costMicros": -1, "requests": -1, "_id.name": 1};
    // An accumulator keeps the first ones as the groups pass by. A `$sort` holds all of them, and M0 gives it 32 MB.
    let mut by_period = doc! {
        "_id": "$_id.period", "groups": {"$sum": 1_i64}, "top": {"$topN": {"n": most, "sortBy": order, "output": top}},
    };
    by_period.extend(sums_of_sums(""));
    [doc! {"$group": by_name}, doc! {"$group": by_period}]
}

async fn read(database: &Database, pipeline: Vec<Document>) -> mongodb::error::Result<Vec<Ranked>> {
    let days = database.collection::<Document>("usage_daily").aggregate(pipeline).await?;
    days.with_type().try_collect().await
}

/// The models named, and what is left of the total.
fn with_others(models: Option<&Ranked>, total: Totals) -> Vec<UsageGroup> {
    let mut models = models.map(|models| models.top.clone()).unwrap_or_default();
    let rest = models.iter().fold(total, |rest, model| rest - model.totals);
    if rest.requests > 0 {
        models.push(UsageGroup { name: OTHERS.into(), totals: rest });
    }
    models
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
    FIELDS.iter().map(|field| ((*field).to_owned(), doc! {"$sum": format!("${prefix}{field}")}.into())).collect()
}

/// What [`sums`] made, as a part of another document.
pub(super) fn fields_of_sums() -> Document {
    FIELDS.iter().map(|field| ((*field).to_owned(), format!("${field}").into())).collect()
}

/// Puts reports in the place of those before, by one command whatever their number.
pub(super) async fn keep(database: &Database, reports: &[UsageReport]) -> mongodb::error::Result<()> {
    let mut updates = Vec::new();
    for report in reports {
        let id = doc! {"_id": format!("{}/{}", report.kind, report.period)};
        updates.push(doc! {"q": id, "u": mongo::to_document(report)?, "upsert": true});
    }
    // The driver's own methods replace one document a command; `bulk_write` needs a server of version 8.
    let answer = database.run_command(doc! {"update": "usage_reports", "updates": updates}).await?;
    match answer.get("writeErrors") {
        Some(errors) => Err(mongodb::error::Error::custom(format!("reports were refused: {errors}"))),
        None => Ok(()),
    }
}

/// A report; `None` when it was not made yet.
pub async fn read_report(mongo: &Mongo, kind: &str, period: &str) -> Result<Option<UsageReport>, mongo::Error> {
    let id = format!("{kind}/{period}");
    let find =
        async |database: Database| database.collection::<UsageReport>("usage_reports").find_one(doc! {"_id": id}).await;
    mongo.run(REQUEST_TIMEOUT, find).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_among_the_others() {
        let totals = |requests, cost_micros| Totals { requests, cost_micros, ..Totals::default() };
        let group = |name: &str, totals| UsageGroup { name: name.into(), totals };
        let top = vec![group("a", totals(2, 50)), group("b", totals(1, 40))];
        let ranked = Ranked { period: "2026-11".into(), groups: 9, top: top.clone(), totals: totals(3, 90) };
        assert_eq!(with_others(Some(&ranked), totals(3, 90)), top);
        let all = with_others(Some(&ranked), totals(10, 100));
        assert_eq!(all.last(), Some(&group(OTHERS, totals(7, 10))));
        let sum = all.iter().fold(Totals::default(), |sum, model| sum + model.totals);
        assert_eq!(sum, totals(10, 100), "nothing is lost");
        assert!(with_others(None, Totals::default()).is_empty());
    }
}
