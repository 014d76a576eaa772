//! What can go wrong with the database, in the two kinds that callers tell apart.

use std::collections::BTreeSet;

use mongodb::error::{ErrorKind, WriteFailure};

use crate::{http::Problem, secrets};

/// The server's code for a violated unique index.
pub const DUPLICATE_KEY: i32 = 11000;
const AUTHENTICATION_FAILED: i32 = 18;

/// Codes of a server that is there but cannot take the operation now: stepping down, shutting
/// down, out of disk, over its limits. Source: the server's `error_codes.yml`.
const UNAVAILABLE_CODES: [i32; 17] = [
    6,                     // HostUnreachable
    7,                     // HostNotFound
    AUTHENTICATION_FAILED, // ours to mend, but the caller's answer is the same
    89,                    // NetworkTimeout
    91,                    // ShutdownInProgress
    134,                   // ReadConcernMajorityNotAvailableYet
    189,                   // PrimarySteppedDown
    262,                   // ExceededTimeLimit
    8000,                  // AtlasError: over the free tier's limits
    9001,                  // SocketException
    10058,                 // LegacyNotPrimary
    10107,                 // NotWritablePrimary
    11600,                 // InterruptedAtShutdown
    11602,                 // InterruptedDueToReplStateChange
    13435,                 // NotPrimaryNoSecondaryOk
    13436,                 // NotPrimaryOrSecondary
    14031,                 // OutOfDiskSpace
];

/// Why a piece of database work did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away, silent or full: try again later (503 to a client).
    #[error("MongoDB is unavailable: {0}")]
    Unavailable(String),
    /// The database answered and refused.
    #[error("MongoDB refused the operation: {0}")]
    Refused(mongodb::error::Error),
}

impl From<mongodb::error::Error> for Error {
    fn from(error: mongodb::error::Error) -> Self {
        if is_unavailable(&error) { Self::Unavailable(reason(&error)) } else { Self::Refused(error) }
    }
}

/// The driver's own text of a bulk insert names every document: a thousand in one line of a log.
fn reason(error: &mongodb::error::Error) -> String {
    let ErrorKind::InsertMany(many) = error.kind.as_ref() else { return error.to_string() };
    let refused: Vec<_> = many.write_errors.iter().flatten().map(|write| write.code).collect();
    let codes: BTreeSet<_> =
        many.write_concern_error.iter().map(|concern| concern.code).chain(refused.clone()).collect();
    format!("a bulk insert, {} of its documents refused, codes {codes:?}", refused.len())
}

/// Labels by which the server and the driver say of any error that trying again may help.
const PASSING_LABELS: [&str; 3] = ["RetryableWriteError", "SystemOverloadedError", "TransientTransactionError"];

fn is_unavailable(error: &mongodb::error::Error) -> bool {
    if PASSING_LABELS.iter().any(|label| error.contains_label(label)) {
        return true;
    }
    match error.kind.as_ref() {
        ErrorKind::Io(_)
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Authentication { .. }
        // Not acknowledged by a majority: it may yet be rolled back.
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        ErrorKind::Command(command) => UNAVAILABLE_CODES.contains(&command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => UNAVAILABLE_CODES.contains(&write.code),
        ErrorKind::InsertMany(many) => {
            many.write_concern_error.is_some()
                || many.write_errors.iter().flatten().any(|write| UNAVAILABLE_CODES.contains(&write.code))
        }
        _ => false,
    }
}

/// Without its connection string the database is as good as away.
impl From<secrets::Unavailable> for Error {
    fn from(error: secrets::Unavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Whether the server does not know the user, or another password of theirs.
pub(super) fn is_refused_sign_in(error: &mongodb::error::Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => true,
        ErrorKind::Command(command) => command.code == AUTHENTICATION_FAILED,
        _ => false,
    }
}

/// How many documents of a bulk insert were there already; `None` for another error, and for one that has other reasons
/// besides.
pub fn only_duplicates(error: &mongodb::error::Error) -> Option<usize> {
    let ErrorKind::InsertMany(many) = error.kind.as_ref() else { return None };
    let refused: Vec<_> = many.write_errors.iter().flatten().collect();
    let all = many.write_concern_error.is_none() && refused.iter().all(|write| write.code == DUPLICATE_KEY);
    all.then_some(refused.len())
}

impl Error {
    /// Whether a unique index refused the write: something with that key is there already.
    pub fn is_duplicate(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
            ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
            _ => false,
        }
    }
}

/// A database that is away is 503; one that refuses what we sent is our fault.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => Self::unavailable(error),
            Error::Refused(_) => Self::internal(error),
        }
    }
}
