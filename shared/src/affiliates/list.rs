//! All links and talks, with the clicks that events tell of.

use std::collections::HashMap;

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{AffiliateClick, Kind, entry::name_as_read};
use crate::{
    clock::{self, Moment},
    http::Problem,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::QueuedEvent,
};

/// There are as many as an administrator has written by hand.
const MOST: i64 = 1000;

/// Links and talks, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing {
    /// The links, each with its `clickCount`, `conversionCount`, `lastClickAt`, and the latest `clicks`.
    #[schema(value_type = Vec<Object>)]
    pub links: Vec<Map<String, Value>>,
    /// The talks.
    #[schema(value_type = Vec<Object>)]
    pub outreach: Vec<Map<String, Value>>,
}

/// How often a link was followed, of the 400 days that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clicks {
    /// In all.
    #[serde(skip_serializing)]
    total: u64,
    /// This UTC day.
    today: u64,
    /// In 7 days.
    last_7_days: u64,
    /// In 30 days.
    last_30_days: u64,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "_id")]
    link_id: String,
    last: Option<Moment>,
    #[serde(flatten)]
    clicks: Clicks,
}

/// Everything, as of `now`: three reads, however many links there are.
pub async fn list(mongo: &Mongo, now: Moment) -> Result<Listing, Problem> {
    let read = async |database: Database| {
        let links = all(&database, Kind::Link, "tool").await?;
        let outreach = all(&database, Kind::Outreach, "company").await?;
        let clicks = database.collection::<Document>(AffiliateClick::COLLECTION).aggregate(count(now)).await?;
        Ok((links, outreach, clicks.with_type::<Row>().try_collect::<Vec<_>>().await?))
    };
    let (links, outreach, rows) = mongo.run(REQUEST_TIMEOUT, read).await?;
    let clicks: HashMap<String, (Clicks, Option<Moment>)> =
        rows.into_iter().map(|row| (row.link_id, (row.clicks, row.last))).collect();
    let mut links = mongo::readable_json(Kind::Link.collection(), &links);
    let mut outreach = mongo::readable_json(Kind::Outreach.collection(), &outreach);
    for link in &mut links {
        let (of_link, last) = link["id"].as_str().and_then(|id| clicks.get(id)).copied().unwrap_or_default();
        // What the application before counted comes on top.
        let before = |field: &str| link.get(field).and_then(Value::as_u64).unwrap_or_default();
        let (count, conversions) = (before("clickCount") + of_link.total, before("conversionCount"));
        link.insert("clickCount".into(), count.into());
        link.insert("conversionCount".into(), conversions.into());
        if last.is_some() || !link.contains_key("lastClickAt") {
            link.insert("lastClickAt".into(), serde_json::to_value(last)?);
        }
        link.insert("clicks".into(), serde_json::to_value(of_link)?);
        name_as_read(link);
    }
    outreach.iter_mut().for_each(name_as_read);
    Ok(Listing { links, outreach })
}

async fn all(database: &Database, kind: Kind, by: &str) -> mongodb::error::Result<Vec<RawDocumentBuf>> {
    let entries = database.collection::<RawDocumentBuf>(kind.collection());
    entries.find(doc! {}).sort(doc! {by: 1}).limit(MOST).await?.try_collect().await
}

fn count(now: Moment) -> Vec<Document> {
    let since = |at: Moment| doc! {"$sum": {"$cond": [{"$gte": ["$occurredAt", at]}, 1, 0]}};
    let days = |days: i64| since(now - SignedDuration::from_hours(24 * days));
    vec![doc! {"$group": {
        "_id": "$linkId", "total": {"$sum": 1}, "today": since(clock::start_of_day(now, 0)),
        "last7Days": days(7), "last30Days": days(30), "last": {"$max": "$occurredAt"},
    }}]
}
