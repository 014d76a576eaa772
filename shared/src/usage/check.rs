//! Which alerts are due: each (alert, period, level) once, whatever happens.
//!
//! A firing is a document whose id is those three, so that the store decides who fires. It is noted as
//! told only after the queue has its notification, which carries the same id: a run that dies in between
//! is made up for by the next, and nobody is told twice.

use std::collections::HashMap;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use mongodb::{Database, error::ErrorKind};
use serde::{Deserialize, Serialize};

use super::{
    alerts::{Alert, Metric, Period, collection},
    preferences::Preferences,
};
use crate::{
    clock,
    mongo::{self, DUPLICATE_KEY, Mongo, WORK_LIMIT},
    notifications::{Channel, Notification, Outbox, Template},
};

/// Percent of the threshold at which is told.
const LEVELS: [u64; 4] = [50, 80, 90, 100];

/// What a run did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Alerts that are on.
    pub alerts: usize,
    /// Levels reached for the first time.
    pub fired: usize,
    /// Notifications sent.
    pub told: usize,
}

/// `usage_alert_firings`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Firing {
    /// `<alert>/<period's start>/<level>`.
    #[serde(rename = "_id")]
    id: String,
    alert_id: String,
    user_id: String,
    metric: Metric,
    period_start: String,
    level: i64,
    used: i64,
    threshold: i64,
    at: bson::DateTime,
    told: bool,
}

/// Usage of one account by key and provider, in the three periods that are running.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "_id")]
    key: RowKey,
    daily: Sums,
    weekly: Sums,
    monthly: Sums,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowKey {
    user_id: String,
    key_id: Option<String>,
    provider: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Sums {
    requests: u64,
    failed: u64,
    tokens: u64,
    cost: u64,
}

/// Somebody to tell.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(rename = "_id")]
    id: String,
    email: String,
    notification_preferences: Option<Preferences>,
}

/// The running periods' first instants.
#[derive(Clone, Copy)]
struct Starts {
    daily: Timestamp,
    weekly: Timestamp,
    monthly: Timestamp,
}

/// Fires what is due as of `at`, and tells the owners. Seven operations, whatever the number of alerts.
pub async fn check_alerts(mongo: &Mongo, outbox: &Outbox, at: Timestamp) -> anyhow::Result<Checked> {
    let starts = Starts::of(at);
    let (alerts, usage) = mongo.run(WORK_LIMIT, async |database| read(&database, starts, at).await).await?;
    let firings = due(&alerts, &usage, starts, at);
    let fired = if firings.is_empty() { 0 } else { insert(mongo, &firings).await? };
    let told = tell(mongo, outbox).await?;
    Ok(Checked { alerts: alerts.len(), fired, told })
}

async fn read(database: &Database, starts: Starts, at: Timestamp) -> mongodb::error::Result<(Vec<Alert>, Vec<Row>)> {
    let active = collection(database).find(doc! {"active": true}).batch_size(10_000).await?;
    let alerts: Vec<Alert> = active.try_collect().await?;
    let mut users: Vec<&str> = alerts.iter().map(|alert| alert.user_id.as_str()).collect();
    users.sort_unstable();
    users.dedup();
    if users.is_empty() {
        return Ok((alerts, Vec::new()));
    }
    let since = starts.weekly.min(starts.monthly);
    let range = doc! {"$gte": clock::to_bson(since), "$lt": clock::to_bson(at)};
    let sums = |start: Timestamp| {
        let within = doc! {"$gte": ["$occurredAt", clock::to_bson(start)]};
        let sum = |value: bson::Bson| doc! {"$sum": {"$cond": [&within, value, 0_i64]}};
        [
            ("requests", sum(1_i64.into())),
            ("failed", sum(doc! {"$cond": [{"$eq": ["$success", false]}, 1_i64, 0_i64]}.into())),
            ("tokens", sum(doc! {"$add": ["$promptTokens", "$completionTokens"]}.into())),
            ("cost", sum("$costMicros".into())),
        ]
    };
    let mut group = doc! {"_id": {"userId": "$userId", "keyId": "$keyId", "provider": "$provider"}};
    let mut shape = Document::new();
    for (name, start) in [("daily", starts.daily), ("weekly", starts.weekly), ("monthly", starts.monthly)] {
        let mut of_period = Document::new();
        for (field, sum) in sums(start) {
            group.insert(format!("{name}_{field}"), sum);
            of_period.insert(field, format!("${name}_{field}"));
        }
        shape.insert(name, of_period);
    }
    let pipeline = [
        doc! {"$match": {"userId": {"$in": users}, "occurredAt": range}},
        doc! {"$group": group},
        doc! {"$project": shape},
    ];
    let rows = database.collection::<Document>("ai_usage").aggregate(pipeline).batch_size(10_000).await?;
    Ok((alerts.clone(), rows.with_type().try_collect().await?))
}

