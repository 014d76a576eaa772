//! What was done with a prompt, or with the ten that were run most: from the daily counts, behind the cache.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{
    cache::Cache,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// The counts change once an hour.
const KEEP_FOR: Duration = Duration::from_mins(5);
const TOP: i64 = 10;

/// Counts, since counting began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Opened.
    #[serde(deserialize_with = "whole")]
    pub views: u64,
    /// Copied.
    #[serde(deserialize_with = "whole")]
    pub copies: u64,
    /// Run.
    #[serde(deserialize_with = "whole")]
    pub executions: u64,
    /// Marked.
    #[serde(deserialize_with = "whole")]
    pub favorites: u64,
    /// Passed on.
    #[serde(deserialize_with = "whole")]
    pub shares: u64,
}

/// Whole numbers that another tool has stored as doubles are read too.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
    f64::deserialize(deserializer).map(|count| count as u64)
}

/// A prompt and its counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptCounts {
    /// Of the prompt that was asked for.
    #[serde(rename = "stats", skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The ten that were run most, when none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_prompts: Option<Vec<TopPrompt>>,
}

/// A prompt that is among those run most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopPrompt {
    /// Id.
    pub prompt_id: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Counts behind the cache.
pub async fn serve(mongo: &Mongo, cache: &Cache, prompt_id: Option<&str>) -> Result<PromptCounts, mongo::Error> {
    let key = format!("analytics:counts:{}", prompt_id.unwrap_or_default());
    if let Some(kept) = cache.get(&key).await.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(kept);
    }
    let counts = compute(mongo, prompt_id).await?;
    if let Ok(text) = serde_json::to_string(&counts) {
        cache.set(&key, &text, KEEP_FOR).await;
    }
    Ok(counts)
}

async fn compute(mongo: &Mongo, prompt_id: Option<&str>) -> Result<PromptCounts, mongo::Error> {
    let filter = prompt_id.map_or_else(Document::new, |id| doc! {"promptId": id});
    let mut prompts = mongo.run(REQUEST_TIMEOUT, async |database| top(&database, filter, TOP).await).await?;
    Ok(match prompt_id {
        Some(_) => PromptCounts { counts: Some(prompts.pop().unwrap_or_default().counts), top_prompts: None },
        None => PromptCounts { counts: None, top_prompts: Some(prompts) },
    })
}

/// The prompts that were run most, by the daily counts that match `days`.
pub(crate) async fn top(database: &Database, days: Document, most: i64) -> mongodb::error::Result<Vec<TopPrompt>> {
    // What is below nothing counts as nothing; what is no number is left out, as $sum does.
    let sum = |event: &str| doc! {"$sum": {"$max": [0_i64, format!("$counts.{event}")]}};
    let pipeline = [
        doc! {"$match": days},
        doc! {"$group": {
            "_id": "$promptId", "promptId": {"$first": "$promptId"}, "views": sum("view"), "copies": sum("copy"),
            "executions": sum("execute"), "favorites": sum("favorite"), "shares": sum("share"),
        }},
        doc! {"$sort": {"executions": -1, "views": -1, "_id": 1}},
        doc! {"$limit": most},
    ];
    let rows = database.collection::<Document>("prompt_daily").aggregate(pipeline).await?;
    rows.with_type().try_collect().await
}
