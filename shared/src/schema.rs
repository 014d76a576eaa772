//! What the database must look like: every collection, index and validator, declared once.
//!
//! Applied by a command (`cargo db apply`), never at request time. Every rule of uniqueness in the
//! bundle is an index here, not a look-up first.

mod owner;
mod real;
mod validators;
mod weight;

use std::{collections::BTreeSet, fmt, time::Duration};

use anyhow::Context;
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{
    Database, IndexModel,
    options::{CreateCollectionOptions, IndexOptions},
};

pub use owner::{COLLECTION as OWNER, MARK};
pub use weight::{weight, weight_expression};

use crate::{
    clock::{self, Moment},
    mongo::{Error, Mongo, WORK_TIMEOUT},
};

/// A collection and its indexes.
#[derive(Debug)]
pub struct Collection {
    pub name: &'static str,
    /// Its indexes besides `_id`.
    pub indexes: &'static [Index],
}

#[derive(Debug)]
pub struct Index {
    /// Fields, ascending (1) or descending (-1).
    pub keys: &'static [(&'static str, i32)],
    /// What the index is for besides look-up.
    pub rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Lookup,
    /// No two documents share the key.
    Unique,
    /// No two documents that have a text for the key share it; those without one, or with an empty one, are not in it.
    UniqueText,
    /// Nothing; only documents that have the key are in it.
    LookupIfPresent,
    /// Documents go this many days after the date in the field.
    ExpireAfterDays(u64),
}

const fn lookup(keys: &'static [(&'static str, i32)]) -> Index {
    Index { keys, rule: Rule::Lookup }
}

const fn unique(keys: &'static [(&'static str, i32)]) -> Index {
    Index { keys, rule: Rule::Unique }
}

const fn expire(keys: &'static [(&'static str, i32)], days: u64) -> Index {
    Index { keys, rule: Rule::ExpireAfterDays(days) }
}

/// Days that records of AI use are kept.
pub const USAGE_DAYS: u64 = 400;
/// Days that analytics events are kept.
pub const EVENT_DAYS: u64 = 90;

