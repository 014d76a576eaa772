//! Content in the database: where it is edited, imported to and exported from.

use std::{collections::HashSet, time::Duration};

use bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::Database;
use serde_json::{Map, Value};

use super::{Content, DatabaseFallback, Kind, bundled, file, rules};
use crate::{
    clock::Moment,
    config::ConfigError,
    mongo::{self, Mongo, WORK_TIMEOUT},
    number,
};

/// As the middle link of the chain: one attempt of two seconds.
const FALLBACK_TIMEOUT: Duration = Duration::from_secs(2);
/// Statements in one `update` command.
const IMPORT_CHUNK: usize = 500;

/// The day under which an imported item's views so far are kept, so that views can always be
/// computed as the sum over days.
const IMPORTED_DAY: &str = "imported";

/// The content collections of one database.
#[derive(Clone)]
pub struct Store(Mongo);

impl Store {
    pub fn new(mongo: Mongo) -> Self {
        Self(mongo)
    }

    /// The items of `kind` that may be published, in the order of their ids. One that cannot be read is left out, and
    /// named in the log: it must not take the others down.
    pub async fn publishable(&self, kind: Kind, limit: Duration) -> Result<Vec<Map<String, Value>>, mongo::Error> {
        self.0
            .run(limit, async |database| {
                let collection = database.collection::<RawDocumentBuf>(kind.collection());
                let filter = doc! {"isPublic": {"$ne": false}, "active": {"$ne": false}};
                let documents: Vec<_> = collection.find(filter).batch_size(1000).await?.try_collect().await?;
                let mut items: Vec<_> = documents.iter().filter_map(|document| read(kind, document)).collect();
                items.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
                Ok(items)
            })
            .await
    }

    /// Refuses items of which one has the slug of another that stays: the import would end half-way.
    pub async fn check_import(&self, kind: Kind, items: &[Map<String, Value>]) -> anyhow::Result<()> {
        let ids: HashSet<&str> = items.iter().filter_map(|item| item.get("id")?.as_str()).collect();
        let slugs: Vec<&str> =
            items.iter().filter_map(|item| item.get("slug")?.as_str()).filter(|slug| !slug.is_empty()).collect();
        let find = async |database: Database| {
            let all = database.collection::<Document>(kind.collection());
            let these = all.find(doc! {"slug": {"$in": slugs}}).projection(doc! {"slug": 1}).await?;
            these.try_collect::<Vec<_>>().await
        };
        for other in self.0.run(WORK_TIMEOUT, find).await? {
            let id = other.get("_id").and_then(Bson::as_str).unwrap_or_default();
            anyhow::ensure!(
                ids.contains(id),
                "{}: the slug {} is that of {}, which is not among them: nothing was imported",
                kind.file_name(),
                other.get_str("slug").unwrap_or_default(),
                other.get("_id").map(Bson::to_string).unwrap_or_default(),
            );
        }
        Ok(())
    }

    /// Those of the items that are not in the database, by their ids.
    pub async fn missing(
        &self,
        kind: Kind,
        items: Vec<Map<String, Value>>,
    ) -> Result<Vec<Map<String, Value>>, mongo::Error> {
        let there = self.stored(kind, &items).await?;
        let there: HashSet<&str> = there.iter().filter_map(|document| document.get_str("_id").ok()).collect();
        let is_there =
            |item: &Map<String, Value>| item.get("id").and_then(Value::as_str).is_some_and(|id| there.contains(id));
        Ok(items.into_iter().filter(|item| !is_there(item)).collect())
    }

    /// What is in the database under the items' ids.
    pub async fn stored(&self, kind: Kind, items: &[Map<String, Value>]) -> Result<Vec<Document>, mongo::Error> {
        let ids: Vec<&str> = items.iter().filter_map(|item| item.get("id")?.as_str()).collect();
        let find = async |database: Database| {
            let all = database.collection::<Document>(kind.collection());
            all.find(doc! {"_id": {"$in": ids}}).batch_size(1000).await?.try_collect().await
        };
        self.0.run(WORK_TIMEOUT, find).await
    }

    /// Puts items in, each replacing the one with its id; returns how many were written. Every field
    /// is kept. The views that a new prompt comes with are kept as its count of before.
    pub async fn import(&self, kind: Kind, items: &[Map<String, Value>]) -> anyhow::Result<usize> {
        self.write(kind, items, |document| document).await
    }

    /// As [`Store::import`], of items that are not there; one that is there by now stays as it is.
    pub async fn add(&self, kind: Kind, items: &[Map<String, Value>]) -> anyhow::Result<usize> {
        self.write(kind, items, |document| doc! {"$setOnInsert": document}).await
    }

