//! Audits: what was found about a prompt's quality, each with a number of its own.

use bson::{Document, RawDocumentBuf, doc};
use garde::Validate;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::Prompt;
use crate::{
    clock::{self, Moment},
    http::Problem,
    id,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    schema,
    text::{line, plain},
    users::Account,
};

const AUDITS: &str = "prompt_audits";

/// How often a number is taken anew when somebody else took it first: more than there are environments.
const ATTEMPTS: u32 = 20;

/// How thorough.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuditType {
    /// Everything was looked at.
    Full,
    /// The main points were.
    Quick,
}

/// What an audit found.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAudit {
    /// How thorough it was.
    #[garde(skip)]
    audit_type: AuditType,
    /// 0 to 10.
    #[garde(range(min = 0.0, max = 10.0))]
    #[schema(minimum = 0.0, maximum = 10.0)]
    overall_score: f64,
    /// 0 to 10 by category, up to 20.
    #[serde(default)]
    #[garde(length(max = 20), custom(scores))]
    category_scores: BTreeMap<String, f64>,
    /// Up to 50.
    #[serde(default)]
    #[garde(length(max = 50), inner(length(chars, min = 1, max = 1000), custom(plain)))]
    #[schema(max_items = 50)]
    issues: Vec<String>,
    /// Up to 50.
    #[serde(default)]
    #[garde(length(max = 50), inner(length(chars, min = 1, max = 1000), custom(plain)))]
    #[schema(max_items = 50)]
    recommendations: Vec<String>,
    /// Up to 50.
    #[serde(default)]
    #[garde(length(max = 50), inner(length(chars, min = 1, max = 200), custom(line)))]
    #[schema(max_items = 50)]
    missing_elements: Vec<String>,
    /// Whether somebody should mend it.
    #[serde(default)]
    #[garde(skip)]
    needs_fix: bool,
    /// What made it, such as `1.1`.
    #[garde(inner(length(chars, max = 50), custom(line)))]
    #[schema(max_length = 50)]
    audit_tool_version: Option<String>,
}

/// `prompt_audits`: an audit that is kept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// What it found.
    #[serde(flatten)]
    findings: NewAudit,
    /// Its id.
    id: String,
    /// Of which prompt.
    prompt_id: String,
    /// Of which of its revisions.
    prompt_revision: i64,
    /// Counts a prompt's audits.
    pub version: i64,
    /// Whose.
    audited_by: String,
    /// When.
    audited_at: Moment,
}

/// A prompt's last audit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastAudit {
    /// Of which prompt.
    pub prompt_id: String,
    /// Whether there is one.
    pub has_audit: bool,
    /// What it found: `auditVersion` (counts a prompt's audits), `auditDate`, `overallScore`, `categoryScores`, …
    #[schema(value_type = Option<Object>)]
    pub audit_result: Option<Map<String, Value>>,
}

impl Audit {
    /// As readers see it.
    pub fn shown(&self) -> Result<Map<String, Value>, Problem> {
        match serde_json::to_value(self)? {
            Value::Object(audit) => Ok(shown(audit)),
            _ => Err(Problem::internal("an audit is no object")),
        }
    }
}

/// Keeps an audit under the prompt's next number. Of two at once, the unique index lets one have it, and
/// the other takes the number after. 429 when the auditor has no bytes left for it.
pub async fn add(ledger: &Ledger, prompt: &Prompt, auditor: &Account, audit: NewAudit) -> Result<Audit, Problem> {
    let audit = Audit {
        findings: audit,
        id: id::new(),
        prompt_id: prompt.id().to_owned(),
        prompt_revision: prompt.revision(),
        version: 0,
        audited_by: auditor.id.clone(),
        audited_at: clock::now(),
    };
    let document = mongo::to_document(&audit).map_err(Problem::internal)?;
    let insert = insert(ledger.mongo(), prompt, audit);
    ledger.pay(&auditor.payer(), schema::weight(AUDITS, &document), insert, |_| true).await
}

async fn insert(mongo: &Mongo, prompt: &Prompt, mut audit: Audit) -> Result<Audit, Problem> {
    for _ in 0..ATTEMPTS {
        let last = last(mongo, prompt.id()).await?;
        audit.version = last.and_then(|audit| audit["version"].as_i64()).unwrap_or_default() + 1;
        let document = mongo::to_document(&audit).map_err(Problem::internal)?;
        let insert = async |database: Database| database.collection::<Document>(AUDITS).insert_one(document).await;
        match mongo.run(REQUEST_TIMEOUT, insert).await {
            Ok(_) => return Ok(audit),
            Err(error) if error.is_duplicate() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::unavailable("audits of one prompt came faster than numbers for them"))
}

/// The last audit of a prompt, for everybody who sees the prompt: who made it is left out.
pub async fn latest(mongo: &Mongo, prompt: &Prompt) -> Result<LastAudit, Problem> {
    let audit_result = last(mongo, prompt.id()).await?.map(|mut audit| {
        audit.shift_remove("auditedBy");
        shown(audit)
    });
    Ok(LastAudit { prompt_id: prompt.id().to_owned(), has_audit: audit_result.is_some(), audit_result })
}

/// A stored audit under the names by which readers know its number and its day.
fn shown(mut audit: Map<String, Value>) -> Map<String, Value> {
    for (stored, shown) in [("version", "auditVersion"), ("auditedAt", "auditDate")] {
        if let Some(value) = audit.shift_remove(stored) {
            audit.insert(shown.into(), value);
        }
    }
    audit
}

async fn last(mongo: &Mongo, prompt_id: &str) -> Result<Option<Map<String, Value>>, Problem> {
    let find = async |database: Database| {
        let audits = database.collection::<RawDocumentBuf>(AUDITS);
        audits.find_one(doc! {"promptId": prompt_id}).sort(doc! {"version": -1}).await
    };
    let found = mongo.run(REQUEST_TIMEOUT, find).await?;
    found.map(|raw| mongo::to_json(&raw)).transpose().map_err(Problem::internal)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn scores(scores: &BTreeMap<String, f64>, _: &()) -> garde::Result {
    let named =
        |name: &String| (1..=50).contains(&name.chars().count()) && !name.contains('$') && plain(name, &()).is_ok();
    if scores.iter().all(|(name, score)| named(name) && (0.0..=10.0).contains(score)) {
        return Ok(());
    }
    Err(garde::Error::new("must be numbers from 0 to 10 under names of 1 to 50 characters, without $"))
}
