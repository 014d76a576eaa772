//! What a report holds, and how usage is added up: in one way, for days, months and summaries.

mod daily;
mod key_usage;
mod mailer;
mod monthly;
pub mod render;
mod summary;

pub use self::{
    daily::{DailyRun, daily_reports, first_open_day},
    key_usage::{KeyPeriod, KeyUsageAnswer, KeyUsageFilter, KeyUsageSummary, key_usage, spent_by_key},
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

use super::{ai_usage::requests, cost::Cost};
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
/// Pico-dollars in a micro-dollar.
const PICOS: i64 = 1_000_000;
const FIELDS: [&str; 7] =
    ["requests", "failed", "unpriced", "promptTokens", "completionTokens", "costMicros", "costPicos"];

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
    /// What the priced ones cost, added up exactly and then rounded to the micro-dollar.
    pub cost_micros: u64,
}

/// Sums as the database has them: exact, with the cost in its two parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sums {
    requests: u64,
    failed: u64,
    unpriced: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cost_micros: u64,
    #[serde(default)]
    cost_picos: u64,
}

impl Sums {
    fn cost(self) -> Cost {
        Cost::from_stored(self.cost_micros, self.cost_picos)
    }

    fn with(self, other: Self, combine: fn(u64, u64) -> u64, cost: Cost) -> Self {
        Self {
            requests: combine(self.requests, other.requests),
            failed: combine(self.failed, other.failed),
            unpriced: combine(self.unpriced, other.unpriced),
            prompt_tokens: combine(self.prompt_tokens, other.prompt_tokens),
            completion_tokens: combine(self.completion_tokens, other.completion_tokens),
            cost_micros: cost.whole_micros(),
            cost_picos: cost.picos_left(),
        }
    }
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, u64::saturating_add, self.cost() + other.cost())
    }
}

impl Sub for Sums {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub, self.cost() - other.cost())
    }
}

impl From<Sums> for Totals {
    fn from(sums: Sums) -> Self {
        Self {
            requests: sums.requests,
            failed: sums.failed,
            unpriced: sums.unpriced,
            prompt_tokens: sums.prompt_tokens,
            completion_tokens: sums.completion_tokens,
            cost_micros: sums.cost().rounded_micros(),
        }
    }
}

/// A group as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct SummedGroup {
    #[serde(alias = "_id")]
    name: String,
    #[serde(flatten)]
    sums: Sums,
}