/// Every level that is reached, fired before or not.
fn due(alerts: &[Alert], usage: &[Row], starts: Starts, at: Timestamp) -> Vec<Firing> {
    let mut by_user = HashMap::<&str, Vec<&Row>>::new();
    for row in usage {
        by_user.entry(row.key.user_id.as_str()).or_default().push(row);
    }
    let mut firings = Vec::new();
    for alert in alerts {
        let rows = by_user.get(alert.user_id.as_str()).into_iter().flatten();
        let used = value(alert.metric, rows.filter(|row| concerns(alert, row)).map(|row| row.sums(alert.period)));
        let start = clock::day(starts.of_period(alert.period));
        let threshold = alert.threshold.unsigned_abs().max(1);
        for level in
            LEVELS.into_iter().filter(|level| u128::from(used) * 100 >= u128::from(threshold) * u128::from(*level))
        {
            firings.push(Firing {
                id: format!("{}/{start}/{level}", alert.id),
                alert_id: alert.id.clone(),
                user_id: alert.user_id.clone(),
                metric: alert.metric,
                period_start: start.clone(),
                level: i64::try_from(level).unwrap_or_default(),
                used: i64::try_from(used).unwrap_or(i64::MAX),
                threshold: alert.threshold,
                at: clock::to_bson(at),
                told: false,
            });
        }
    }
    firings
}

fn concerns(alert: &Alert, row: &Row) -> bool {
    let fits = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
    fits(&alert.key_id, &row.key.key_id) && fits(&alert.provider, &row.key.provider)
}

fn value(metric: Metric, sums: impl Iterator<Item = Sums>) -> u64 {
    let total = sums.fold(Sums::default(), |a, b| Sums {
        requests: a.requests + b.requests,
        failed: a.failed + b.failed,
        tokens: a.tokens + b.tokens,
        cost: a.cost + b.cost,
    });
    match metric {
        Metric::Tokens => total.tokens,
        Metric::Cost => total.cost,
        Metric::Requests => total.requests,
        Metric::ErrorRate => (total.failed * 100).checked_div(total.requests).unwrap_or_default(),
    }
}

/// How many of them are new: those that are there fired before.
async fn insert(mongo: &Mongo, firings: &[Firing]) -> Result<usize, mongo::Error> {
    let work = async |database: Database| {
        database.collection::<Firing>("usage_alert_firings").insert_many(firings).ordered(false).await
    };
    match mongo.run(WORK_LIMIT, work).await {
        Ok(done) => Ok(done.inserted_ids.len()),
        Err(mongo::Error::Refused(error)) => match error.kind.as_ref() {
            ErrorKind::InsertMany(many) if many.write_errors.iter().flatten().all(|e| e.code == DUPLICATE_KEY) => {
                Ok(firings.len() - many.write_errors.iter().flatten().count())
            }
            _ => Err(mongo::Error::Refused(error)),
        },
        Err(error) => Err(error),
    }
}

