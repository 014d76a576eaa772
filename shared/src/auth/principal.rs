//! Who is calling, once they are known.

use std::sync::Arc;

use crate::{
    clock,
    http::Problem,
    roles::{Permission, Role, not_allowed},
    users::Account,
};

/// What somebody showed of themselves counts as fresh this long, in seconds, where a route asks for it.
const FRESH_S: i64 = 15 * 60;

/// The session of whoever comes with a cookie of the front end, where our tokens have an id.
pub(super) const FRONT_END_SESSION: &str = "front-end";

/// A caller who is signed in.
#[derive(Clone, Debug)]
pub struct Principal {
    pub account: Arc<Account>,
    /// The session that the token is of; the same for all of the front end's.
    pub session_id: String,
    /// When a second factor was shown last, Unix seconds.
    pub mfa_at: Option<i64>,
    /// When the password or a second factor was shown last, Unix seconds.
    pub authenticated_at: Option<i64>,
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

    /// Whether a cookie of the front end's tells who this is: that session is the front end's to end.
    pub fn is_of_front_end(&self) -> bool {
        self.session_id == FRONT_END_SESSION
    }

    /// Whether the role has the permission, and the second factor that one of administrators takes.
    pub fn may(&self, permission: Permission) -> bool {
        self.require(permission).is_ok()
    }

    /// 403 without the permission; what administrators alone may do takes a second factor, too, that whoever has the
    /// mailbox does not have: a mailed link sets the password already.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if !self.account.role.may(permission) {
            return Err(not_allowed());
        }
        if permission.is_administrators() && (!self.account.mfa_enabled || self.account.mfa_by_mail) {
            return Err(Problem::forbidden(
                "mfa_setup_required",
                "Administrators need a second factor other than e-mail: set one up with POST /api/auth/mfa/enable.",
            ));
        }
        // A sign-in here has shown the factor; what the front end asked for is not known.
        if permission.is_administrators() && self.is_of_front_end() { self.require_fresh_mfa() } else { Ok(()) }
    }

    /// 403 with an account that has a second factor and has not shown it lately: what this route does
    /// is worth asking again.
    pub fn require_fresh_mfa(&self) -> Result<(), Problem> {
        if is_fresh(self.mfa_at) || !self.account.mfa_enabled {
            return Ok(());
        }
        Err(Problem::forbidden("mfa_required", "Show your second factor first: POST /api/auth/mfa/verify."))
    }

    /// As [`Principal::require_fresh_mfa`]; with an account that has no second factor, its password.
    pub fn require_fresh_sign_in(&self) -> Result<(), Problem> {
        if self.account.mfa_enabled || is_fresh(self.authenticated_at) {
            return self.require_fresh_mfa();
        }
        Err(Problem::forbidden("password_required", "Enter your password again first: POST /api/auth/verify-password."))
    }

    /// Whether an object of this organisation is the caller's to see.
    pub fn sees_organization(&self, organization_id: Option<&str>) -> bool {
        self.account.role == Role::SuperAdmin
            || (organization_id.is_some() && self.account.organization_id.as_deref() == organization_id)
    }
}

fn is_fresh(shown_at: Option<i64>) -> bool {
    shown_at.is_some_and(|at| clock::now().as_second() - at < FRESH_S)
}