impl From<SummedGroup> for UsageGroup {
    fn from(group: SummedGroup) -> Self {
        Self { name: group.name, totals: group.sums.into() }
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
    top: Vec<SummedGroup>,
    #[serde(flatten)]
    sums: Sums,
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
    // Days from before names were compared without case have them as they came.
    let by_account = ranked(period, &"$userId".into(), "", TOP_ACCOUNTS);
    let by_model = ranked(period, &doc! {"$toLower": "$byModel.model"}.into(), "byModel.", TOP_MODELS);
    let accounts = read(database, [vec![matching.clone()], by_account].concat()).await?;
    let models = read(database, [vec![matching, doc! {"$unwind": "$byModel"}], by_model].concat()).await?;
    let report = |accounts: Ranked| UsageReport {
        active_users: accounts.groups,
        totals: accounts.sums.into(),
        models: with_others(models.iter().find(|models| models.period == accounts.period), accounts.sums),
        top_users: accounts.top.into_iter().map(UsageGroup::from).collect(),
        ..UsageReport::empty(kind, &accounts.period)
    };
    Ok(accounts.into_iter().map(report).collect())
}

/// Stages: groups called `name`, of sums found under `prefix`; then for each period those that cost most.
fn ranked(period: &Bson, name: &Bson, prefix: &str, most: i64) -> Vec<Document> {
    let mut by_name = doc! {"_id": {"period": period, "name": name}};
    by_name.extend(sums_of_sums(prefix));
    let mut top = doc! {"name": "$_id.name"};
    top.extend(fields_of_sums());
    let order = doc! {"costMicros": -1, "costPicos": -1, "requests": -1, "_id.name": 1};
    // An accumulator keeps the first ones as the groups pass by. A `$sort` holds all of them, and M0 gives it 32 MB.
    let mut by_period = doc! {
        "_id": "$_id.period", "groups": {"$sum": 1_i64}, "top": {"$topN": {"n": most, "sortBy": order, "output": top}},
    };
    by_period.extend(sums_of_sums(""));
    vec![doc! {"$group": by_name}, carry(), doc! {"$group": by_period}, carry()]
}

async fn read(database: &Database, pipeline: Vec<Document>) -> mongodb::error::Result<Vec<Ranked>> {
    let days = database.collection::<Document>("usage_daily").aggregate(pipeline).await?;
    days.with_type().try_collect().await
}

/// The models named, and what is left of the total.
fn with_others(models: Option<&Ranked>, total: Sums) -> Vec<UsageGroup> {
    let mut models = models.map(|models| models.top.clone()).unwrap_or_default();
    let rest = models.iter().fold(total, |rest, model| rest - model.sums);
    if rest.requests > 0 {
        models.push(SummedGroup { name: OTHERS.into(), sums: rest });
    }
    models.into_iter().map(UsageGroup::from).collect()
}

/// Accumulators over `ai_usage` records.
pub(super) fn sums() -> Document {
    let count_if = |condition: Document| doc! {"$sum": {"$cond": [condition, requests(), 0_i64]}};
    doc! {
        "requests": {"$sum": requests()},
        "failed": count_if(doc! {"$eq": ["$success", false]}),
        "unpriced": count_if(doc! {"$eq": ["$priced", false]}),
        "promptTokens": {"$sum": "$promptTokens"},
        "completionTokens": {"$sum": "$completionTokens"},
        "costMicros": {"$sum": "$costMicros"},
        // Records from before have none.
        "costPicos": {"$sum": "$costPicos"},
    }
}

/// A stage behind a `$group` of sums: carries whole micro-dollars from `costPicos` over to `costMicros`, so that the
/// two can be compared, one after the other.
pub(super) fn carry() -> Document {
    let whole = doc! {"$toLong": {"$floor": {"$divide": ["$costPicos", PICOS]}}};
    doc! {"$set": {"costMicros": {"$add": ["$costMicros", whole]}, "costPicos": {"$mod": ["$costPicos", PICOS]}}}
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
        let sums = |requests, cost_picos: u64| {
            let (cost_micros, cost_picos) = (cost_picos / 1_000_000, cost_picos % 1_000_000);
            Sums { requests, cost_micros, cost_picos, ..Sums::default() }
        };
        let group = |name: &str, sums| SummedGroup { name: name.into(), sums };
        let top = vec![group("a", sums(2, 50_400_000)), group("b", sums(1, 40_400_000))];
        let ranked = Ranked { period: "2026-11".into(), groups: 9, top: top.clone(), sums: sums(3, 90_800_000) };
        let shown: Vec<_> = top.into_iter().map(UsageGroup::from).collect();
        assert_eq!(with_others(Some(&ranked), sums(3, 90_800_000)), shown);
        let all = with_others(Some(&ranked), sums(10, 101_200_000));
        assert_eq!(all.last(), Some(&UsageGroup::from(group(OTHERS, sums(7, 10_400_000)))), "nothing is lost");
        assert!(with_others(None, Sums::default()).is_empty());
    }

    #[test]
    fn sums_are_exact_and_rounded_when_they_are_shown() {
        let old = Sums { requests: 1, cost_micros: 7, ..Sums::default() };
        let new = Sums { requests: 1, cost_picos: 450_000, ..Sums::default() };
        let sum = (0..10).fold(old, |sum, _| sum + new);
        assert_eq!((sum.cost_micros, sum.cost_picos), (11, 500_000));
        assert_eq!((Totals::from(sum).cost_micros, Totals::from(new).cost_micros), (12, 0));
        let stored = doc! {"requests": 1, "failed": 0, "unpriced": 0, "promptTokens": 1, "completionTokens": 1, "costMicros": 3_i64};
        let stored: Sums = bson::deserialize_from_document(stored).expect("sums of before");
        assert_eq!(Totals::from(stored).cost_micros, 3);
    }
}
