//! Who is calling, once they are known.

use std::sync::Arc;

use crate::{
    clock,
    http::Problem,
    roles::{Permission, Role, not_allowed},
    users::Account,
};

/// A second factor counts as fresh this long, in seconds, where a route asks for one.
const MFA_FRESH_S: i64 = 15 * 60;

/// A caller who is signed in.
#[derive(Clone, Debug)]
pub struct Principal {
    pub account: Arc<Account>,
    /// The session that the token is of.
    pub session_id: String,
    /// When a second factor was shown last, Unix seconds.
    pub mfa_at: Option<i64>,
}

impl Principal {
    /// The account's id.
    pub fn id(&self) -> &str {
        &self.account.id
    }

    /// The account's role.
    pub fn role(&self) -> Role {
        self.account.role
    }

    /// 403 without the permission.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.account.role.may(permission) { Ok(()) } else { Err(not_allowed()) }
    }

    /// 403 with an account that has a second factor and has not shown it lately: what this route does
    /// is worth asking again.
    pub fn require_fresh_mfa(&self) -> Result<(), Problem> {
        let fresh = self.mfa_at.is_some_and(|at| clock::now().as_second() - at < MFA_FRESH_S);
        if fresh || !self.account.mfa_enabled {
            return Ok(());
        }
        Err(Problem::forbidden("mfa_required", "Show your second factor first: POST /api/auth/mfa/verify."))
    }

    /// Whether an object of this organisation is the caller's to see.
    pub fn sees_organization(&self, organization_id: Option<&str>) -> bool {
        self.account.role == Role::SuperAdmin
            || (organization_id.is_some() && self.account.organization_id.as_deref() == organization_id)
    }
}