    async fn write(
        &self,
        kind: Kind,
        items: &[Map<String, Value>],
        update: impl Fn(Document) -> Document,
    ) -> anyhow::Result<usize> {
        let documents = items.iter().map(to_document).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(documents.iter().all(|document| document.contains_key("_id")), "an item has no id");
        if kind == Kind::Prompts {
            // First: whoever finds the prompt counted, finds these views counted.
            self.import_views(items).await?;
        }
        let written = documents.len();
        let upsert = |document: Document| {
            let id = document.get("_id").cloned();
            doc! {"q": {"_id": id}, "u": update(document), "upsert": true}
        };
        self.update(kind.collection(), documents.into_iter().map(upsert).collect()).await?;
        Ok(written)
    }

    /// Of a prompt that is counted here already, the views that it comes with are among those counted.
    async fn import_views(&self, items: &[Map<String, Value>]) -> anyhow::Result<()> {
        let ids: Vec<&str> = items.iter().filter_map(|item| item.get("id")?.as_str()).collect();
        let these = doc! {"promptId": {"$in": ids}};
        let find = async |database: Database| {
            database.collection::<Document>("prompt_daily").distinct("promptId", these).await
        };
        let counted = self.0.run(WORK_TIMEOUT, find).await?;
        let counted: HashSet<&str> = counted.iter().filter_map(Bson::as_str).collect();
        let views = items.iter().filter_map(|item| {
            let id = item.get("id")?.as_str().filter(|id| !counted.contains(id))?;
            let views = item.get("views").and_then(number::count).and_then(|views| i64::try_from(views).ok());
            Some(doc! {
                "q": {"_id": format!("{IMPORTED_DAY}/{id}")},
                "u": {"$setOnInsert": {"promptId": id, "day": IMPORTED_DAY, "counts": {"view": views.unwrap_or_default()}}},
                "upsert": true,
            })
        });
        self.update("prompt_daily", views.collect()).await
    }

    async fn update(&self, collection: &str, updates: Vec<Document>) -> anyhow::Result<()> {
        for chunk in updates.chunks(IMPORT_CHUNK) {
            let command = doc! {"update": collection, "updates": chunk, "ordered": false};
            let answer =
                self.0.run(WORK_TIMEOUT, async move |database: Database| database.run_command(command).await).await?;
            if let Ok(errors) = answer.get_array("writeErrors") {
                anyhow::bail!("{} of {} items of {collection} were refused: {}", errors.len(), chunk.len(), errors[0]);
            }
        }
        Ok(())
    }
}

/// Published, else from the database, else bundled; a constructor a kind, so that a function links its own backup alone.
impl Content {
    pub fn prompts(mongo: &Mongo) -> Result<Self, ConfigError> {
        Self::from_env(Kind::Prompts, Some(Fallback::of(mongo, Kind::Prompts)), bundled::PROMPTS)
    }

    pub fn patterns(mongo: &Mongo) -> Result<Self, ConfigError> {
        Self::from_env(Kind::Patterns, Some(Fallback::of(mongo, Kind::Patterns)), bundled::PATTERNS)
    }

    pub fn learning(mongo: &Mongo) -> Result<Self, ConfigError> {
        Self::from_env(Kind::Learning, Some(Fallback::of(mongo, Kind::Learning)), bundled::LEARNING)
    }
}

/// An item, or some fields of one, as stored.
///
/// Only a text that will come back letter by letter becomes a date: another precision or another zone would be lost on
/// the way through the store.
pub fn to_document(item: &Map<String, Value>) -> anyhow::Result<Document> {
    let mut document = mongo::from_json(item)?;
    for field in rules::INSTANTS {
        let text = document.get_str(field).unwrap_or_default();
        if let Some(at) = text.parse::<Moment>().ok().filter(|at| at.to_string() == text) {
            document.insert(field, at);
        }
    }
    Ok(document)
}

/// What cannot be read as it is becomes what comes nearest, or the item is left out; the log tells which.
fn read(kind: Kind, document: &RawDocument) -> Option<Map<String, Value>> {
    let mut odd = Vec::new();
    let read = mongo::to_json_leniently(document, &mut odd).map_err(|error| error.to_string());
    let read = read.and_then(|item| file::readable(Value::Object(item)).map_err(|error| error.to_string()));
    match &read {
        Err(reason) => mongo::note_odd(kind.collection(), document, reason),
        Ok(_) if !odd.is_empty() => {
            let reason = format!("published with other values in {}", odd.join(", "));
            mongo::note_odd(kind.collection(), document, &reason);
        }
        Ok(_) => {}
    }
    read.ok()
}

struct Fallback {
    store: Store,
    kind: Kind,
}

impl Fallback {
    fn of(mongo: &Mongo, kind: Kind) -> Box<dyn DatabaseFallback> {
        Box::new(Self { store: Store::new(mongo.clone()), kind })
    }
}

impl DatabaseFallback for Fallback {
    fn load(&self) -> BoxFuture<'_, Result<Vec<Map<String, Value>>, String>> {
        async { self.store.publishable(self.kind, FALLBACK_TIMEOUT).await.map_err(|error| error.to_string()) }.boxed()
    }
}
