//! Accounts in the hands of administrators: what they see, and what they may change.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use garde::Validate;
use mongodb::{ClientSession, Database, options::ReturnDocument};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Account, AccountStatus, EmailAttempt, Profile, User,
    store::{collection, ending_every_session},
};
use crate::{
    audit::{Action, AuditEvent, AuditLog},
    clock,
    http::{ClientInfo, Cursor, FieldError, Page, Problem},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    roles::{Role, not_allowed},
};

/// Which accounts to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// Of this role.
    pub role: Option<Role>,
    /// Of this status.
    pub status: Option<AccountStatus>,
    /// A super admin's choice; everybody else sees their own.
    pub organization_id: Option<String>,
}

/// What to change of an account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserChange {
    /// The new role.
    #[garde(custom(known))]
    pub role: Option<Role>,
    /// The new status.
    #[garde(skip)]
    pub status: Option<AccountStatus>,
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPage {
    /// In the order of their making.
    pub users: Vec<Profile>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Accounts that `admin` may see, from `cursor` on; 422 for a role that nobody can have.
pub async fn list(
    mongo: &Mongo,
    admin: &Account,
    filter: &UserFilter,
    Page { limit, cursor }: Page,
) -> Result<UserPage, Problem> {
    let mut query = reach(admin)?;
    known(&filter.role, &()).map_err(|error| Problem::invalid_field("role", error.message()))?;
    if let (Role::SuperAdmin, Some(organization)) = (admin.role, &filter.organization_id) {
        query.insert("organizationId", organization);
    }
    if let Some(role) = filter.role {
        query.insert("role", role.name());
    }
    if let Some(status) = filter.status {
        // An account that is stored without a status is active.
        let operator = if status == AccountStatus::Active { "$ne" } else { "$eq" };
        query.insert("status", doc! {operator: "suspended"});
    }
    if let Some(Cursor(_, last)) = cursor {
        query.insert("_id", doc! {"$gt": last});
    }
    let find = async |database: Database| {
        let users = collection(&database);
        let page = users.find(query).sort(doc! {"_id": 1}).limit(Page::to_read(limit));
        page.await?.with_type::<RawDocumentBuf>().try_collect::<Vec<_>>().await
    };
    let read = mongo.run(REQUEST_TIMEOUT, find).await?;
    let (read, next_cursor) = Page::cut(read, limit, Page::by_id);
    let users: Vec<User> = mongo::readable("users", &read);
    Ok(UserPage { users: users.into_iter().map(|user| Profile::from(&Account::from(user))).collect(), next_cursor })
}

/// Changes an account's role or status: nobody their own, nobody's at or above the caller's reach, and
/// the last active super admin stays. A suspended account's sessions end. The audit log has what changed, or nothing did.
pub async fn change(
    mongo: &Mongo,
    audit_log: &AuditLog,
    client: &ClientInfo,
    admin: &Account,
    user_id: &str,
    change: &UserChange,
) -> Result<Account, Problem> {
    if change.role.is_none() && change.status.is_none() {
        let absent = |field: &str| FieldError { field: field.into(), message: "or the other one must be there".into() };
        return Err(Problem::invalid(vec![absent("role"), absent("status")]));
    }
    if admin.id == user_id {
        return Err(Problem::forbidden("own_account", "Nobody changes their own role or status."));
    }
    let mut filter = reach(admin)?;
    audit_log.pay_ahead(&admin.payer()).await?;
    filter.insert("_id", user_id);
    let (role, UserChange { role: new_role, status: new_status }) = (admin.role, change);
    let (new_role, new_status) = (*new_role, *new_status);
    let (audit_log, client, admin) = (audit_log.clone(), client.clone(), admin.clone());
    let attempt = mongo
        .run(REQUEST_TIMEOUT, async move |database: Database| {
            let mut session = database.client().start_session().await?;
            let work = async move |session: &mut ClientSession| {
                let users = collection(&database);
                let Some(before) = users.find_one(filter.clone()).session(&mut *session).await? else {
                    return Ok(ChangeAttempt::Absent);
                };
                if !role.manages(before.role) || new_role.is_some_and(|new| !role.manages(new)) {
                    return Ok(ChangeAttempt::Forbidden);
                }
                let is_lifted = before.status == AccountStatus::Suspended && new_status == Some(AccountStatus::Active);
                if is_lifted && before.suspended_by.is_some_and(|by| by.level() > role.level()) {
                    return Ok(ChangeAttempt::SuspendedFromAbove);
                }
                let loses_power =
                    new_role.is_some_and(|new| new != Role::SuperAdmin) || new_status == Some(AccountStatus::Suspended);
                if before.role == Role::SuperAdmin
                    && loses_power
                    && is_last_super_admin(&database, session, &before.id).await?
                {
                    return Ok(ChangeAttempt::LastSuperAdmin);
                }
                let mut set = Document::new();
                if let Some(role) = new_role {
                    set.insert("role", role.name());
                }
                if let Some(status) = new_status {
                    set.insert("status", if status == AccountStatus::Suspended { "suspended" } else { "active" });
                }
                if new_status == Some(AccountStatus::Suspended) {
                    // Whoever suspends an account that is, takes it over from those below.
                    let by = before.suspended_by.filter(|by| by.level() > role.level()).unwrap_or(role);
                    set.insert("suspendedBy", by.name());
                }
                let mut update = doc! {"$set": set};
                match new_status {
                    Some(AccountStatus::Suspended) => {
                        update.insert("$unset", doc! {"mfa.resetAt": ""});
                        update = ending_every_session(update);
                    }
                    Some(_) => drop(update.insert("$unset", doc! {"suspendedBy": ""})),
                    None => {}
                }
                let by_id = doc! {"_id": &before.id};
                let after = users.find_one_and_update(by_id, update).return_document(ReturnDocument::After);
                let Some(after) = after.session(&mut *session).await? else { return Ok(ChangeAttempt::Absent) };
                for event in audit_events(&admin, &before, &after) {
                    audit_log.record_with(&mut *session, &database, &client, event).await?;
                }
                Ok(ChangeAttempt::Done(Box::new(after)))
            };
            session.start_transaction().and_run2(work).await
        })
        .await?;
    match attempt {
        ChangeAttempt::Done(after) => Ok(Account::from(*after)),
        ChangeAttempt::Absent => Err(Problem::not_found("There is no such account in your reach.")),
        ChangeAttempt::LastSuperAdmin => {
            Err(Problem::conflict("last_super_admin", "The last active super admin stays."))
        }
        ChangeAttempt::Forbidden => Err(not_allowed()),
        ChangeAttempt::SuspendedFromAbove => {
            Err(Problem::forbidden("suspended_from_above", "A super admin suspended this account, and lifts it."))
        }
    }
}

/// Ends every session of an account, and with [`Action::UserMfaReset`] takes its second factor off, too: within the
/// caller's reach and below it. The audit log has it, or nothing was done.
pub async fn intervene(
    mongo: &Mongo,
    audit_log: &AuditLog,
    client: &ClientInfo,
    admin: &Account,
    user_id: &str,
    action: Action,
) -> Result<User, Problem> {
    let mut filter = reach(admin)?;
    filter.insert("_id", user_id);
    let find = {
        let filter = filter.clone();
        async move |database: Database| collection(&database).find_one(filter).await
    };
    let absent = || Problem::not_found("There is no such account in your reach.");
    let user = mongo.run(REQUEST_TIMEOUT, find).await?.ok_or_else(absent)?;
    if !admin.role.manages(user.role) {
        return Err(not_allowed());
    }
    // A role given meanwhile is out of reach, too.
    filter.insert("role", user.role.name());
    // With the sessions a factor's reset ends that was begun in one.
    let off = if action == Action::UserMfaReset { "mfa" } else { "mfa.resetAt" };
    let update = ending_every_session(doc! {"$unset": {off: ""}});
    let event = AuditEvent::new(action).by(admin).on("user", user_id);
    let (audit_log, client) = (audit_log.clone(), client.clone());
    let work = async move |database: Database| {
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            let users = collection(&database);
            let changed = users.find_one_and_update(filter.clone(), update.clone());
            let changed = changed.return_document(ReturnDocument::After).session(&mut *session).await?;
            if changed.is_some() {
                audit_log.record_with(&mut *session, &database, &client, event.clone()).await?;
            }
            Ok(changed)
        };
        session.start_transaction().and_run2(work).await
    };
    mongo.run(REQUEST_TIMEOUT, work).await?.ok_or_else(absent)
}

