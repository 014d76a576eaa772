//! What an editor sees of a prompt at once, while everybody else waits for the next export.

use super::{Prompt, rights::is_theirs};
use crate::{
    auth::Principal,
    content::{Access, Item, Library},
    http::Problem,
    mongo::Mongo,
    roles::Permission,
};

/// Whether the database may know more of this prompt for this caller than published content does: it is theirs, or
/// published content does not have it. For readers it never does, so they never open a connection.
pub fn asks_database(library: &Library, principal: &Principal, id_or_slug: &str) -> bool {
    let organization = &principal.account.organization_id;
    match published(library, id_or_slug) {
        Some(item) => {
            principal.may(Permission::PromptsFeatured)
                || item.author_id.as_deref() == Some(principal.id())
                || (organization.is_some() && item.organization_id == *organization)
        }
        None => principal.may(Permission::PromptsWrite),
    }
}

/// The prompt as the database has it now, if it is the caller's; 404 when it was deleted a moment ago. `None` leaves
/// the answer to published content: what a database has lost is still there. One that is away leaves it too, where
/// published content has an answer; else 503.
pub async fn editors_copy(
    mongo: &Mongo,
    library: &Library,
    principal: &Principal,
    id_or_slug: &str,
) -> Result<Option<Prompt>, Problem> {
    match Prompt::find_any(mongo, id_or_slug).await {
        Ok(Some(prompt)) if !is_theirs(principal, &prompt) => Ok(None),
        Ok(Some(prompt)) if !prompt.flag("active", true) => {
            Err(Problem::not_found("There is no such item in prompts."))
        }
        Ok(found) => Ok(found),
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
