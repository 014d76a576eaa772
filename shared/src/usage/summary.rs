//! What an account used between two instants, in groups: one aggregation.

use std::ops::Range;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use mongodb::Database;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::report::{Totals, UsageGroup, sums};
use crate::{
    clock,
    http::Problem,
    mongo::{self, Mongo, REQUEST_LIMIT},
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

/// Whose usage, and when.
#[derive(Debug)]
pub struct SummaryFilter {
    /// Whose.
    pub user_id: String,
    /// When.
    pub range: Range<Timestamp>,
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

/// The range that a client asks for, from `from` on and before `to`: of the last 30 days when it does not say, and of 92
/// days at most, more being too much to add up for a request.
pub fn summary_range(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<Range<Timestamp>, Problem> {
    let to = to.unwrap_or(now);
    let too_early = |_| Problem::invalid_field("to", "must not be at the beginning of time");
    let from = from.map_or_else(|| to.checked_sub(days(DEFAULT_DAYS)).map_err(too_early), Ok)?;
    if from >= to || to.duration_since(from) > days(MAX_DAYS) {
        return Err(Problem::invalid_field("from", format!("must be before `to`, by {MAX_DAYS} days at most")));
    }
    Ok(from..to)
}

fn days(number: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * number)
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
    let Range { start, end } = filter.range;
    let range = doc! {"$gte": clock::to_bson(start), "$lt": clock::to_bson(end)};
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
    Ok(UsageSummary { from: clock::rfc3339(start), to: clock::rfc3339(end), totals, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_thirty_days_unless_said_and_never_beyond_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().expect("valid");
        let now = at("2026-11-22T12:00:00Z");
        assert_eq!(summary_range(None, None, now).ok(), Some(at("2026-10-23T12:00:00Z")..now));
        let asked = summary_range(Some(at("2026-08-22T12:00:00Z")), None, now);
        assert_eq!(asked.ok(), Some(at("2026-08-22T12:00:00Z")..now), "92 days");
        for (from, to) in [
            (Some("2026-08-22T11:59:59Z"), None),
            (Some("2026-11-22T12:00:00Z"), None),
            (None, Some("-009999-01-02T02:00:00Z")),
            (Some("-009999-01-02T02:00:00Z"), Some("9999-12-30T22:00:00Z")),
        ] {
            assert!(summary_range(from.map(at), to.map(at), now).is_err(), "{from:?} {to:?}");
        }
    }
}
