//! What an account used between two instants, in groups: one aggregation.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::report::{Totals, sums};
use crate::{
    clock,
    mongo::{self, Mongo, REQUEST_LIMIT},
};

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

/// Whose usage, and when: from `from` on, before `to`.
#[derive(Debug)]
pub struct SummaryFilter {
    /// Whose.
    pub user_id: String,
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub to: Timestamp,
    /// In which groups.
    pub group_by: GroupBy,
}

/// Usage in groups.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSummary {
    /// RFC 3339.
    pub from: String,
    /// RFC 3339; not itself included.
    pub to: String,
    /// All groups together.
    pub totals: Totals,
    /// The groups, by name.
    pub groups: Vec<UsageGroup>,
}

/// Usage of a day, a provider or a model.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct UsageGroup {
    /// The day, the provider or the model.
    #[serde(rename(deserialize = "_id"))]
    pub name: String,
    /// What it comes to.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Adds usage up in the database.
pub async fn summarise(mongo: &Mongo, filter: &SummaryFilter) -> Result<UsageSummary, mongo::Error> {
    let key = match filter.group_by {
        GroupBy::Day => doc! {"$dateToString": {"format": "%Y-%m-%d", "date": "$occurredAt"}},
        GroupBy::Provider => doc! {"$toString": "$provider"},
        GroupBy::Model => doc! {"$toString": "$model"},
    };
    let mut group = doc! {"_id": key};
    group.extend(sums());
    let range = doc! {"$gte": clock::to_bson(filter.from), "$lt": clock::to_bson(filter.to)};
    let pipeline = [
        doc! {"$match": {"userId": &filter.user_id, "occurredAt": range}},
        doc! {"$group": group},
        doc! {"$sort": {"_id": 1}},
    ];
    let read = async |database: Database| {
        let cursor = database.collection::<Document>("ai_usage").aggregate(pipeline).await?;
        cursor.with_type::<UsageGroup>().try_collect::<Vec<_>>().await
    };
    let groups = mongo.run(REQUEST_LIMIT, read).await?;
    let totals = groups.iter().fold(Totals::default(), |sum, group| sum + group.totals);
    Ok(UsageSummary { from: clock::rfc3339(filter.from), to: clock::rfc3339(filter.to), totals, groups })
}