pub const COLLECTIONS: &[Collection] = &[
    Collection {
        name: "prompts",
        indexes: &[
            // A file may hold prompts without one.
            Index { keys: &[("slug", 1)], rule: Rule::UniqueText },
            lookup(&[("isPublic", 1), ("active", 1), ("createdAt", -1)]),
            lookup(&[("authorId", 1), ("createdAt", -1)]),
        ],
    },
    Collection { name: "patterns", indexes: &[] },
    Collection {
        name: "learning_resources",
        indexes: &[
            // Older files carry the slug in `seo` alone.
            Index { keys: &[("slug", 1)], rule: Rule::UniqueText },
            lookup(&[("status", 1), ("featured", -1), ("publishedAt", -1)]),
        ],
    },
    Collection { name: "users", indexes: &[unique(&[("email", 1)]), lookup(&[("organizationId", 1), ("_id", 1)])] },
    Collection {
        name: "sessions",
        indexes: &[
            unique(&[("refreshHash", 1)]),
            lookup(&[("userId", 1)]),
            lookup(&[("familyId", 1)]),
            expire(&[("expiresAt", 1)], 0),
        ],
    },
    // What waits for its link to be followed.
    Collection {
        name: "sign_ups",
        indexes: &[unique(&[("tokenHash", 1)]), lookup(&[("email", 1)]), expire(&[("expiresAt", 1)], 0)],
    },
    // What may be guessed, counted where there is no cache server. What is counted is hashed into the `_id`.
    Collection { name: "counters", indexes: &[expire(&[("expiresAt", 1)], 0)] },
    // One live code per person and purpose: that pair is its `_id`.
    Collection { name: "mfa_codes", indexes: &[expire(&[("expiresAt", 1)], 0)] },
    Collection {
        name: "password_resets",
        indexes: &[unique(&[("tokenHash", 1)]), lookup(&[("userId", 1)]), expire(&[("expiresAt", 1)], 0)],
    },
    Collection { name: "user_activity", indexes: &[unique(&[("userId", 1), ("day", 1)]), expire(&[("at", 1)], 400)] },
    // The last export that an account's owner asked for: the account's id is its `_id`.
    Collection { name: "account_exports", indexes: &[expire(&[("expiresAt", 1)], 0)] },
    // Accounts that are gone, of which something may be left.
    Collection { name: "account_deletions", indexes: &[expire(&[("expiresAt", 1)], 0)] },
    // Documents that concurrent transactions write in order to be told of one another.
    Collection { name: "guards", indexes: &[] },
    // One document, by which the database is known as this application's.
    Collection { name: owner::COLLECTION, indexes: &[] },
    Collection { name: "api_keys", indexes: &[unique(&[("publicId", 1)]), lookup(&[("userId", 1)])] },
    Collection { name: "provider_keys", indexes: &[lookup(&[("userId", 1), ("provider", 1)])] },
    Collection {
        name: "prompt_revisions",
        indexes: &[unique(&[("promptId", 1), ("revision", 1)]), lookup(&[("changedBy", 1), ("createdAt", 1)])],
    },
    Collection {
        name: "prompt_audits",
        indexes: &[unique(&[("promptId", 1), ("version", 1)]), lookup(&[("auditedBy", 1), ("auditedAt", 1)])],
    },
    Collection {
        name: "prompt_collections",
        indexes: &[
            unique(&[("userId", 1), ("originalPromptId", 1), ("title", 1)]),
            lookup(&[("userId", 1), ("updatedAt", -1), ("_id", -1)]),
        ],
    },
    Collection {
        name: "workbench_runs",
        indexes: &[
            unique(&[("userId", 1), ("runId", 1)]),
            lookup(&[("userId", 1), ("createdAt", -1)]),
            lookup(&[("userId", 1), ("_id", -1)]),
            lookup(&[("status", 1), ("createdAt", 1)]),
            // Due for seconds, of 400 days.
            Index { keys: &[("usageDue", 1)], rule: Rule::LookupIfPresent },
            expire(&[("createdAt", 1)], 400),
        ],
    },
    Collection {
        name: "bug_reports",
        indexes: &[
            lookup(&[("userId", 1), ("_id", -1)]),
            lookup(&[("organizationId", 1), ("_id", -1)]),
            lookup(&[("status", 1), ("_id", -1)]),
        ],
    },
    Collection { name: "affiliate_links", indexes: &[unique(&[("tool", 1)])] },
    Collection { name: "affiliate_outreach", indexes: &[unique(&[("company", 1)])] },
    Collection {
        name: "analytics_events",
        indexes: &[expire(&[("occurredAt", 1)], EVENT_DAYS), lookup(&[("promptId", 1), ("occurredAt", 1)])],
    },
    Collection { name: "prompt_daily", indexes: &[unique(&[("day", 1), ("promptId", 1)]), lookup(&[("promptId", 1)])] },
    Collection {
        name: "ai_usage",
        indexes: &[lookup(&[("userId", 1), ("occurredAt", 1)]), expire(&[("occurredAt", 1)], USAGE_DAYS)],
    },
    // A few, written by an operator. Whose they are, for what and from when is their `_id`.
    Collection { name: "model_prices", indexes: &[] },
    Collection { name: "usage_daily", indexes: &[unique(&[("day", 1), ("userId", 1)])] },
    Collection { name: "usage_reports", indexes: &[unique(&[("kind", 1), ("period", 1)])] },
    Collection { name: "usage_alerts", indexes: &[lookup(&[("active", 1), ("_id", 1)]), lookup(&[("userId", 1)])] },
    Collection {
        name: "usage_alert_firings",
        indexes: &[
            unique(&[("alertId", 1), ("periodStart", 1), ("level", 1), ("threshold", 1)]),
            lookup(&[("periodStart", 1)]),
            lookup(&[("told", 1)]),
            expire(&[("at", 1)], 400),
        ],
    },
    Collection {
        name: "api_key_usage",
        indexes: &[lookup(&[("keyId", 1), ("occurredAt", 1)]), expire(&[("occurredAt", 1)], 400)],
    },
    Collection {
        name: "audit_logs",
        indexes: &[
            lookup(&[("at", -1)]),
            lookup(&[("actorId", 1), ("at", -1)]),
            lookup(&[("action", 1), ("at", -1)]),
            lookup(&[("resource", 1), ("at", -1)]),
            expire(&[("expiresAt", 1)], 0),
        ],
    },
    Collection {
        name: "affiliate_clicks",
        indexes: &[lookup(&[("linkId", 1), ("occurredAt", 1)]), expire(&[("occurredAt", 1)], 400)],
    },
    // What may still be stored, and by whom: a budget's name, its day and whose it is are its `_id`.
    Collection { name: "ledger", indexes: &[expire(&[("expiresAt", 1)], 0)] },
    // How often a day something was refused or failed: the day and the kind are its `_id`.
    Collection { name: "refusals", indexes: &[expire(&[("expiresAt", 1)], 0)] },
    // For longer than a queue may hold one.
    Collection { name: "notifications", indexes: &[lookup(&[("userId", 1), ("at", -1)]), expire(&[("at", 1)], 7)] },
    // How many were sent in a day. What is counted of whom on which day is its `_id`.
    Collection { name: "notification_counts", indexes: &[expire(&[("at", 1)], 2)] },
];

