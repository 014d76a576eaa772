//! What an account used between two instants, in groups: one aggregation.

use std::ops::Range;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{super::ai_usage::requests, Sums, Totals, sums};
use crate::{
    clock::Moment,
    http::Problem,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::QueuedEvent,
    usage::AiUsage,
};

const DEFAULT_DAYS: i64 = 30;
const MAX_DAYS: i64 = 92;

/// By what usage is grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum GroupBy {
    /// UTC day.
    #[default]
    Day,
    /// Provider.
    Provider,
    /// Model.
    Model,
}

/// Whose usage, when, and in which groups.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SummaryFilter {
    /// From this instant on (RFC 3339); 30 days ago when absent.
    #[param(value_type = Option<String>, format = "date-time")]
    pub from: Option<Moment>,
    /// Before this instant (RFC 3339); now when absent.
    #[param(value_type = Option<String>, format = "date-time")]
    pub to: Option<Moment>,
    /// In which groups.
    #[serde(default)]
    #[param(inline)]
    pub group_by: GroupBy,
    /// Somebody else of one's organisation, with the permission `analytics:org`.
    pub user_id: Option<String>,
}

/// Usage in groups.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSummary {
    /// From when.
    pub from: Moment,
    /// Until when; not itself included.
    pub to: Moment,
    /// All groups together.
    pub totals: Totals,
    /// The groups, by name.
    pub groups: Vec<SummaryGroup>,
}

/// Usage of a day, a provider or a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SummaryGroup {
    /// The day, the provider or the model.
    pub name: String,
    /// What it comes to.
    #[serde(flatten)]
    pub totals: Totals,
    /// Of which kinds its tokens are.
    #[serde(flatten)]
    pub kinds: Kinds,
}

/// Tokens by kind, and requests beyond the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kinds {
    /// Of the tokens sent, those read from a cache.
    pub cached_tokens: u64,
    /// Of the tokens sent, those written to a cache.
    pub cache_write_tokens: u64,
    /// Of the tokens sent, audio.
    pub prompt_audio_tokens: u64,
    /// Of the tokens sent, images.
    pub prompt_image_tokens: u64,
    /// Of the tokens received, reasoning.
    pub reasoning_tokens: u64,
    /// Of the tokens received, audio.
    pub completion_audio_tokens: u64,
    /// Of the tokens received, images.
    pub completion_image_tokens: u64,
    /// Images made.
    pub images: u64,
    /// Requests beyond a limit of the plan.
    pub beyond_plan: u64,
}

impl Kinds {
    /// Accumulators over `ai_usage` records. Most records have none of these fields.
    fn sums() -> Document {
        let kinds = [
            "cachedTokens",
            "cacheWriteTokens",
            "promptAudioTokens",
            "promptImageTokens",
            "reasoningTokens",
            "completionAudioTokens",
            "completionImageTokens",
            "images",
        ];
        let mut sums: Document =
            kinds.iter().map(|field| ((*field).to_owned(), doc! {"$sum": format!("${field}")}.into())).collect();
        let beyond = doc! {"$cond": [{"$eq": [{"$type": "$beyondPlan"}, "array"]}, requests(), 0_i64]};
        sums.insert("beyondPlan", doc! {"$sum": beyond});
        sums
    }
}

/// A group as the database has it.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "_id")]
    name: String,
    #[serde(flatten)]
    sums: Sums,
    #[serde(flatten)]
    kinds: Kinds,
}

impl SummaryFilter {
    /// From `from` on and before `to`: the last 30 days when it does not say, and 92 days at most, more being too much
    /// to add up for a request.
    pub fn range(&self, now: Moment) -> Result<Range<Moment>, Problem> {
        let to = self.to.unwrap_or(now);
        let too_early = |_| Problem::invalid_field("to", "must not be at the beginning of time");
        let from =
            self.from.map_or_else(|| to.checked_sub(days(DEFAULT_DAYS)).map(Moment::from).map_err(too_early), Ok)?;
        if from >= to || to.duration_since(*from) > days(MAX_DAYS) {
            return Err(Problem::invalid_field("from", format!("must be before `to`, by {MAX_DAYS} days at most")));
        }
        Ok(from..to)
    }
}

fn days(number: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * number)
}

/// Adds an account's usage up in the database.
pub async fn summarise(
    mongo: &Mongo,
    user_id: &str,
    &Range { start, end }: &Range<Moment>,
    group_by: GroupBy,
) -> Result<UsageSummary, mongo::Error> {
    let key = match group_by {
        GroupBy::Day => doc! {"$dateToString": {"format": "%Y-%m-%d", "date": "$occurredAt"}},
        // Records from before names were compared without case have them as they came.
        GroupBy::Provider => doc! {"$toLower": {"$toString": "$provider"}},
        GroupBy::Model => doc! {"$toLower": {"$toString": "$model"}},
    };
    let mut group = doc! {"_id": key};
    group.extend(sums());
    group.extend(Kinds::sums());
    let range = doc! {"$gte": start, "$lt": end};
    let pipeline =
        [doc! {"$match": {"userId": user_id, "occurredAt": range}}, doc! {"$group": group}, doc! {"$sort": {"_id": 1}}];
    let read = async |database: Database| {
        let cursor = database.collection::<Document>(AiUsage::COLLECTION).aggregate(pipeline).await?;
        cursor.with_type::<Row>().try_collect::<Vec<_>>().await
    };
    let rows = mongo.run(REQUEST_TIMEOUT, read).await?;
    let totals = rows.iter().fold(Sums::default(), |sum, row| sum + row.sums).into();
    let groups = rows.into_iter().map(|row| SummaryGroup { name: row.name, totals: row.sums.into(), kinds: row.kinds });
    Ok(UsageSummary { from: start, to: end, totals, groups: groups.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_thirty_days_unless_said_and_never_beyond_the_calendar() {
        let at = |text: &str| text.parse::<Moment>().expect("valid");
        let now = at("2026-11-22T12:00:00Z");
        let range = |from: Option<&str>, to: Option<&str>| {
            SummaryFilter { from: from.map(at), to: to.map(at), ..SummaryFilter::default() }.range(now).ok()
        };
        assert_eq!(range(None, None), Some(at("2026-10-23T12:00:00Z")..now));
        assert_eq!(range(Some("2026-08-22T12:00:00Z"), None), Some(at("2026-08-22T12:00:00Z")..now), "92 days");
        for (from, to) in [
            (Some("2026-08-22T11:59:59Z"), None),
            (Some("2026-11-22T12:00:00Z"), None),
            (None, Some("-009999-01-02T02:00:00Z")),
            (Some("-009999-01-02T02:00:00Z"), Some("9999-12-30T22:00:00Z")),
        ] {
            assert_eq!(range(from, to), None, "{from:?} {to:?}");
        }
    }
}
