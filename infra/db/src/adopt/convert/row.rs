//! What an old document becomes.

use bson::Document;
use serde::Serialize;
use shared::mongo;

use super::super::{
    old::{OldFields, line},
    source::OldDocument,
};

/// An old document, and what becomes of it.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) version: String,
    /// The documents that are written for it; an error is why there are none, as a person can act on it.
    pub(crate) outcome: Result<Vec<NewDocument>, String>,
    /// What of it is something else here than it was.
    pub(crate) mapped: Vec<String>,
}

/// A document of ours.
#[derive(Clone)]
pub(crate) struct NewDocument {
    pub(crate) collection: &'static str,
    pub(crate) document: Document,
    /// Whether any document with its id will do.
    pub(crate) any_will_do: bool,
}

impl NewDocument {
    pub(super) fn new(collection: &'static str, document: Document) -> Self {
        Self { collection, document, any_will_do: false }
    }

    /// Of one of our types.
    pub(super) fn typed(collection: &'static str, value: &impl Serialize) -> Result<Self, String> {
        let document = mongo::to_document(value).map_err(|error| format!("it cannot be stored: {error}"))?;
        Ok(Self::new(collection, document))
    }

    pub(crate) fn id(&self) -> String {
        self.document.text("_id").unwrap_or_default()
    }
}

/// Whose a document is that nobody is known to own.
const NOBODY: [&str; 3] = ["anonymous", "system", "unknown"];

impl Row {
    /// Says whose account is not here. A key is of no use to nobody, and stays where it is.
    pub(crate) fn check_owner(&mut self, is_here: impl Fn(&str) -> bool) {
        let Ok(documents) = &self.outcome else { return };
        let owner = documents.iter().find_map(|new| new.document.text("userId"));
        let Some(owner) = owner.filter(|owner| !NOBODY.contains(&owner.as_str()) && !is_here(owner)) else { return };
        if documents.iter().any(|new| new.collection == "provider_keys") {
            self.outcome = Err(format!("its account {} is not here: bring that first, or leave it", line(&owner, 50)));
        } else {
            self.mapped.push(format!("its account {} is not here", line(&owner, 50)));
        }
    }
}

/// What converting one document tells.
pub(super) type Outcome = Result<Vec<NewDocument>, String>;

/// Converts each document by itself; `convert` notes what is something else here.
pub(super) fn each(
    documents: &[OldDocument],
    mut convert: impl FnMut(&OldDocument, &mut Vec<String>) -> Outcome,
) -> Vec<Row> {
    let row = |document: &OldDocument| {
        let mut mapped = Vec::new();
        let outcome = convert(document, &mut mapped);
        Row { id: document.id.clone(), version: document.version.clone(), outcome, mapped }
    };
    documents.iter().map(row).collect()
}
