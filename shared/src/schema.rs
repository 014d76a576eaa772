//! What the database must look like: every collection, index and validator, declared once.
//!
//! Applied by a command (`cargo db apply`), never at request time. Every rule of uniqueness in the
//! bundle is an index here, not a look-up first.

mod validators;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context;
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{
    Database, IndexModel,
    options::{CreateCollectionOptions, IndexOptions},
};

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
    // Documents that concurrent transactions write in order to be told of one another.
    Collection { name: "guards", indexes: &[] },
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
    Collection { name: "notifications", indexes: &[lookup(&[("userId", 1), ("at", -1)]), expire(&[("at", 1)], 90)] },
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

/// Makes every collection, index and validator that is missing. Safe to repeat; drops nothing but an index whose
/// documents are to expire at another time, or are to be others, which it makes anew.
///
/// The role `readWrite` is enough, unless a collection that there is gets another validator.
pub async fn apply(mongo: &Mongo) -> anyhow::Result<()> {
    let existing = existing(mongo).await?;
    for collection in COLLECTIONS {
        let name = collection.name;
        let validator = validators::validator(name);
        match existing.get(name) {
            None => {
                let options = CreateCollectionOptions::builder().validator(validator).build();
                mongo
                    .run(WORK_TIMEOUT, async |database| database.create_collection(name).with_options(options).await)
                    .await?;
            }
            Some(real) => {
                if let Some(validator) = validator.filter(|validator| real.as_ref() != Some(validator)) {
                    let set = doc! {"collMod": name, "validator": validator};
                    let set = mongo.run(WORK_TIMEOUT, async |database| database.run_command(set).await).await;
                    set.with_context(|| {
                        format!("{name} did not get its validator: collMod needs the role dbAdmin on the database")
                    })?;
                }
                drop_changed(mongo, collection).await?;
            }
        }
        if !collection.indexes.is_empty() {
            let models: Vec<_> = collection.indexes.iter().map(Index::model).collect();
            mongo
                .run(WORK_TIMEOUT, async |database| {
                    database.collection::<Document>(collection.name).create_indexes(models).await
                })
                .await?;
        }
    }
    Ok(())
}

/// Drops the indexes that `createIndexes` would refuse to change: those by which documents expire at another time than
/// is declared, or which are of other documents.
async fn drop_changed(mongo: &Mongo, collection: &Collection) -> Result<(), Error> {
    let what = |index: IndexModel| {
        let options = index.options.unwrap_or_default();
        (options.name.unwrap_or_default(), (options.expire_after, options.partial_filter_expression))
    };
    let real: BTreeMap<_, _> = real_indexes(mongo, collection.name).await?.into_iter().map(what).collect();
    for index in collection.indexes {
        let (name, declared) = what(index.model());
        if real.get(&name).is_some_and(|real| *real != declared) {
            let drop =
                async |database: Database| database.collection::<Document>(collection.name).drop_index(name).await;
            mongo.run(WORK_TIMEOUT, drop).await?;
        }
    }
    Ok(())
}

/// What differs between the declared and the real: one line each, empty when they agree.
pub async fn differences(mongo: &Mongo) -> Result<Vec<String>, Error> {
    let existing = existing(mongo).await?;
    let mut lines = Vec::new();
    for collection in COLLECTIONS {
        let Some(validator) = existing.get(collection.name) else {
            lines.push(format!("the collection {} is missing", collection.name));
            continue;
        };
        if *validator != validators::validator(collection.name) {
            lines.push(format!("{}: the validator is another one", collection.name));
        }
        let real = real_indexes(mongo, collection.name).await?;
        let real: BTreeSet<String> = real.iter().map(describe).filter(|line| !line.starts_with("_id_ ")).collect();
        let declared: BTreeSet<String> = collection.indexes.iter().map(|index| describe(&index.model())).collect();
        lines.extend(declared.difference(&real).map(|index| format!("{}: {index} is missing", collection.name)));
        lines.extend(real.difference(&declared).map(|index| format!("{}: {index} is not declared", collection.name)));
    }
    Ok(lines)
}

/// The indexes that a collection has.
async fn real_indexes(mongo: &Mongo, collection: &str) -> Result<Vec<IndexModel>, Error> {
    let list = async |database: Database| {
        database.collection::<Document>(collection).list_indexes().await?.try_collect().await
    };
    mongo.run(WORK_TIMEOUT, list).await
}

/// The collections that there are, each with its validator.
async fn existing(mongo: &Mongo) -> Result<BTreeMap<String, Option<Document>>, Error> {
    let list = async |database: Database| database.list_collections().await?.try_collect::<Vec<_>>().await;
    let collections = mongo.run(WORK_TIMEOUT, list).await?.into_iter();
    let validator = |validator: Option<Document>| validator.filter(|rule| !rule.is_empty());
    Ok(collections.map(|collection| (collection.name, validator(collection.options.validator))).collect())
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
