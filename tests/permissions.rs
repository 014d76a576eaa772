//! The matrix of roles and permissions, written down once more: the code's own table is compared with it.

use std::collections::BTreeSet;

use shared::roles::{Permission, Permission as P, Role};

/// Who has what: a resource, and what may be done with it.
const MATRIX: [(Role, &str); 8] = [
    (
        Role::SuperAdmin,
        "users:read,write,delete,invite,manage_roles org:read,write,delete,manage_members,manage_settings \
         prompts:read,write,delete,share,featured workbench:basic,advanced,ai_execution,team_sharing \
         analytics:read,export,team,org billing:read,write,manage system:admin,logs,maintenance,backup",
    ),
    (
        Role::OrgAdmin,
        "users:read,write,invite,manage_roles org:read,write,manage_members,manage_settings \
         prompts:read,write,delete,share workbench:basic,advanced,ai_execution,team_sharing \
         analytics:read,export,team,org billing:read,write",
    ),
    (
        Role::OrgManager,
        "users:read,invite org:read,manage_members prompts:read,write,share \
         workbench:basic,advanced,ai_execution,team_sharing analytics:read,team",
    ),
    (
        Role::OrgMember,
        "users:read org:read prompts:read,write,share workbench:basic,advanced,ai_execution analytics:read",
    ),
    (
        Role::Enterprise,
        "users:read,invite org:read,manage_members prompts:read,write,share \
         workbench:basic,advanced,ai_execution,team_sharing analytics:read,export,team billing:read",
    ),
    (Role::Pro, "prompts:read,write,share workbench:basic,advanced,ai_execution analytics:read"),
    (Role::User, "prompts:read,write workbench:basic"),
    (Role::Free, "prompts:read workbench:basic"),
];

/// How many permissions each has: the matrix is not misread.
const COUNTS: [usize; 8] = [30, 22, 13, 9, 15, 7, 3, 2];

/// The code's permissions by the names of the matrix.
const NAMES: [(P, &str); 30] = [
    (P::UsersRead, "users:read"),
    (P::UsersWrite, "users:write"),
    (P::UsersDelete, "users:delete"),
    (P::UsersInvite, "users:invite"),
    (P::UsersManageRoles, "users:manage_roles"),
    (P::OrgRead, "org:read"),
    (P::OrgWrite, "org:write"),
    (P::OrgDelete, "org:delete"),
    (P::OrgManageMembers, "org:manage_members"),
    (P::OrgManageSettings, "org:manage_settings"),
    (P::PromptsRead, "prompts:read"),
    (P::PromptsWrite, "prompts:write"),
    (P::PromptsDelete, "prompts:delete"),
    (P::PromptsShare, "prompts:share"),
    (P::PromptsFeatured, "prompts:featured"),
    (P::WorkbenchBasic, "workbench:basic"),
    (P::WorkbenchAdvanced, "workbench:advanced"),
    (P::WorkbenchAiExecution, "workbench:ai_execution"),
    (P::WorkbenchTeamSharing, "workbench:team_sharing"),
    (P::AnalyticsRead, "analytics:read"),
    (P::AnalyticsExport, "analytics:export"),
    (P::AnalyticsTeam, "analytics:team"),
    (P::AnalyticsOrg, "analytics:org"),
    (P::BillingRead, "billing:read"),
    (P::BillingWrite, "billing:write"),
    (P::BillingManage, "billing:manage"),
    (P::SystemAdmin, "system:admin"),
    (P::SystemLogs, "system:logs"),
    (P::SystemMaintenance, "system:maintenance"),
    (P::SystemBackup, "system:backup"),
];

/// Whether the matrix gives the permission to the role.
pub(crate) fn has(role: Role, permission: Permission) -> bool {
    let name = NAMES.iter().find(|(named, _)| *named == permission).map(|(_, name)| *name);
    listed(role).contains(name.unwrap_or_else(|| panic!("the matrix does not know {permission:?}")))
}

fn listed(role: Role) -> BTreeSet<String> {
    let (_, row) = MATRIX.iter().find(|(of, _)| *of == role).unwrap();
    let of_resource = |group: &str| -> Vec<String> {
        let (resource, actions) = group.split_once(':').unwrap();
        actions.split(',').map(|action| format!("{resource}:{action}")).collect()
    };
    row.split_whitespace().flat_map(of_resource).collect()
}

#[test]
fn the_codes_table_is_the_matrix() {
    let known: BTreeSet<String> = NAMES.iter().map(|(_, name)| (*name).to_owned()).collect();
    assert_eq!(known.len(), NAMES.len(), "each name once");
    for (role, count) in Role::ALL.into_iter().zip(COUNTS) {
        let listed = listed(role);
        assert_eq!((listed.len(), listed.difference(&known).count()), (count, 0), "{role:?}: {listed:?}");
        for (permission, name) in NAMES {
            assert_eq!(role.may(permission), listed.contains(name), "{role:?} and {name}");
        }
    }
    for (permission, name) in NAMES {
        assert!(!Role::Unknown.may(permission), "who has a role that nobody knows may do nothing: {name}");
    }
}
