//! What an editor sees of a prompt at once, while everybody else waits for the next export.

use super::{Prompt, rights::is_theirs};
use crate::{
    accounts::{Permission, Principal},
    content::{Access, Item, Library},
    http::Problem,
    mongo::Mongo,
};

/// Whether the database may know more of this prompt for this caller than published content does: it is theirs, or
/// published content does not have it. For readers it never does, so they never open a connection.
pub fn asks_database(library: &Library, principal: &Principal, id_or_slug: &str) -> bool {
    let role = principal.role();
    let organization = &principal.account.organization_id;
    match published(library, id_or_slug) {
        Some(item) => {
            role.may(Permission::PromptsFeatured)
                || item.author_id.as_deref() == Some(principal.id())
                || (organization.is_some() && item.organization_id == *organization)
        }
        None => role.may(Permission::PromptsWrite),
    }
}

/// The prompt as the database has it now, if it is the caller's; 404 when it was deleted a moment ago. `None` leaves
/// the answer to published content, as does a database that is away where published content has one; else 503.
pub async fn editors_copy(
    mongo: &Mongo,
    library: &Library,
    principal: &Principal,
    id_or_slug: &str,
) -> Result<Option<Prompt>, Problem> {
    match Prompt::find(mongo, id_or_slug).await {
        Ok(Some(prompt)) if is_theirs(principal, &prompt) => Ok(Some(prompt)),
        // Public, and not this caller's: who may read it is published content's to say.
        Ok(Some(_)) => Ok(None),
        Ok(None) => Err(Problem::not_found("There is no such item in prompts.")),
        Err(problem) if published(library, id_or_slug).is_some() => {
            tracing::warn!(?problem, "an editor is served published content");
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

fn published<'a>(library: &'a Library, id_or_slug: &str) -> Option<&'a Item> {
    library.find(id_or_slug).filter(|item| item.access != Access::Hidden)
}
