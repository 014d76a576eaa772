//! Months: from the days, never from the records again.

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use jiff::{Timestamp, tz::TimeZone};
use mongodb::Database;
use serde::Deserialize;

use super::{
    daily::TOP,
    report::{Part, Report, TopPrompt, Totals, keep, sums_of_sums},
};
use crate::mongo::{Error, Mongo, WORK_LIMIT};

/// Prompts that a report names.
const TOP_PROMPTS: i64 = 20;

/// Makes the report of the month before the one of `at`: five operations, the same result each time.
pub async fn monthly_report(mongo: &Mongo, at: Timestamp) -> Result<Report, Error> {
    let month = month_before(at);
    mongo
        .run(WORK_LIMIT, async move |database: Database| {
            let report = compute(&database, &month).await?;
            keep(&database, &[&report]).await?;
            Ok(report)
        })
        .await
}

async fn compute(database: &Database, month: &str) -> mongodb::error::Result<Report> {
    // Days are text, and sort as such: every day of the month begins with its name.
    let days = doc! {"$match": {"day": {"$gte": format!("{month}-01"), "$lte": format!("{month}-31")}}};
    let grouped = async |first: Vec<Document>, key: Bson, prefix: &str, rest: Vec<Document>| {
        let mut group = doc! {"_id": key};
        group.extend(sums_of_sums(prefix));
        let pipeline = std::iter::once(days.clone()).chain(first).chain([doc! {"$group": group}]).chain(rest);
        let cursor = database.collection::<Document>("usage_daily").aggregate(pipeline.collect::<Vec<_>>()).await?;
        cursor.with_type::<Part>().try_collect::<Vec<_>>().await
    };
    let by_cost = || doc! {"$sort": {"costMicros": -1, "_id": 1}};
    let by_day = grouped(vec![], "$day".into(), "", vec![doc! {"$sort": {"_id": 1}}]).await?;
    let unwound = vec![doc! {"$unwind": "$byModel"}];
    let models = grouped(unwound, "$byModel.model".into(), "byModel.", vec![by_cost()]).await?;
    let users = grouped(vec![], "$userId".into(), "", vec![by_cost()]).await?;
    let totals = by_day.iter().fold(Totals::default(), |sum, day| sum + day.totals);
    let mut report = Report {
        kind: "monthly".into(),
        period: month.to_owned(),
        active_users: users.len() as u64,
        totals,
        days: by_day,
        models,
        top_users: users,
        top_prompts: top_prompts(database, &days).await?,
    };
    report.top_users.truncate(usize::try_from(TOP).unwrap_or_default());
    Ok(report)
}

/// From the daily counts of what people did with prompts.
async fn top_prompts(database: &Database, days: &Document) -> mongodb::error::Result<Vec<TopPrompt>> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "_id")]
        prompt_id: String,
        executions: i64,
        views: i64,
    }
    let count = |event: &str| doc! {"$sum": {"$ifNull": [format!("$counts.{event}"), 0]}};
    let pipeline = [
        days.clone(),
        doc! {"$group": {"_id": "$promptId", "executions": count("execute"), "views": count("view")}},
        doc! {"$sort": {"executions": -1, "views": -1, "_id": 1}},
        doc! {"$limit": TOP_PROMPTS},
    ];
    let cursor = database.collection::<Document>("prompt_daily").aggregate(pipeline).await?;
    let rows: Vec<Row> = cursor.with_type().try_collect().await?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    let top =
        |row: Row| TopPrompt { prompt_id: row.prompt_id, executions: count(row.executions), views: count(row.views) };
    Ok(rows.into_iter().map(top).collect())
}

/// `2026-10` for any instant of November 2026, UTC.
fn month_before(at: Timestamp) -> String {
    let date = TimeZone::UTC.to_datetime(at).date();
    let last = date.first_of_month().yesterday().unwrap_or(date);
    last.strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_before_is_the_calendars() {
        for (at, month) in [
            ("2026-11-01T02:00:00Z", "2026-10"),
            ("2026-01-31T23:59:59Z", "2025-12"),
            ("2028-03-31T00:00:00Z", "2028-02"),
        ] {
            assert_eq!(month_before(at.parse().expect("valid")), month);
        }
    }
}