impl Index {
    /// Its name in the database: `day_1_promptId_1`.
    pub fn name(&self) -> String {
        let mut name = self.keys.iter().map(|(field, order)| format!("{field}_{order}")).collect::<Vec<_>>().join("_");
        if self.rule == Rule::LookupIfPresent {
            // No index can be made sparse: it is another one, which may stand beside it until that is dropped.
            name.push_str("_sparse");
        }
        name
    }

    fn model(&self) -> IndexModel {
        let keys: Document = self.keys.iter().map(|(field, order)| ((*field).to_owned(), (*order).into())).collect();
        let mut options = IndexOptions::builder().name(self.name()).build();
        match self.rule {
            Rule::Lookup => {}
            Rule::Unique => options.unique = Some(true),
            Rule::UniqueText => {
                let (field, _) = self.keys[0];
                options.unique = Some(true);
                options.partial_filter_expression = Some(doc! {field: {"$gt": ""}});
            }
            Rule::LookupIfPresent => options.sparse = Some(true),
            Rule::ExpireAfterDays(days) => options.expire_after = Some(in_days(days)),
        }
        IndexModel::builder().keys(keys).options(options).build()
    }
}

const fn in_days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// The first day that is whole for certain in a collection whose documents go after `kept_days`: what is computed
/// of an earlier one may lack what went already.
pub fn whole_since(kept_days: u64, now: Moment) -> Moment {
    clock::start_of_day(now, i64::try_from(kept_days).unwrap_or(i64::MAX) - 2)
}

/// Makes every collection, index and validator that is missing, or says why none of it can be; returns what it did. Safe
/// to repeat; drops nothing but an index whose documents are to expire at another time, or are to be others, which it
/// makes anew. Refuses a database that holds another application's data.
///
/// The role `readWrite` is enough, unless a collection that there is gets another validator.
pub async fn apply(mongo: &Mongo) -> anyhow::Result<Vec<String>> {
    let changes = plan(mongo).await?;
    for change in &changes {
        change.carry_out(mongo).await?;
    }
    mark(mongo).await?;
    Ok(changes.iter().map(ToString::to_string).collect())
}

/// What [`apply`] would do. Everything is checked, so that no change fails half-way: an error names all that is in the
/// way.
pub async fn plan(mongo: &Mongo) -> anyhow::Result<Vec<Change>> {
    ensure_ours(mongo).await?;
    let existing = real::collections(mongo).await?;
    let (mut changes, mut problems) = (Vec::new(), Vec::new());
    for collection in COLLECTIONS {
        let validator = validators::validator(collection.name);
        let Some(real_validator) = existing.get(collection.name) else {
            changes.push(Change::Create(collection));
            continue;
        };
        if let Some(validator) = validator.filter(|validator| real_validator.as_ref() != Some(validator)) {
            problems.extend(contradicting(mongo, collection.name).await?);
            changes.push(Change::Validate(collection.name, validator));
        }
        let real = real::indexes(mongo, collection.name).await?;
        for index in collection.indexes {
            match place(index, &real) {
                Place::There => continue,
                Place::Taken(other) => problems.push(format!(
                    "{}: the index {other} is on the fields of {}: drop it first",
                    collection.name,
                    index.name()
                )),
                Place::Changed => changes.push(Change::Drop(collection.name, index.name())),
                Place::Missing => {}
            }
            problems.extend(doubles(mongo, collection.name, index).await?);
            changes.push(Change::Index(collection.name, index));
        }
    }
    anyhow::ensure!(problems.is_empty(), "nothing was changed, since this is in the way: {}", problems.join("; "));
    Ok(changes)
}

/// Refuses a database that holds another application's data.
pub async fn ensure_ours(mongo: &Mongo) -> anyhow::Result<()> {
    let names: Vec<&str> = COLLECTIONS.iter().map(|collection| collection.name).collect();
    owner::ensure_ours(mongo, &names).await
}

/// Marks the database as this application's, as [`apply`] does at its end.
pub async fn mark(mongo: &Mongo) -> Result<(), Error> {
    owner::mark(mongo).await
}

