//! Who may do what with which prompt.

use super::Prompt;
use crate::{auth::Principal, content::access, roles::Permission};

/// What decides over an organisation's prompts and over what the public sees: `org_admin` and
/// `super_admin` have it. The table of permissions has none that is called publishing.
pub const CURATE: Permission = Permission::PromptsDelete;

/// Authors change their own; members of an organisation its prompts; super admins every one.
///
/// What is public is changed by those who may publish, or an author's next thought would be on
/// everybody's screen unseen.
pub fn may_edit(principal: &Principal, prompt: &Prompt) -> bool {
    let near = is_author(principal, prompt) || is_colleague(principal, prompt);
    let unseen = near && (!prompt.is_public() || principal.may(CURATE));
    principal.may(Permission::PromptsFeatured) || (principal.may(Permission::PromptsWrite) && unseen)
}

/// Authors take back their own while it is private; curators what is their organisation's.
pub fn may_remove(principal: &Principal, prompt: &Prompt) -> bool {
    may_edit(principal, prompt) && (is_author(principal, prompt) || principal.may(CURATE))
}

/// Whether this caller may know of the prompt: its author and their organisation, super admins, and everybody if it is
/// public.
pub fn may_see(principal: &Principal, prompt: &Prompt) -> bool {
    prompt.is_public() || is_theirs(principal, prompt)
}

/// Whether a caller, signed in or not, may read the prompt and what was found about it: whoever it is published for,
/// and whose it is.
pub fn may_read(principal: Option<&Principal>, prompt: &Prompt) -> bool {
    access(&prompt.0).is_open_to(principal.map(Principal::role)) || principal.is_some_and(|who| is_theirs(who, prompt))
}

/// Whether the prompt is this caller's to work on or to follow: its author's, their organisation's, and
/// super admins'.
pub(super) fn is_theirs(principal: &Principal, prompt: &Prompt) -> bool {
    is_author(principal, prompt) || is_colleague(principal, prompt) || principal.may(Permission::PromptsFeatured)
}

fn is_author(principal: &Principal, prompt: &Prompt) -> bool {
    prompt.text("authorId") == Some(principal.id())
}

fn is_colleague(principal: &Principal, prompt: &Prompt) -> bool {
    let organization = prompt.text("organizationId");
    organization.is_some() && organization == principal.account.organization_id.as_deref()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::roles::Role;
    use serde_json::{Value, json};

    pub(in crate::prompts) fn principal(role: Role, organization: Option<&str>) -> Principal {
        let account = json!({
            "id": "ada", "email": "ada@example.com", "name": "Ada", "role": role, "plan": "free",
            "organizationId": organization, "status": "active", "sessionVersion": 0, "endedSessions": [],
            "mfaEnabled": true, "createdAtMs": 0,
        });
        let account = Arc::new(serde_json::from_value(account).expect("an account"));
        Principal { account, session_id: "s".into(), mfa_at: None, authenticated_at: None }
    }

    /// Whether the caller may see, change and remove the prompt.
    fn rights(role: Role, organization: Option<&str>, prompt: Value) -> [bool; 3] {
        let Value::Object(prompt) = prompt else { panic!("an object") };
        let (caller, prompt) = (principal(role, organization), Prompt(prompt));
        [may_see(&caller, &prompt), may_edit(&caller, &prompt), may_remove(&caller, &prompt)]
    }

    #[test]
    fn a_private_prompt_is_its_authors_and_their_organisations() {
        let own = || json!({"authorId": "ada", "isPublic": false});
        let ours = || json!({"authorId": "eve", "organizationId": "ours", "isPublic": false});
        for (role, organization, prompt, expected) in [
            (Role::User, None, own(), [true, true, true]),
            (Role::Free, None, own(), [true, false, false]),
            (Role::OrgMember, Some("ours"), ours(), [true, true, false]),
            (Role::OrgAdmin, Some("ours"), ours(), [true, true, true]),
            (Role::OrgAdmin, Some("theirs"), ours(), [false, false, false]),
            (Role::OrgAdmin, None, ours(), [false, false, false]),
            (Role::User, None, json!({"isPublic": false}), [false, false, false]),
            (Role::SuperAdmin, None, ours(), [true, true, true]),
        ] {
            assert_eq!(rights(role, organization, prompt.clone()), expected, "{role:?} of {organization:?}: {prompt}");
        }
    }

    #[test]
    fn a_prompt_is_read_by_whom_it_is_published_for_and_whose_it_is() {
        let Value::Object(ours) = json!({"authorId": "eve", "organizationId": "ours", "isPublic": true}) else {
            panic!("an object")
        };
        // Anybody, somebody signed in, somebody on a premium plan, a colleague.
        for (field, value, expected) in [
            ("isPremium", json!(false), [true, true, true, true]),
            ("requiresAuth", json!(true), [false, true, true, true]),
            ("isPremium", json!(true), [false, false, true, true]),
            ("status", json!("draft"), [false, false, false, true]),
            ("isPublic", json!(false), [false, false, false, true]),
        ] {
            let mut prompt = Prompt(ours.clone());
            prompt.0.insert(field.into(), value);
            let reads = |role, organization| may_read(Some(&principal(role, organization)), &prompt);
            let told = [
                may_read(None, &prompt),
                reads(Role::User, None),
                reads(Role::Pro, None),
                reads(Role::User, Some("ours")),
            ];
            assert_eq!(told, expected, "{prompt:?}");
        }
    }

    #[test]
    fn what_is_public_is_changed_by_its_own_curators() {
        let own = || json!({"authorId": "ada", "isPublic": true});
        let ours = || json!({"authorId": "eve", "organizationId": "ours", "isPublic": true});
        for (role, organization, prompt, changes) in [
            (Role::User, None, own(), false),
            (Role::OrgMember, Some("ours"), ours(), false),
            (Role::OrgAdmin, Some("ours"), ours(), true),
            (Role::OrgAdmin, Some("theirs"), ours(), false),
            (Role::OrgAdmin, None, ours(), false),
            (Role::OrgAdmin, Some("ours"), json!({}), false),
            (Role::SuperAdmin, None, json!({}), true),
        ] {
            let expected = [true, changes, changes];
            assert_eq!(rights(role, organization, prompt.clone()), expected, "{role:?} of {organization:?}: {prompt}");
        }
        let unmarked = json!({"organizationId": "ours"});
        assert_eq!(rights(Role::User, None, unmarked), [false; 3], "public is what an organisation says is");
    }
}
