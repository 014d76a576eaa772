//! Following a link.

use std::sync::Arc;

use bson::doc;
use mongodb::Database;
use serde::{Deserialize, Serialize};

use super::{Kind, LinkStatus, Target};
use crate::{
    cache::{Cache, Lookup},
    clock::Moment,
    config::ConfigError,
    http::{ClientInfo, Problem},
    id,
    ledger::{AnonymousBudget, Charge},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    queue::{Queue, Queued, QueuedEvent},
    schema,
};

/// `affiliate_clicks`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AffiliateClick {
    /// Event id.
    pub id: String,
    /// Which link.
    pub link_id: String,
    /// When.
    pub occurred_at: Moment,
}

impl QueuedEvent for AffiliateClick {
    const KIND: &'static str = "affiliate_click";
    const COLLECTION: &'static str = "affiliate_clicks";
}

/// What is needed to follow a link.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    base_url: Target,
    referral_url: Option<Target>,
    status: LinkStatus,
}

impl Link {
    /// Where it leads now; `None` when it is switched off.
    pub fn target(&self) -> Option<&Target> {
        match self.status {
            LinkStatus::Active => Some(self.referral_url.as_ref().unwrap_or(&self.base_url)),
            LinkStatus::Pending | LinkStatus::Requested => Some(&self.base_url),
            LinkStatus::Disabled => None,
        }
    }
}

/// The links, behind the cache.
pub struct Links {
    mongo: Mongo,
    lookup: Lookup<Link>,
}

impl Links {
    pub fn new(mongo: Mongo, cache: Cache) -> Self {
        Self { mongo, lookup: Lookup::new("affiliate-link", cache) }
    }

    /// The link with this id. A change is in force everywhere within half a minute.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<Link>>, mongo::Error> {
        let find = async |database: Database| {
            database.collection::<Link>(Kind::Link.collection()).find_one(doc! {"_id": id}).await
        };
        self.lookup.get(id, async || self.mongo.run(REQUEST_TIMEOUT, find).await).await
    }

    /// To be called after every change of a link.
    pub async fn changed(&self, id: &str) {
        self.lookup.forget(id).await;
    }
}

/// Counts clicks, through the queue.
pub struct ClickCounter {
    budget: AnonymousBudget,
    queue: Queue,
}

impl ClickCounter {
    /// Reads where events go; counts what they fill in `cache`.
    pub fn from_env(cache: &Cache) -> Result<Self, ConfigError> {
        Ok(Self { budget: AnonymousBudget::from_env(cache)?, queue: Queue::events_from_env()?.made_ahead() })
    }

    /// Counts a click, unless callers without an account have stored all that they may: then the link is followed, and
    /// the click is not counted. An error means that the link is not to be followed.
    pub async fn count(&self, client: &ClientInfo, link_id: &str, now: Moment) -> Result<(), Problem> {
        let click = AffiliateClick { id: id::new(), link_id: link_id.to_owned(), occurred_at: now };
        let document = mongo::to_document(&click).map_err(Problem::internal)?;
        let bytes = schema::weight(AffiliateClick::COLLECTION, &document);
        let Ok(taken) = self.budget.take(client, &[Charge { id: click.id.clone(), bytes }], now).await else {
            tracing::info!("a click is not counted: there is no room for it");
            return Ok(());
        };
        if let Err(error) = self.queue.send(&[Queued(click)]).await {
            self.budget.give_back(&taken).await;
            return Err(error.into());
        }
        Ok(())
    }
}
