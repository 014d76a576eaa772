//! Links and talks as administrators write them, one for each tool and company.

use bson::{Document, doc};
use garde::{Path, Report, Validate};
use mongodb::{Database, options::ReturnDocument};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Target;
use crate::{
    clock,
    http::Problem,
    id,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    text::{line, plain},
    users::Email,
};

/// A link or a talk to keep: there is one for each tool, or company; again, it is replaced.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "camelCase", deny_unknown_fields)]
pub enum AffiliateEntry {
    /// A link.
    Link(LinkFields),
    /// A talk with a company about one.
    Outreach(OutreachFields),
}

/// A link.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkFields {
    /// The tool, as people know it.
    #[garde(length(chars, min = 1, max = 100), custom(line))]
    #[schema(min_length = 1, max_length = 100)]
    tool: String,
    /// The tool's own address.
    #[garde(skip)]
    #[schema(value_type = String, format = "uri")]
    base_url: Target,
    /// The address that names us, once there is one.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = "uri")]
    referral_url: Option<Target>,
    /// Our code with them.
    #[garde(inner(length(chars, max = 100), custom(line)))]
    #[schema(max_length = 100)]
    affiliate_code: Option<String>,
    /// What they pay, in words.
    #[garde(inner(length(chars, max = 100), custom(line)))]
    #[schema(max_length = 100)]
    commission: Option<String>,
    /// How it stands.
    #[garde(skip)]
    status: LinkStatus,
    /// For ourselves.
    #[garde(inner(length(chars, max = 2000), custom(plain)))]
    #[schema(max_length = 2000)]
    notes: Option<String>,
    #[serde(rename = "_id", default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _id: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _clicks: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _click_count: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _conversion_count: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _last_click_at: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _created_at: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _updated_at: Told,
}

/// What the list tells of an entry and nobody sets: a whole row may come back as it was read, and these count for
/// nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "serde::de::IgnoredAny")]
struct Told;

impl From<serde::de::IgnoredAny> for Told {
    fn from(_: serde::de::IgnoredAny) -> Self {
        Self
    }
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkStatus {
    /// It leads to the referral address.
    Active,
    /// To the tool's own, until they answer.
    Pending,
    /// To the tool's own, until they answer.
    Requested,
    /// Nowhere.
    Disabled,
}

/// A talk with a company.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutreachFields {
    /// The company.
    #[garde(length(chars, min = 1, max = 100), custom(line))]
    #[schema(min_length = 1, max_length = 100)]
    company: String,
    /// How much it matters.
    #[garde(skip)]
    priority: Priority,
    /// Whom to write to.
    #[garde(skip)]
    #[schema(value_type = String, format = "email")]
    contact: Email,
    /// 0 to 5.
    #[garde(range(min = 0.0, max = 5.0))]
    #[schema(minimum = 0.0, maximum = 5.0)]
    rating: Option<f64>,
    /// Their visitors, in words.
    #[garde(inner(length(chars, max = 100), custom(line)))]
    #[schema(max_length = 100)]
    traffic: Option<String>,
    /// How it stands.
    #[garde(skip)]
    status: OutreachStatus,
    /// For ourselves.
    #[garde(inner(length(chars, max = 2000), custom(plain)))]
    #[schema(max_length = 2000)]
    notes: Option<String>,
    #[serde(rename = "_id", default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _id: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _created_at: Told,
    #[serde(default, skip_serializing)]
    #[garde(skip)]
    #[schema(ignore)]
    _updated_at: Told,
}

/// How much a talk matters.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Priority {
    High,
    Medium,
    Low,
}

/// How a talk stands.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutreachStatus {
    Pending,
    Contacted,
    Responded,
    Partnership,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AffiliateKind)]
pub enum Kind {
    /// A link.
    Link,
    /// A talk.
    Outreach,
}

impl Validate for AffiliateEntry {
    type Context = ();

    fn validate_into(&self, context: &(), parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        let mut data = || parent().join("data");
        match self {
            Self::Link(link) => link.validate_into(context, &mut data, report),
            Self::Outreach(outreach) => outreach.validate_into(context, &mut data, report),
        }
    }
}

impl Kind {
    /// As the audit log names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "affiliate_link",
            Self::Outreach => "affiliate_outreach",
        }
    }

    /// Where they are kept.
    pub(super) const fn collection(self) -> &'static str {
        match self {
            Self::Link => "affiliate_links",
            Self::Outreach => "affiliate_outreach",
        }
    }

    /// The field of which each value stands once.
    const fn key(self) -> &'static str {
        match self {
            Self::Link => "tool",
            Self::Outreach => "company",
        }
    }
}

impl AffiliateEntry {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Link(_) => Kind::Link,
            Self::Outreach(_) => Kind::Outreach,
        }
    }

    fn fields(&self) -> bson::error::Result<Document> {
        match self {
            Self::Link(link) => mongo::to_document(link),
            Self::Outreach(outreach) => mongo::to_document(outreach),
        }
    }
}

/// Keeps an entry in the place of the one with its key, whose id it then has; returns it.
pub async fn save(mongo: &Mongo, entry: &AffiliateEntry) -> Result<Map<String, Value>, Problem> {
    let (kind, mut fields) = (entry.kind(), entry.fields().map_err(Problem::internal)?);
    let key = doc! {kind.key(): fields.get(kind.key())};
    let now = clock::now();
    fields.insert("updatedAt", now);
    let mut update = doc! {"$set": fields, "$setOnInsert": {"_id": id::new(), "createdAt": now}};
    if kind == Kind::Link {
        // As the code was called before.
        update.insert("$unset", doc! {"code": ""});
    }
    let write = async || {
        let (key, update) = (key.clone(), update.clone());
        let write = async move |database: Database| {
            let all = database.collection::<bson::RawDocumentBuf>(kind.collection());
            all.find_one_and_update(key, update).upsert(true).return_document(ReturnDocument::After).await
        };
        mongo.run(REQUEST_TIMEOUT, write).await
    };
    let kept = match write().await {
        // Two who write the same for the first time: the index lets one in, and the other finds it there.
        Err(error) if error.is_duplicate() => write().await?,
        outcome => outcome?,
    };
    let kept = kept.ok_or_else(|| Problem::internal("an upsert returned nothing"))?;
    let mut kept = mongo::to_json(&kept).map_err(Problem::internal)?;
    name_as_read(&mut kept);
    Ok(kept)
}

/// Under the names that the front end reads: the id as `_id`, the code of entries from before as `affiliateCode`.
pub(super) fn name_as_read(entry: &mut Map<String, Value>) {
    for (stored, name) in [("id", "_id"), ("code", "affiliateCode")] {
        if let Some(value) = entry.shift_remove(stored) {
            entry.entry(name).or_insert(value);
        }
    }
}

/// Removes an entry; false when there was none.
pub async fn remove(mongo: &Mongo, kind: Kind, id: &str) -> Result<bool, mongo::Error> {
    let delete = async |database: Database| {
        database.collection::<Document>(kind.collection()).delete_one(doc! {"_id": id}).await
    };
    Ok(mongo.run(REQUEST_TIMEOUT, delete).await?.deleted_count == 1)
}
