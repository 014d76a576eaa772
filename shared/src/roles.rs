//! Who may do what: eight roles, thirty permissions, one table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::Permission as P;
use crate::http::Problem;

/// What an account is. Each has a level; an unknown role in the store may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, everywhere.
    SuperAdmin,
    /// Runs an organisation.
    OrgAdmin,
    /// Runs a part of one.
    OrgManager,
    /// Belongs to one.
    OrgMember,
    /// A paying team's account.
    Enterprise,
    /// A paying account.
    Pro,
    /// An account.
    User,
    /// An account of the free plan.
    Free,
    /// A role that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a role may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Permission {
    UsersRead,
    UsersWrite,
    UsersDelete,
    UsersInvite,
    UsersManageRoles,
    OrgRead,
    OrgWrite,
    OrgDelete,
    OrgManageMembers,
    OrgManageSettings,
    PromptsRead,
    PromptsWrite,
    PromptsDelete,
    PromptsShare,
    PromptsFeatured,
    WorkbenchBasic,
    WorkbenchAdvanced,
    WorkbenchAiExecution,
    WorkbenchTeamSharing,
    AnalyticsRead,
    AnalyticsExport,
    AnalyticsTeam,
    AnalyticsOrg,
    BillingRead,
    BillingWrite,
    BillingManage,
    SystemAdmin,
    SystemLogs,
    SystemMaintenance,
    SystemBackup,
}

impl Role {
    /// Every role that an account can have, the highest first.
    pub const ALL: [Self; 8] = [
        Self::SuperAdmin,
        Self::OrgAdmin,
        Self::OrgManager,
        Self::OrgMember,
        Self::Enterprise,
        Self::Pro,
        Self::User,
        Self::Free,
    ];

    /// As the API and the store name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SuperAdmin => "super_admin",
            Self::OrgAdmin => "org_admin",
            Self::OrgManager => "org_manager",
            Self::OrgMember => "org_member",
            Self::Enterprise => "enterprise",
            Self::Pro => "pro",
            Self::User => "user",
            Self::Free => "free",
            Self::Unknown => "unknown",
        }
    }

    /// Roles in their order: who has the higher one reads what the lower one reads.
    pub const fn level(self) -> u8 {
        match self {
            Self::SuperAdmin => 100,
            Self::OrgAdmin => 80,
            Self::OrgManager => 60,
            Self::OrgMember => 40,
            Self::Enterprise => 35,
            Self::Pro => 30,
            Self::User => 20,
            Self::Free => 10,
            Self::Unknown => 0,
        }
    }

    /// Whether the role has the permission.
    pub fn may(self, permission: Permission) -> bool {
        self == Self::SuperAdmin || self.permissions().contains(&permission)
    }

    /// Whether it administers others' accounts: such an account takes more than its mailbox.
    pub const fn is_administrator(self) -> bool {
        matches!(self, Self::SuperAdmin | Self::OrgAdmin)
    }

    /// Whether the role may give, change or take away `other`: each only what is below itself in an
    /// organisation, a super admin everything.
    pub const fn manages(self, other: Self) -> bool {
        match self {
            Self::SuperAdmin => true,
            Self::OrgAdmin => matches!(other, Self::OrgManager | Self::OrgMember),
            Self::OrgManager => matches!(other, Self::OrgMember),
            _ => false,
        }
    }

    /// The table. A super admin has every permission, listed or not.
    const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::SuperAdmin | Self::Unknown => &[],
            Self::OrgAdmin => &[
                P::UsersRead,
                P::UsersWrite,
                P::UsersInvite,
                P::UsersManageRoles,
                P::OrgRead,
                P::OrgWrite,
                P::OrgManageMembers,
                P::OrgManageSettings,
                P::PromptsRead,
                P::PromptsWrite,
                P::PromptsDelete,
                P::PromptsShare,
                P::WorkbenchBasic,
                P::WorkbenchAdvanced,
                P::WorkbenchAiExecution,
                P::WorkbenchTeamSharing,
                P::AnalyticsRead,
                P::AnalyticsExport,
                P::AnalyticsTeam,
                P::AnalyticsOrg,
                P::BillingRead,
                P::BillingWrite,
            ],
            Self::OrgManager => &[
                P::UsersRead,
                P::UsersInvite,
                P::OrgRead,
                P::OrgManageMembers,
                P::PromptsRead,
                P::PromptsWrite,
                P::PromptsShare,
                P::WorkbenchBasic,
                P::WorkbenchAdvanced,
                P::WorkbenchAiExecution,
                P::WorkbenchTeamSharing,
                P::AnalyticsRead,
                P::AnalyticsTeam,
            ],
            Self::OrgMember => &[
                P::UsersRead,
                P::OrgRead,
                P::PromptsRead,
                P::PromptsWrite,
                P::PromptsShare,
                P::WorkbenchBasic,
                P::WorkbenchAdvanced,
                P::WorkbenchAiExecution,
                P::AnalyticsRead,
            ],
            Self::Enterprise => &[
                P::UsersRead,
                P::UsersInvite,
                P::OrgRead,
                P::OrgManageMembers,
                P::PromptsRead,
                P::PromptsWrite,
                P::PromptsShare,
                P::WorkbenchBasic,
                P::WorkbenchAdvanced,
                P::WorkbenchAiExecution,
                P::WorkbenchTeamSharing,
                P::AnalyticsRead,
                P::AnalyticsExport,
                P::AnalyticsTeam,
                P::BillingRead,
            ],
            Self::Pro => &[
                P::PromptsRead,
                P::PromptsWrite,
                P::PromptsShare,
                P::WorkbenchBasic,
                P::WorkbenchAdvanced,
                P::WorkbenchAiExecution,
                P::AnalyticsRead,
            ],
            Self::User => &[P::PromptsRead, P::PromptsWrite, P::WorkbenchBasic],
            Self::Free => &[P::PromptsRead, P::WorkbenchBasic],
        }
    }
}