enum ChangeAttempt {
    Done(Box<User>),
    Absent,
    Forbidden,
    SuspendedFromAbove,
    LastSuperAdmin,
}

/// Whether no other active account is a super admin's; asked in the transaction that takes this one away.
pub(crate) async fn is_last_super_admin(
    database: &Database,
    session: &mut ClientSession,
    user_id: &str,
) -> mongodb::error::Result<bool> {
    // Two who do so to each other at once both write this document: one of them starts over.
    let touch = doc! {"$inc": {"changes": 1}};
    let guards = database.collection::<Document>("guards");
    guards.update_one(doc! {"_id": "super_admins"}, touch).upsert(true).session(&mut *session).await?;
    let others = doc! {"role": "super_admin", "status": {"$ne": "suspended"}, "_id": {"$ne": user_id}};
    Ok(collection(database).find_one(others).session(session).await?.is_none())
}

/// One for each thing that changed.
fn audit_events(admin: &Account, before: &User, after: &User) -> Vec<AuditEvent> {
    let event = |action| AuditEvent::new(action).by(admin).on("user", &after.id);
    let role = (before.role != after.role).then(|| {
        let roles = event(Action::UserRoleChanged).with("roleBefore", before.role.name());
        roles.with("roleAfter", after.role.name())
    });
    let status = (before.status != after.status).then(|| match after.status {
        AccountStatus::Active => event(Action::UserActivated),
        AccountStatus::Suspended => event(Action::UserSuspended),
    });
    role.into_iter().chain(status).collect()
}