/// One step of [`apply`].
#[derive(Debug)]
pub enum Change {
    Create(&'static Collection),
    Validate(&'static str, Document),
    Drop(&'static str, String),
    Index(&'static str, &'static Index),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(collection) => write!(f, "{}: the collection", collection.name),
            Self::Validate(name, _) => write!(f, "{name}: the validator"),
            Self::Drop(name, index) => write!(f, "{name}: drop the index {index}, to make it anew"),
            Self::Index(name, index) => write!(f, "{name}: the index {}", index.name()),
        }
    }
}

impl Change {
    /// Takes the step.
    pub async fn carry_out(&self, mongo: &Mongo) -> anyhow::Result<()> {
        match self {
            Self::Create(collection) => {
                let name = collection.name;
                let options = CreateCollectionOptions::builder().validator(validators::validator(name)).build();
                let create = async |database: Database| database.create_collection(name).with_options(options).await;
                mongo.run(WORK_TIMEOUT, create).await?;
                if !collection.indexes.is_empty() {
                    create_indexes(mongo, name, collection.indexes.iter().map(Index::model).collect()).await?;
                }
            }
            Self::Validate(name, validator) => {
                let set = doc! {"collMod": *name, "validator": validator};
                let set = mongo.run(WORK_TIMEOUT, async |database| database.run_command(set).await).await;
                set.with_context(|| {
                    format!("{name} did not get its validator: collMod needs the role dbAdmin on the database")
                })?;
            }
            Self::Drop(name, index) => {
                let drop = async |database: Database| database.collection::<Document>(name).drop_index(index).await;
                mongo.run(WORK_TIMEOUT, drop).await?;
            }
            Self::Index(name, index) => create_indexes(mongo, name, vec![index.model()]).await?,
        }
        Ok(())
    }
}

async fn create_indexes(mongo: &Mongo, name: &str, models: Vec<IndexModel>) -> Result<(), Error> {
    let create = async |database: Database| database.collection::<Document>(name).create_indexes(models).await;
    mongo.run(WORK_TIMEOUT, create).await.map(drop)
}

/// How a declared index stands to the real ones.
enum Place {
    There,
    /// Its documents expire at another time, or are others.
    Changed,
    /// Another index stands where it would.
    Taken(String),
    Missing,
}

fn place(index: &Index, real: &[IndexModel]) -> Place {
    let declared = index.model();
    let options = |model: &IndexModel| model.options.clone().unwrap_or_default();
    let same_name = real.iter().find(|real| options(real).name == Some(index.name()));
    if let Some(real) = same_name {
        let of = |model: &IndexModel| (options(model).expire_after, options(model).partial_filter_expression);
        return match (describe(real) == describe(&declared), of(real) == of(&declared)) {
            (true, _) => Place::There,
            (false, false) => Place::Changed,
            (false, true) => Place::Taken(index.name()),
        };
    }
    let of = |model: &IndexModel| {
        let options = options(model);
        (model.keys.clone(), options.sparse.unwrap_or_default(), options.partial_filter_expression)
    };
    let other = real.iter().find(|real| of(real) == of(&declared));
    other.map_or(Place::Missing, |other| Place::Taken(options(other).name.unwrap_or_default()))
}

/// Two documents that a unique index would not take, by their ids.
async fn doubles(mongo: &Mongo, collection: &str, index: &Index) -> Result<Option<String>, Error> {
    if !matches!(index.rule, Rule::Unique | Rule::UniqueText) {
        return Ok(None);
    }
    let key: Document = index.keys.iter().map(|(field, _)| ((*field).to_owned(), format!("${field}").into())).collect();
    let of = index.model().options.and_then(|options| options.partial_filter_expression).unwrap_or_default();
    let pipeline = [
        doc! {"$match": of},
        doc! {"$group": {"_id": key, "count": {"$sum": 1}, "first": {"$min": "$_id"}, "last": {"$max": "$_id"}}},
        doc! {"$match": {"count": {"$gt": 1}}},
        doc! {"$limit": 1},
    ];
    let find = async |database: Database| {
        database.collection::<Document>(collection).aggregate(pipeline).await?.try_next().await
    };
    let line = |group: Document| {
        let id = |field: &str| group.get(field).map(ToString::to_string).unwrap_or_default();
        format!(
            "{collection}: {} and {} are the same to the unique index {}: change one of them",
            id("first"),
            id("last"),
            index.name()
        )
    };
    Ok(mongo.run(WORK_TIMEOUT, find).await?.map(line))
}

/// A document that a validator would not take, by its id.
async fn contradicting(mongo: &Mongo, collection: &str) -> Result<Option<String>, Error> {
    let Some(contradicts) = validators::contradicts(collection) else { return Ok(None) };
    let find = async |database: Database| {
        let all = database.collection::<Document>(collection);
        all.find_one(contradicts).projection(doc! {"_id": 1}).await
    };
    let line = |found: Document| {
        let id = found.get("_id").map(ToString::to_string).unwrap_or_default();
        format!(
            "{collection}: the document {id} is not what the validator asks for (`cargo db list` prints it): mend it"
        )
    };
    Ok(mongo.run(WORK_TIMEOUT, find).await?.map(line))
}

/// What differs between the declared and the real: one line each, empty when they agree.
pub async fn differences(mongo: &Mongo) -> Result<Vec<String>, Error> {
    let existing = real::collections(mongo).await?;
    let mut lines = Vec::new();
    for collection in COLLECTIONS {
        let Some(validator) = existing.get(collection.name) else {
            lines.push(format!("the collection {} is missing", collection.name));
            continue;
        };
        if *validator != validators::validator(collection.name) {
            lines.push(format!("{}: the validator is another one", collection.name));
        }
        let real = real::indexes(mongo, collection.name).await?;
        let real: BTreeSet<String> = real.iter().map(describe).filter(|line| !line.starts_with("_id_ ")).collect();
        let declared: BTreeSet<String> = collection.indexes.iter().map(|index| describe(&index.model())).collect();
        lines.extend(declared.difference(&real).map(|index| format!("{}: {index} is missing", collection.name)));
        lines.extend(real.difference(&declared).map(|index| format!("{}: {index} is not declared", collection.name)));
    }
    Ok(lines)
}

/// An index as a line: `email_1 {"email": 1} unique`.
fn describe(model: &IndexModel) -> String {
    let keys: Vec<String> = model
        .keys
        .iter()
        .map(|(field, order)| {
            format!("{field}: {}", order.as_i32().map_or_else(|| order.to_string(), |n| n.to_string()))
        })
        .collect();
    let options = model.options.clone().unwrap_or_default();
    let unique = if options.unique == Some(true) { " unique" } else { "" };
    let sparse = if options.sparse == Some(true) { " sparse" } else { "" };
    let expires = options.expire_after.map_or(String::new(), |after| format!(" expires after {} s", after.as_secs()));
    let of = options.partial_filter_expression.map_or(String::new(), |filter| format!(" of {filter}"));
    format!("{} {{{}}}{unique}{sparse}{expires}{of}", options.name.unwrap_or_default(), keys.join(", "))
}

/// The declaration as lines for a person.
pub fn list() -> Vec<String> {
    COLLECTIONS
        .iter()
        .flat_map(|collection| {
            let indexes = collection.indexes.iter().map(|index| format!("  {}", describe(&index.model())));
            let validator = validators::validator(collection.name).map(|rule| format!("  {rule}"));
            std::iter::once(collection.name.to_owned()).chain(indexes).chain(validator)
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A document that its collection is to forget has a date to forget it by: of a text, the index knows no age.
    pub(crate) fn assert_expires(collection: &str, document: &impl serde::Serialize) {
        let document = crate::mongo::to_document(document).expect("a document");
        let declared = COLLECTIONS.iter().find(|declared| declared.name == collection).expect("declared");
        let expiry = declared.indexes.iter().find(|index| matches!(index.rule, Rule::ExpireAfterDays(_)));
        let (field, _) = expiry.expect("an expiry").keys[0];
        assert!(document.get_datetime(field).is_ok(), "{collection}.{field}: {:?}", document.get(field));
    }

    #[test]
    fn every_collection_and_index_is_declared_once() {
        let names: BTreeSet<_> = COLLECTIONS.iter().map(|collection| collection.name).collect();
        assert_eq!(names.len(), COLLECTIONS.len());
        for collection in COLLECTIONS {
            let indexes: BTreeSet<_> = collection.indexes.iter().map(Index::name).collect();
            assert_eq!(indexes.len(), collection.indexes.len(), "{}", collection.name);
        }
    }

    #[test]
    fn a_day_is_whole_until_its_first_document_may_go() {
        let at = |text: &str| text.parse::<Moment>().expect("valid");
        // What happened at midnight on the 26th goes at midnight on the 6th, when the sweeper comes.
        for (now, since) in [
            ("2026-12-05T00:00:00Z", "2026-11-27T00:00:00Z"),
            ("2026-12-05T23:59:59Z", "2026-11-27T00:00:00Z"),
            ("2026-12-06T00:00:00Z", "2026-11-28T00:00:00Z"),
        ] {
            assert_eq!(whole_since(10, at(now)), at(since), "{now}");
        }
    }
}