/// Tells what fired and was not told yet: of several levels of one alert the highest alone.
async fn tell(mongo: &Mongo, outbox: &Outbox) -> anyhow::Result<usize> {
    let pending = async |database: Database| {
        let firings = database.collection::<Firing>("usage_alert_firings");
        let firings: Vec<Firing> = firings.find(doc! {"told": false}).batch_size(10_000).await?.try_collect().await?;
        let mut users: Vec<String> = firings.iter().map(|firing| firing.user_id.clone()).collect();
        users.sort_unstable();
        users.dedup();
        let fields = doc! {"email": 1, "notificationPreferences": 1};
        let owners = database.collection::<Owner>("users");
        let owners = owners.find(doc! {"_id": {"$in": users}}).projection(fields).batch_size(10_000).await?;
        Ok((firings, owners.try_collect::<Vec<Owner>>().await?))
    };
    let (firings, owners) = mongo.run(WORK_LIMIT, pending).await?;
    if firings.is_empty() {
        return Ok(0);
    }
    let owners: HashMap<&str, &Owner> = owners.iter().map(|owner| (owner.id.as_str(), owner)).collect();
    let mut highest = HashMap::<(&str, &str), &Firing>::new();
    for firing in &firings {
        let key = (firing.alert_id.as_str(), firing.period_start.as_str());
        let best = highest.entry(key).or_insert(firing);
        if firing.level > best.level {
            *best = firing;
        }
    }
    let notifications: Vec<Notification> = highest
        .into_values()
        .filter_map(|firing| Some((firing, owners.get(firing.user_id.as_str())?)))
        .flat_map(|(firing, owner)| notifications(firing, owner))
        .collect();
    outbox.send(&notifications).await?;
    let ids: Vec<&str> = firings.iter().map(|firing| firing.id.as_str()).collect();
    let told = async |database: Database| {
        let firings = database.collection::<Firing>("usage_alert_firings");
        firings.update_many(doc! {"_id": {"$in": ids}}, doc! {"$set": {"told": true}}).await
    };
    mongo.run(WORK_LIMIT, told).await?;
    Ok(notifications.len())
}

fn notifications(firing: &Firing, owner: &Owner) -> Vec<Notification> {
    let preferences = owner.notification_preferences.clone().unwrap_or_default();
    let level = firing.level.unsigned_abs();
    if !preferences.want(firing.metric, level) {
        return Vec::new();
    }
    let email = preferences.email_enabled.then(|| Channel::Email { to: owner.email.clone() });
    let number = preferences.phone_number.clone().filter(|_| preferences.sms_enabled);
    let channels = email.into_iter().chain(number.map(|to| Channel::Sms { to }));
    let notification = |channel: Channel| Notification {
        id: format!("{}/{}", firing.id, channel.kind()),
        user_id: Some(owner.id.clone()),
        template: Template::UsageAlert {
            metric: firing.metric.words().into(),
            period: format!("the period since {}", firing.period_start),
            level_percent: level,
            used: firing.metric.amount(firing.used.unsigned_abs()),
            limit: firing.metric.amount(firing.threshold.unsigned_abs()),
        },
        channel,
    };
    channels.map(notification).collect()
}

impl Metric {
    const fn words(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Cost => "cost",
            Self::Requests => "requests",
            Self::ErrorRate => "error rate",
        }
    }

    fn amount(self, value: u64) -> String {
        match self {
            Self::Cost => format!("${}.{:06}", value / 1_000_000, value % 1_000_000),
            Self::ErrorRate => format!("{value} %"),
            Self::Tokens | Self::Requests => value.to_string(),
        }
    }
}

impl Row {
    fn sums(&self, period: Period) -> Sums {
        match period {
            Period::Daily => self.daily,
            Period::Weekly => self.weekly,
            Period::Monthly => self.monthly,
        }
    }
}

impl Starts {
    fn of(at: Timestamp) -> Self {
        let today = TimeZone::UTC.to_datetime(at).date();
        let since_monday = i64::from(today.weekday().since(Weekday::Monday));
        let since_first = i64::from(today.day()) - 1;
        Self {
            daily: clock::start_of_day(at, 0),
            weekly: clock::start_of_day(at, since_monday),
            monthly: clock::start_of_day(at, since_first),
        }
    }

    fn of_period(self, period: Period) -> Timestamp {
        match period {
            Period::Daily => self.daily,
            Period::Weekly => self.weekly,
            Period::Monthly => self.monthly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let starts = |at: &str| {
            let starts = Starts::of(at.parse().expect("valid"));
            [starts.daily, starts.weekly, starts.monthly].map(clock::day)
        };
        assert_eq!(starts("2026-11-22T23:59:59Z"), ["2026-11-22", "2026-11-16", "2026-11-01"], "a Sunday");
        assert_eq!(starts("2026-11-23T00:00:00Z"), ["2026-11-23", "2026-11-23", "2026-11-01"], "a Monday");
        assert_eq!(starts("2028-03-01T12:00:00Z"), ["2028-03-01", "2028-02-28", "2028-03-01"], "after a leap day");
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!(Metric::Cost.amount(1_250_000), "$1.250000");
        assert_eq!(Metric::ErrorRate.amount(12), "12 %");
    }
}
