//! Leaving: an account's owner takes along what is kept about it, or has all of it deleted.
//!
//! Both are asked for by the owner and done in the background, by the job `sweep`. A deleted account is gone at once:
//! nobody signs in to it, no token or key of it opens anything. What it left behind is erased by the job's next run,
//! and again every day while a queue may still hold something of it.
//!
//! Environment: `ACCOUNT_EXPORTS_URL`, where exports are: `s3://bucket/prefix`.

mod collections;
mod deletion;
mod erase;
mod export;
mod files;
mod sums;

pub use self::{
    deletion::Deletions,
    export::{ExportStatus, ExportView, Exports},
    files::ExportFiles,
};

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{clock::Moment, mongo::Mongo};

/// What was done of what owners asked for.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Exports written.
    pub exported: usize,
    /// Accounts of which everything was erased, some of them once more.
    pub erased: usize,
}

/// How long a run erases, and as long exports: what is left then is the next run's.
const RUN: Duration = Duration::from_mins(2);

/// Does what owners asked for and is due at `at`, as much as a run has time for. What fails is due again at the next run,
/// keeps nothing else from being done, and is an error in the end.
pub async fn carry_out(mongo: &Mongo, files: &ExportFiles, at: Moment) -> anyhow::Result<Done> {
    let (mut done, mut failed, started) = (Done::default(), Vec::new(), Instant::now());
    for deletion in deletion::due(mongo, at).await? {
        match erase::erase(mongo, files, &deletion, at).await {
            Ok(()) => done.erased += 1,
            Err(error) => failed.push(format!("{} was not erased: {error:#}", deletion.account_id)),
        }
        if started.elapsed() > RUN {
            break;
        }
    }
    let started = Instant::now();
    for request in export::pending(mongo).await? {
        match export::write(mongo, files, &request, at).await {
            Ok(()) => done.exported += 1,
            Err(error) => failed.push(format!("{} was not exported: {error:#}", request.account_id)),
        }
        if started.elapsed() > RUN {
            break;
        }
    }
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(done)
}