/// Everything for a super admin, else the caller's own organisation.
fn reach(admin: &Account) -> Result<Document, Problem> {
    match (admin.role, &admin.organization_id) {
        (Role::SuperAdmin, _) => Ok(doc! {}),
        (_, Some(organization)) => Ok(doc! {"organizationId": organization}),
        (_, None) => Err(Problem::forbidden("no_organization", "Your account belongs to no organisation.")),
    }
}

/// Makes an account a super admin whose address counts as proved: the first one, from a terminal; `takes_factor_off` if
/// its second factor is lost. Its sessions end. False when there is no such account.
pub async fn make_super_admin(
    mongo: &Mongo,
    email: &EmailAttempt,
    takes_factor_off: bool,
) -> Result<bool, mongo::Error> {
    for spelling in email.spellings() {
        let set = doc! {"role": "super_admin", "emailVerifiedAt": clock::now()};
        let off = if takes_factor_off { "mfa" } else { "mfa.resetAt" };
        let update = ending_every_session(doc! {"$set": set, "$unset": {off: ""}});
        let set = async |database| collection(&database).update_one(doc! {"email": spelling}, update).await;
        if mongo.run(REQUEST_TIMEOUT, set).await?.matched_count == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

#[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "as the validator calls it")]
fn known(role: &Option<Role>, _: &()) -> garde::Result {
    let known = Role::ALL.map(Role::name).join(", ");
    if *role == Some(Role::Unknown) { Err(garde::Error::new(format!("must be one of {known}"))) } else { Ok(()) }
}
