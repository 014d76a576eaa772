//! Who may do what with which prompt.

use super::Prompt;
use crate::accounts::{Permission, Principal};

/// What decides over an organisation's prompts and over what the public sees: `org_admin` and
/// `super_admin` have it. The table of permissions has none that is called publishing.
pub const CURATE: Permission = Permission::PromptsDelete;

/// Authors change their own; members of an organisation its prompts; super admins every one.
///
/// What is public is changed by those who may publish, or an author's next thought would be on
/// everybody's screen unseen.
pub fn may_edit(principal: &Principal, prompt: &Prompt) -> bool {
    let role = principal.role();
    let near = is_author(principal, prompt) || is_colleague(principal, prompt);
    let unseen = near && (!prompt.flag("isPublic", true) || role.may(CURATE));
    role.may(Permission::PromptsFeatured) || (role.may(Permission::PromptsWrite) && unseen)
}

/// Authors take back their own while it is private; curators what is their organisation's.
pub fn may_remove(principal: &Principal, prompt: &Prompt) -> bool {
    may_edit(principal, prompt)
        && (is_author(principal, prompt)
            || principal.role().may(CURATE)
            || principal.role().may(Permission::PromptsFeatured))
}

/// Whether this caller may know of the prompt and read it here: its author and their organisation,
/// super admins, and everybody if it is public.
pub fn may_see(principal: &Principal, prompt: &Prompt) -> bool {
    visible_to_all(prompt) || is_theirs(principal, prompt)
}

/// Whether the prompt is this caller's to work on or to follow: its author's, their organisation's, and
/// super admins'.
pub(super) fn is_theirs(principal: &Principal, prompt: &Prompt) -> bool {
    is_author(principal, prompt) || is_colleague(principal, prompt) || principal.role().may(Permission::PromptsFeatured)
}

/// Whether everybody may know of the prompt. What was imported without the flag is public.
pub fn visible_to_all(prompt: &Prompt) -> bool {
    prompt.flag("isPublic", true)
}

fn is_author(principal: &Principal, prompt: &Prompt) -> bool {
    prompt.text("authorId") == Some(principal.id())
}

fn is_colleague(principal: &Principal, prompt: &Prompt) -> bool {
    let organization = prompt.text("organizationId");
    organization.is_some() && organization == principal.account.organization_id.as_deref()
}
