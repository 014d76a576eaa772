//! What an account's provider keys were used for: the figures of the front end's key manager.

use std::collections::HashMap;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{super::ai_usage::requests, Sums, Totals, sums};
use crate::{
    clock::{self, Moment},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::QueuedEvent,
    usage::AiUsage,
};

/// What providers say when they are asked too often.
const RATE_LIMITED: &str = "rate.?limit|too many requests|429";

/// How long back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeyPeriod {
    /// This UTC day.
    Daily,
    /// Seven UTC days, this one included.
    Weekly,
    /// This month (UTC).
    #[default]
    Monthly,
}

/// Of which key or provider, and how long back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct KeyUsageFilter {
    /// How long back; this month when absent.
    #[serde(default)]
    #[param(inline)]
    period: KeyPeriod,
    /// Of this key alone.
    key_id: Option<String>,
    /// Of this provider alone.
    provider: Option<String>,
}

/// The figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyUsageAnswer {
    /// Of the period.
    pub summary: KeyUsageSummary,
}

/// What was used within a period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyUsageSummary {
    /// Whose.
    pub user_id: String,
    /// Of which key, if of one.
    pub key_id: Option<String>,
    /// Of which provider, if of one.
    pub provider: Option<String>,
    /// The period.
    pub period: KeyPeriod,
    /// Its beginning.
    pub start_date: Moment,
    /// Until now.
    pub end_date: Moment,
    /// Calls, failed ones included.
    pub total_requests: u64,
    /// Tokens sent and received.
    pub total_tokens: u64,
    /// Dollars.
    pub total_cost: f64,
    /// How long a call took, in milliseconds.
    pub average_response_time: f64,
    /// Calls that the provider answered, in percent; 100 without any.
    pub success_rate: f64,
    /// Calls that failed.
    pub error_count: u64,
    /// Of them, those for which the provider said that it was asked too often.
    pub rate_limit_hits: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(flatten)]
    sums: Sums,
    latency_ms: f64,
}

/// Adds up what the account used by its keys: one aggregation and one count.
#[expect(clippy::cast_precision_loss, reason = "figures for a screen")]
pub async fn key_usage(
    mongo: &Mongo,
    user_id: &str,
    filter: KeyUsageFilter,
    now: Moment,
) -> Result<KeyUsageAnswer, mongo::Error> {
    let start = match filter.period {
        KeyPeriod::Daily => clock::start_of_day(now, 0),
        KeyPeriod::Weekly => clock::start_of_day(now, 6),
        KeyPeriod::Monthly => clock::start_of_month(now),
    };
    let mut wanted = doc! {"userId": user_id, "occurredAt": {"$gte": start, "$lte": now}};
    if let Some(key_id) = &filter.key_id {
        // Records of the application before name it as they would a platform key.
        wanted.insert("$or", [doc! {"providerKeyId": key_id}, doc! {"keyId": key_id}].to_vec());
    }
    if let Some(provider) = &filter.provider {
        wanted.insert("provider", provider.to_lowercase());
    }
    let mut limited = wanted.clone();
    limited.extend(doc! {"success": false, "error": {"$regex": RATE_LIMITED, "$options": "i"}});
    let mut group = sums();
    group.extend(
        doc! {"_id": null, "latencyMs": {"$sum": {"$multiply": [{"$ifNull": ["$latencyMs", 0_i64]}, requests()]}}},
    );
    let read = async |database: Database| {
        let records = database.collection::<Document>(AiUsage::COLLECTION);
        let rows = records.aggregate([doc! {"$match": wanted}, doc! {"$group": group}]).await?;
        let row = rows.with_type::<Row>().try_next().await?;
        Ok((row.unwrap_or_default(), records.count_documents(limited).await?))
    };
    let (row, rate_limit_hits) = mongo.run(REQUEST_TIMEOUT, read).await?;
    let totals = Totals::from(row.sums);
    let requests = totals.requests.max(1) as f64;
    let summary = KeyUsageSummary {
        user_id: user_id.to_owned(),
        key_id: filter.key_id,
        provider: filter.provider,
        period: filter.period,
        start_date: start,
        end_date: now,
        total_requests: totals.requests,
        total_tokens: totals.prompt_tokens + totals.completion_tokens,
        total_cost: totals.cost_micros as f64 / 1e6,
        average_response_time: row.latency_ms / requests,
        success_rate: 100.0 - 100.0 * totals.failed as f64 / requests,
        error_count: totals.failed,
        rate_limit_hits,
    };
    Ok(KeyUsageAnswer { summary })
}

/// Micro-dollars that each of the account's provider keys has cost since an instant.
pub async fn spent_by_key(mongo: &Mongo, user_id: &str, since: Moment) -> Result<HashMap<String, u64>, mongo::Error> {
    #[derive(Deserialize)]
    struct KeyRow {
        #[serde(rename = "_id")]
        key_id: String,
        #[serde(flatten)]
        sums: Sums,
    }
    let wanted = doc! {"userId": user_id, "occurredAt": {"$gte": since}, "providerKeyId": {"$type": "string"}};
    let mut group = doc! {"_id": "$providerKeyId"};
    group.extend(sums());
    let read = async |database: Database| {
        let records = database.collection::<Document>(AiUsage::COLLECTION);
        let rows = records.aggregate([doc! {"$match": wanted}, doc! {"$group": group}]).await?;
        rows.with_type::<KeyRow>().try_collect::<Vec<_>>().await
    };
    let rows = mongo.run(REQUEST_TIMEOUT, read).await?;
    Ok(rows.into_iter().map(|row| (row.key_id, Totals::from(row.sums).cost_micros)).collect())
}
