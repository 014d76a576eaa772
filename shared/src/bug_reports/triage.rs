//! What becomes of a report: new → triaged → resolved or rejected, each step with who and when.

use bson::doc;
use garde::Validate;
use mongodb::{Database, options::ReturnDocument};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    ReportStatus, ReportView,
    report::{HistoryEntry, collection, reach},
};
use crate::{
    auth::Principal,
    clock,
    http::Problem,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    roles::Permission,
    text::plain,
};

/// Who runs an organisation looks at its members' reports: `org_admin` and `super_admin` have this permission.
pub const TRIAGE: Permission = Permission::OrgManageSettings;

/// A step.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Triage {
    /// To which state: `triaged`, then `resolved` or `rejected`.
    #[garde(custom(reachable))]
    pub status: ReportStatus,
    /// Why, in up to 1,000 characters.
    #[garde(inner(length(chars, max = 1000), custom(plain)))]
    #[schema(max_length = 1000)]
    note: Option<String>,
}

/// Takes a report a step further. Of two at once, one finds it moved on.
pub async fn triage(mongo: &Mongo, principal: &Principal, id: &str, step: Triage) -> Result<ReportView, Problem> {
    let mut known = reach(principal)?;
    known.insert("_id", id);
    let mut ready = known.clone();
    ready.insert("status", from(step.status).name());
    let now = clock::now();
    let entry = HistoryEntry { status: step.status, by: principal.id().to_owned(), note: step.note, at: now };
    let entry = mongo::to_document(&entry).map_err(Problem::internal)?;
    let update = doc! {"$set": {"status": step.status.name(), "updatedAt": now}, "$push": {"history": entry}};
    let change = async |database: Database| {
        let reports = collection(&database);
        let done = reports.find_one_and_update(ready, update).return_document(ReturnDocument::After).await?;
        let exists = done.is_some() || reports.count_documents(known).await? > 0;
        Ok((done, exists))
    };
    match mongo.run(REQUEST_TIMEOUT, change).await? {
        (Some(report), _) => Ok(report.into()),
        (None, true) => Err(Problem::conflict("not_from_here", "The report does not stand where such a step begins.")),
        (None, false) => Err(Problem::not_found("There is no such report.")),
    }
}

/// Where a report must stand to get there.
const fn from(status: ReportStatus) -> ReportStatus {
    match status {
        ReportStatus::New | ReportStatus::Triaged => ReportStatus::New,
        ReportStatus::Resolved | ReportStatus::Rejected => ReportStatus::Triaged,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn reachable(status: &ReportStatus, _: &()) -> garde::Result {
    if *status == ReportStatus::New { Err(garde::Error::new("must be triaged, resolved or rejected")) } else { Ok(()) }
}
