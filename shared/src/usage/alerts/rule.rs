//! Alerts: thresholds of usage that their owner wants to hear of.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use garde::Validate;
use mongodb::{Collection, Database, options::ReturnDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::{self, Moment},
    http::Problem,
    id,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    usage::identifier,
    users::{Account, insert_within_quota},
};

/// Alerts that one account may have.
pub const LIMIT: u64 = 20;
/// Of an error rate.
const MAX_PERCENT: u64 = 100;
const PERCENTAGE: &str = "is a percentage: 1 to 100";

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Tokens, sent and received.
    Tokens,
    /// Micro-dollars.
    Cost,
    /// Uses of a model.
    Requests,
    /// Failed uses, percent.
    ErrorRate,
}

/// Over which time: UTC days, weeks from Monday, calendar months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Period {
    /// Since midnight.
    Daily,
    /// Since Monday.
    Weekly,
    /// Since the first.
    Monthly,
}

/// An alert to set up.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAlert {
    /// What is watched.
    #[garde(skip)]
    pub metric: Metric,
    /// Over which time.
    #[garde(skip)]
    pub period: Period,
    /// Tokens, micro-dollars, requests or percent.
    #[garde(range(min = 1, max = 1_000_000_000_000_u64), custom(percent(self.metric)))]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    pub threshold: u64,
    /// Of this platform key alone.
    #[garde(length(max = 100), inner(custom(identifier::provider)))]
    #[schema(max_length = 100)]
    pub key_id: Option<String>,
    /// Of this provider alone.
    #[garde(length(chars, min = 1, max = 50), inner(custom(identifier::provider)))]
    #[schema(min_length = 1, max_length = 50)]
    pub provider: Option<String>,
}

/// What to change of an alert.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertChange {
    /// A new threshold.
    #[garde(range(min = 1, max = 1_000_000_000_000_u64))]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    pub threshold: Option<u64>,
    /// On or off.
    #[garde(skip)]
    pub active: Option<bool>,
}

/// `usage_alerts`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) metric: Metric,
    pub(super) period: Period,
    pub(super) threshold: i64,
    pub(super) key_id: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) active: bool,
    pub(super) created_at: Moment,
    /// When it was last changed: periods that ended before that are not told by the new rule.
    pub(super) changed_at: Option<Moment>,
}

/// An alert as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    /// Id.
    pub id: String,
    /// What is watched.
    pub metric: Metric,
    /// Over which time.
    pub period: Period,
    /// Tokens, micro-dollars, requests or percent.
    pub threshold: u64,
    /// Of this platform key alone.
    pub key_id: Option<String>,
    /// Of this provider alone.
    pub provider: Option<String>,
    /// On or off.
    pub active: bool,
    /// When it was made.
    pub created_at: Moment,
}

impl From<&Alert> for AlertView {
    fn from(alert: &Alert) -> Self {
        Self {
            id: alert.id.clone(),
            metric: alert.metric,
            period: alert.period,
            threshold: alert.threshold.unsigned_abs(),
            key_id: alert.key_id.clone(),
            provider: alert.provider.clone(),
            active: alert.active,
            created_at: alert.created_at,
        }
    }
}

/// An account's alerts, the newest first.
pub async fn list(mongo: &Mongo, user_id: &str) -> Result<Vec<AlertView>, mongo::Error> {
    let find = async |database: Database| {
        collection(&database)
            .find(doc! {"userId": user_id})
            .sort(doc! {"_id": -1})
            .await?
            .with_type::<RawDocumentBuf>()
            .try_collect::<Vec<_>>()
            .await
    };
    let alerts: Vec<Alert> = mongo::readable("usage_alerts", &mongo.run(REQUEST_TIMEOUT, find).await?);
    Ok(alerts.iter().map(AlertView::from).collect())
}

/// Sets an alert up; `None` when the account has as many as it may.
pub async fn create(ledger: &Ledger, owner: &Account, new: NewAlert) -> Result<Option<AlertView>, Problem> {
    let alert = Alert {
        id: id::new(),
        user_id: owner.id.clone(),
        metric: new.metric,
        period: new.period,
        threshold: i64::try_from(new.threshold).unwrap_or(i64::MAX),
        key_id: new.key_id,
        provider: new.provider.as_deref().map(identifier::normal),
        active: true,
        created_at: clock::now(),
        changed_at: None,
    };
    let (view, mine) = (AlertView::from(&alert), doc! {"userId": &owner.id});
    let made = insert_within_quota(ledger, owner, alert, "usage_alerts", mine, LIMIT).await?;
    Ok(made.then_some(view))
}

/// Changes an alert of the account; `None` when there is no such alert, 422 for a percentage above 100.
pub async fn change(
    mongo: &Mongo,
    user_id: &str,
    alert_id: &str,
    change: &AlertChange,
) -> Result<Option<AlertView>, Problem> {
    let mut set = Document::new();
    if let Some(threshold) = change.threshold.and_then(|threshold| i64::try_from(threshold).ok()) {
        set.insert("threshold", threshold);
    }
    if let Some(active) = change.active {
        set.insert("active", active);
    }
    let mine = doc! {"_id": alert_id, "userId": user_id};
    let no_percentage = change.threshold.is_some_and(|threshold| threshold > MAX_PERCENT);
    let update = async |database: Database| {
        let alerts = collection(&database);
        if set.is_empty() {
            return Ok((alerts.find_one(mine).await?, false));
        }
        set.insert("changedAt", clock::now());
        let mut fitting = mine.clone();
        if no_percentage {
            fitting.insert("metric", doc! {"$ne": "errorRate"});
        }
        let changed = alerts.find_one_and_update(fitting, doc! {"$set": set});
        let changed = changed.return_document(ReturnDocument::After).await?;
        let unfit = changed.is_none() && no_percentage && alerts.find_one(mine).await?.is_some();
        Ok((changed, unfit))
    };
    match mongo.run(REQUEST_TIMEOUT, update).await? {
        (_, true) => Err(Problem::invalid_field("threshold", PERCENTAGE)),
        (alert, false) => Ok(alert.as_ref().map(AlertView::from)),
    }
}

/// Removes an alert of the account; false when there was none.
pub async fn remove(mongo: &Mongo, user_id: &str, alert_id: &str) -> Result<bool, mongo::Error> {
    let mine = doc! {"_id": alert_id, "userId": user_id};
    let delete = async |database| collection(&database).delete_one(mine).await;
    Ok(mongo.run(REQUEST_TIMEOUT, delete).await?.deleted_count == 1)
}

pub(super) fn collection(database: &Database) -> Collection<Alert> {
    database.collection("usage_alerts")
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn percent(metric: Metric) -> impl FnOnce(&u64, &()) -> garde::Result {
    move |threshold, ()| {
        if metric == Metric::ErrorRate && *threshold > MAX_PERCENT {
            Err(garde::Error::new(PERCENTAGE))
        } else {
            Ok(())
        }
    }
}
