//! Prompts that people made their own: copies, adapted, of what others see too.

use bson::{Document, RawDocumentBuf, doc};
use garde::Validate;
use mongodb::{Collection, Database, options::ReturnDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Prompt;
use crate::{
    clock::{self, Moment},
    http::{Cursor, Page, Problem},
    id,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    schema,
    text::{line, plain},
    users::Account,
};

/// Prompts that one account may collect: M0 holds 512 MB for everybody.
pub const LIMIT: u64 = 100;

/// A prompt to keep. The same original under the same title is kept once: again, it is replaced.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"promptId": "find-a-bug-by-ranked-hypotheses", "originalPromptId": "find-a-bug-by-ranked-hypotheses", "title": "Mine", "content": "As I would ask it: …"}))]
pub struct NewCollected {
    /// The front end's id of the copy.
    #[garde(length(chars, min = 1, max = 200), custom(line))]
    #[schema(min_length = 1, max_length = 200)]
    prompt_id: String,
    /// Id or slug of the prompt that it was made from.
    #[garde(length(chars, min = 1, max = 200), custom(line))]
    #[schema(min_length = 1, max_length = 200)]
    pub original_prompt_id: String,
    /// What its owner calls it.
    #[garde(length(chars, min = 1, max = 200), custom(line))]
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Its text, up to 50,000 characters, kept letter by letter.
    #[garde(length(chars, min = 1, max = 50_000), custom(plain))]
    #[schema(min_length = 1, max_length = 50_000)]
    content: String,
    /// The original's text at that time.
    #[garde(inner(length(chars, max = 50_000), custom(plain)))]
    #[schema(max_length = 50_000)]
    original_content: Option<String>,
}

/// `prompt_collections`: a kept prompt, as its owner sees it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectedView {
    /// Id.
    #[serde(rename(deserialize = "_id"))]
    pub id: String,
    /// The front end's id of the copy.
    pub prompt_id: String,
    /// Id of the original.
    pub original_prompt_id: String,
    /// Title.
    pub title: String,
    /// Text.
    pub content: String,
    /// The original's text at that time.
    pub original_content: Option<String>,
    /// The original's category.
    pub category: Option<String>,
    /// The original's role.
    pub role: Option<String>,
    /// The original's pattern.
    pub pattern: Option<String>,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A page of kept prompts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectionPage {
    /// Those kept last come first.
    pub collections: Vec<CollectedView>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Keeps a copy of `original`; `None` when the account has as many as it may, 429 when it has no bytes left for it. A copy
/// that replaces another counts in full, until the account's total is counted anew.
pub async fn keep(
    ledger: &Ledger,
    owner: &Account,
    original: &Prompt,
    new: &NewCollected,
) -> Result<Option<CollectedView>, Problem> {
    let (user_id, now) = (owner.id.as_str(), clock::now());
    let key = doc! {"userId": user_id, "originalPromptId": original.id(), "title": &new.title};
    let set = doc! {
        "promptId": &new.prompt_id, "content": &new.content, "originalContent": &new.original_content,
        "category": original.text("category"), "role": original.text("role"),
        "pattern": original.text("pattern"), "updatedAt": now,
    };
    let first = doc! {"_id": id::new(), "createdAt": now};
    let whole: Document = [key.clone(), set.clone(), first.clone()].into_iter().flatten().collect();
    let (mongo, update) = (ledger.mongo(), doc! {"$set": set, "$setOnInsert": first});
    let write = async || {
        let (key, update) = (key.clone(), update.clone());
        let write = async move |database: Database| {
            let all = collection(&database);
            let full = all.count_documents(doc! {"userId": user_id}).await? >= LIMIT;
            let kept = all.find_one_and_update(key, update).upsert(!full);
            Ok((kept.return_document(ReturnDocument::After).await?, full))
        };
        mongo.run(REQUEST_TIMEOUT, write).await
    };
    let keep = async {
        let outcome = match write().await {
            // Two who keep the same at once: the index lets one in, and the other finds it there. A server may tell the
            // other that nothing was found instead.
            Err(error) if error.is_duplicate() => write().await?,
            Ok((None, false)) => write().await?,
            outcome => outcome?,
        };
        match outcome {
            (None, false) => Err(mongo::Error::Unavailable("a kept prompt was neither found nor made".into())),
            (kept, _) => Ok(kept),
        }
    };
    ledger.pay(&owner.payer(), schema::weight("prompt_collections", &whole), keep, Option::is_some).await
}

/// What an account has kept, the last first, from `cursor` on.
pub async fn list(mongo: &Mongo, user_id: &str, Page { limit, cursor }: Page) -> Result<CollectionPage, Problem> {
    let mut filter = doc! {"userId": user_id};
    if let Some(Cursor(at, id)) = cursor {
        let at: Moment = at.parse().map_err(|_| Problem::invalid_field("cursor", "is not one of this list"))?;
        filter.insert("$or", vec![doc! {"updatedAt": {"$lt": at}}, doc! {"updatedAt": at, "_id": {"$lt": id}}]);
    }
    let (newest, wanted) = (doc! {"updatedAt": -1, "_id": -1}, Page::to_read(limit));
    let find = async |database: Database| {
        let all = collection(&database).clone_with_type::<RawDocumentBuf>();
        Page::read(all.find(filter).sort(newest).limit(wanted).await?, limit).await
    };
    let (read, shown) = mongo.run(REQUEST_TIMEOUT, find).await?;
    let (read, next_cursor) = Page::cut(read, shown, place);
    Ok(CollectionPage { collections: mongo::readable("prompt_collections", &read), next_cursor })
}

/// By the last change, then by the id.
fn place(kept: &RawDocumentBuf) -> Cursor {
    let changed = kept.get_datetime("updatedAt").map(Moment::from).unwrap_or_default();
    Cursor(changed.to_string(), kept.get_str("_id").unwrap_or_default().to_owned())
}

/// Removes one of the account's; false when there was none.
pub async fn remove(mongo: &Mongo, user_id: &str, id: &str) -> Result<bool, mongo::Error> {
    let mine = doc! {"_id": id, "userId": user_id};
    let delete = async |database| collection(&database).delete_one(mine).await;
    Ok(mongo.run(REQUEST_TIMEOUT, delete).await?.deleted_count == 1)
}

fn collection(database: &Database) -> Collection<CollectedView> {
    database.collection("prompt_collections")
}
