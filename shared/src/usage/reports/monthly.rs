//! Months: from the days.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::tz::TimeZone;
use mongodb::Database;

use super::{
    SummedGroup, UsageGroup, UsageReport, add_up,
    daily::{PASS_TIMEOUT, open_days, recompute},
    keep, sums_of_sums,
};
use crate::{
    analytics::counts,
    clock::{self, Moment},
    mongo::{Error, Mongo},
};

/// Prompts that a report names.
const TOP_PROMPTS: i64 = 20;

/// Makes the report of the month before the one of `at`, after those of its days that can still change: six operations,
/// the same result each time. While records of its last days may come, the job runs again every day.
pub async fn monthly_report(mongo: &Mongo, at: Moment) -> Result<UsageReport, Error> {
    let month = month_before(at);
    let open = open_days(at, clock::now());
    let open = open.start..open.end.min(start_of_month(at));
    mongo
        .run(PASS_TIMEOUT, async move |database: Database| {
            recompute(&database, open).await?;
            let report = compute(&database, &month).await?;
            keep(&database, std::slice::from_ref(&report)).await?;
            Ok(report)
        })
        .await
}

/// The report of a month, from its days. Four operations.
async fn compute(database: &Database, month: &str) -> mongodb::error::Result<UsageReport> {
    // Days are text, and sort as such: every day of the month begins with its name.
    let days = doc! {"day": {"$gte": format!("{month}-01"), "$lte": format!("{month}-31")}};
    let report = add_up(database, "monthly", &days, &month.into()).await?.pop();
    let mut report = report.unwrap_or_else(|| UsageReport::empty("monthly", month));
    report.days = by_day(database, &days).await?;
    report.top_prompts = counts::top(database, days, TOP_PROMPTS).await?;
    Ok(report)
}

async fn by_day(database: &Database, days: &Document) -> mongodb::error::Result<Vec<UsageGroup>> {
    let mut by_day = doc! {"_id": "$day"};
    by_day.extend(sums_of_sums(""));
    let pipeline = [doc! {"$match": days}, doc! {"$group": by_day}, doc! {"$sort": {"_id": 1}}];
    let days = database.collection::<Document>("usage_daily").aggregate(pipeline).await?;
    days.with_type::<SummedGroup>().map_ok(UsageGroup::from).try_collect().await
}

/// `2026-10` for any instant of November 2026, UTC.
fn month_before(at: Moment) -> String {
    let date = TimeZone::UTC.to_datetime(*at).date();
    let last = date.first_of_month().yesterday().unwrap_or(date);
    last.strftime("%Y-%m").to_string()
}

fn start_of_month(at: Moment) -> Moment {
    clock::start_of_day(at, i64::from(TimeZone::UTC.to_datetime(*at).day()) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    #[test]
    fn the_month_before_is_the_calendars() {
        for (instant, month) in [
            ("2026-11-01T02:00:00Z", "2026-10"),
            ("2026-01-31T23:59:59Z", "2025-12"),
            ("2028-03-31T00:00:00Z", "2028-02"),
        ] {
            assert_eq!(month_before(at(instant)), month);
        }
    }
}
