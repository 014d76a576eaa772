//! Days on which somebody was here, and what they add up to.

use bson::doc;
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Account, Profile};
use crate::{
    clock::{self, Moment},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// What somebody did so far.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserActivity {
    /// Who.
    pub user: Profile,
    /// The figures.
    #[serde(rename = "stats")]
    pub figures: ActivityFigures,
    /// The last days on which they were here, newest first, at most 30.
    pub recent_days: Vec<String>,
}

/// [`UserActivity`] as the front end's dashboard reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginFigures {
    /// Always true.
    success: bool,
    /// The figures.
    data: LoginCounts,
}

/// Days on which somebody was here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginCounts {
    /// Within the last 400 days.
    days_logged_in: u64,
    /// The same: a day counts once, however often somebody comes back on it.
    total_sessions: u64,
    /// The last of them, if there was one (UTC).
    last_login_date: Option<String>,
    /// Days in a row up to today or yesterday (UTC).
    streak: u64,
}

impl From<UserActivity> for LoginFigures {
    fn from(activity: UserActivity) -> Self {
        let ActivityFigures { streak, days_active, .. } = activity.figures;
        let last_login_date = activity.recent_days.into_iter().next();
        let data = LoginCounts { days_logged_in: days_active, total_sessions: days_active, last_login_date, streak };
        Self { success: true, data }
    }
}

/// Figures of somebody's activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityFigures {
    /// Days in a row up to today or yesterday (UTC); 0 after a day missed.
    pub streak: u64,
    /// The longest such row within the last 400 days.
    pub longest_streak: u64,
    /// Days on which they were here within the last 400 days.
    pub days_active: u64,
    /// Prompts in their own collections.
    pub prompts_collected: u64,
    /// Runs of the workbench.
    pub workbench_runs: u64,
}

/// What noting a day did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Activity {
    /// The UTC day.
    #[schema(format = "date")]
    pub day: String,
    /// Whether it was the first time on that day.
    pub first: bool,
}

/// `user_activity`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveDay<'a> {
    #[serde(rename = "_id")]
    id: String,
    user_id: &'a str,
    day: &'a str,
    at: Moment,
}

/// Notes that the account was here today; a second time changes nothing.
pub async fn record(mongo: &Mongo, user_id: &str, at: Moment) -> Result<Activity, mongo::Error> {
    let day = clock::day(at);
    let entry = ActiveDay { id: format!("{user_id}/{day}"), user_id, day: &day, at };
    let insert = async |database: Database| database.collection("user_activity").insert_one(entry).await;
    match mongo.run(REQUEST_TIMEOUT, insert).await {
        Ok(_) => Ok(Activity { day, first: true }),
        Err(error) if error.is_duplicate() => Ok(Activity { day, first: false }),
        Err(error) => Err(error),
    }
}

/// The figures as of `at`: one aggregation.
pub async fn figures(mongo: &Mongo, account: &Account, at: Moment) -> Result<UserActivity, mongo::Error> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "_id")]
        kind: String,
        days: Option<Vec<String>>,
        count: u64,
    }
    let count_of = |collection: &str, kind: &str| {
        doc! {"$unionWith": {"coll": collection, "pipeline": [
            {"$match": {"userId": &account.id}},
            {"$group": {"_id": kind, "count": {"$sum": 1}}},
        ]}}
    };
    let pipeline = [
        doc! {"$match": {"userId": &account.id}},
        doc! {"$group": {"_id": "days", "days": {"$addToSet": "$day"}, "count": {"$sum": 1}}},
        count_of("prompt_collections", "collected"),
        count_of("workbench_runs", "runs"),
    ];
    let read = async |database: Database| {
        let cursor = database.collection::<bson::Document>("user_activity").aggregate(pipeline).await?;
        cursor.with_type::<Row>().try_collect::<Vec<_>>().await
    };
    let rows = mongo.run(REQUEST_TIMEOUT, read).await?;
    let mut days: Vec<String> = rows.iter().flat_map(|row| row.days.clone().unwrap_or_default()).collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    let count = |kind: &str| rows.iter().find(|row| row.kind == kind).map_or(0, |row| row.count);
    let (streak, longest_streak) = streaks(&days, at);
    let (prompts_collected, workbench_runs) = (count("collected"), count("runs"));
    let figures =
        ActivityFigures { streak, longest_streak, days_active: days.len() as u64, prompts_collected, workbench_runs };
    days.truncate(30);
    Ok(UserActivity { user: Profile::from(account), figures, recent_days: days })
}

/// The current row of days and the longest, of days sorted newest first.
fn streaks(days: &[String], at: Moment) -> (u64, u64) {
    let dates: Vec<jiff::civil::Date> = days.iter().filter_map(|day| day.parse().ok()).collect();
    let (mut rows, mut row) = (Vec::new(), 0_u64);
    for (index, date) in dates.iter().enumerate() {
        row += 1;
        let goes_on = dates.get(index + 1).is_some_and(|next| date.yesterday().is_ok_and(|before| before == *next));
        if !goes_on {
            rows.push(row);
            row = 0;
        }
    }
    let (today, yesterday) = (clock::day(at), clock::day(clock::start_of_day(at, 1)));
    let lasts = days.first().is_some_and(|newest| *newest == today || *newest == yesterday);
    (if lasts { rows.first().copied().unwrap_or_default() } else { 0 }, rows.into_iter().max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[&str]) -> Vec<String> {
        days.iter().map(|day| (*day).to_owned()).collect()
    }

    #[test]
    fn a_streak_is_days_in_a_row_up_to_today_or_yesterday() {
        let at: Moment = "2028-03-02T00:00:01Z".parse().expect("valid");
        assert_eq!(streaks(&days(&["2028-03-02", "2028-03-01", "2028-02-29", "2028-02-27"]), at), (3, 3));
        assert_eq!(streaks(&days(&["2028-03-01", "2028-02-29"]), at), (2, 2), "today is not over");
        assert_eq!(streaks(&days(&["2028-02-29", "2028-02-28", "2028-02-26"]), at), (0, 2), "a day was missed");
        assert_eq!(streaks(&[], at), (0, 0));
    }

    #[test]
    fn a_day_of_activity_expires() {
        crate::schema::tests::assert_expires(
            "user_activity",
            &ActiveDay { id: "1".into(), user_id: "u", day: "2026-01-01", at: clock::now() },
        );
    }
}