impl Permission {
    /// Whether only those who run an organisation, or the platform, have it.
    pub fn is_administrators(self) -> bool {
        Role::ALL.iter().all(|role| role.is_administrator() || !role.may(self))
    }
}

/// 403, without telling what would have been needed.
pub fn not_allowed() -> Problem {
    Problem::forbidden("forbidden", "Your account may not do this.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_numbers_of_permissions_that_each_role_is_meant_to_have() {
        let counts = Role::ALL.map(|role| (role.name(), role.permissions().len()));
        assert_eq!(
            counts[1..],
            [
                ("org_admin", 22),
                ("org_manager", 13),
                ("org_member", 9),
                ("enterprise", 15),
                ("pro", 7),
                ("user", 3),
                ("free", 2)
            ]
        );
        assert!(Role::SuperAdmin.may(P::SystemBackup) && !Role::OrgAdmin.may(P::SystemLogs));
    }

    #[test]
    fn nobody_manages_a_role_at_or_above_their_own_but_a_super_admin() {
        for role in Role::ALL {
            for other in Role::ALL {
                if role.manages(other) && role != Role::SuperAdmin {
                    assert!(role.level() > other.level(), "{role:?} {other:?}");
                }
            }
        }
        assert!(!Role::OrgAdmin.manages(Role::SuperAdmin) && !Role::User.manages(Role::Free));
    }

    #[test]
    fn what_only_administrators_may_do_is_theirs() {
        for permission in [P::UsersManageRoles, P::OrgManageSettings, P::PromptsDelete, P::AnalyticsOrg, P::SystemLogs]
        {
            assert!(permission.is_administrators(), "{permission:?}");
        }
        for permission in [P::UsersRead, P::PromptsWrite, P::WorkbenchBasic, P::OrgManageMembers] {
            assert!(!permission.is_administrators(), "{permission:?}");
        }
    }

    #[test]
    fn an_unknown_role_may_do_nothing() {
        let role: Role = serde_json::from_str("\"admin\"").expect("read");
        assert_eq!((role, role.may(P::PromptsRead), role.level()), (Role::Unknown, false, 0));
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).expect("text"), role.name());
        }
    }
}
