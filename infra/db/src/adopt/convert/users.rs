//! Accounts. Ids keep their digits, for sessions and everything else name them. What an account has here and had not
//! there is as for a new one: also a second factor, which the application before never asked for.

use std::collections::{HashMap, HashSet};

use bson::{Document, doc};
use shared::{
    clock::Moment,
    roles::Role,
    users::{Email, EmailAttempt},
};

use super::{
    super::{
        old::{OldFields, line, made_at},
        source::OldDocument,
    },
    Context,
    row::{NewDocument, Row, each},
};

/// What Auth.js kept of sign-ins elsewhere: the provider, and the account that it proved. Nothing of it comes along.
pub(crate) const SIGN_INS: &str = "accounts";
/// Those that let only the owner of a mailbox sign in with its address.
const PROVING: [&str; 2] = ["google", "github"];

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let users = context.old(collection);
    let kept = kept_of_each_address(context, collection);
    let proved = proved_by_providers(context);
    let with_keys: HashSet<String> =
        context.old("api_keys").iter().filter_map(|key| context.user(&key.fields, "userId")).collect();
    let mut rows = each(users, |user, mapped| {
        let email = address(user)?;
        match kept.get(&email) {
            Some(other) if *other != user.id => Err(format!(
                "the account {other} has the same address, and is the one that is kept: give this one another"
            )),
            _ => {
                let new = one(user, email, proved.contains(&user.id), with_keys.contains(&user.id), mapped);
                Ok(vec![NewDocument::new("users", new)])
            }
        }
    });
    for row in rows.iter_mut().filter(|row| proved.contains(&row.id)) {
        // Once a provider has proved its address, it is another version.
        row.version.push_str("+proved");
    }
    rows
}

/// Accounts that signed in with a provider that proves addresses.
fn proved_by_providers(context: &Context<'_>) -> HashSet<String> {
    let by_provider = |sign_in: &&OldDocument| {
        let provider = sign_in.fields.text("provider").unwrap_or_default().to_lowercase();
        PROVING.contains(&provider.as_str())
    };
    let sign_ins = context.old(SIGN_INS).iter().filter(by_provider);
    sign_ins.filter_map(|sign_in| sign_in.fields.reference("userId")).collect()
}

fn one(
    user: &OldDocument,
    email: String,
    is_proved_by_provider: bool,
    has_keys: bool,
    mapped: &mut Vec<String>,
) -> Document {
    let fields = &user.fields;
    let name = fields.text("name").map(|name| line(&name, 100)).filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
    let created_at = made_at(fields, &["createdAt"]);
    if created_at.is_none() {
        mapped.push("the day it was made is not known: 1970-01-01".into());
    }
    let mut new = doc! {
        "_id": &user.id, "name": name, "role": role(user, mapped).name(), "plan": plan(user, mapped),
        "organizationId": fields.reference("organizationId"),
        "status": if is_suspended(fields) { "suspended" } else { "active" }, "sessionVersion": 0_i64, "endedSessions": [],
        "createdAt": created_at.unwrap_or_default(), "lastLoginAt": fields.at("lastLoginAt"), "email": email,
    };
    let hash = password_hash(user, mapped);
    // A date at Auth.js, a flag elsewhere.
    let is_flagged = fields.flag("emailVerified") == Some(true);
    let is_proved = is_flagged || (is_proved_by_provider && hash.is_none());
    match fields.at("emailVerified").or_else(|| is_proved.then_some(created_at.unwrap_or_default())) {
        Some(at) => drop(new.insert("emailVerifiedAt", at)),
        None if has_keys => mapped.push(
            "nobody proved its address there: the first password that is set by a mailed link revokes its provider keys"
                .into(),
        ),
        None => {}
    }
    if let Some(hash) = hash {
        new.insert("passwordHash", hash);
    }
    new
}

fn is_suspended(fields: &Document) -> bool {
    let status = fields.text("status").unwrap_or_default().to_lowercase();
    fields.flag("suspended") == Some(true)
        || fields.flag("isActive") == Some(false)
        || ["suspended", "disabled", "banned", "inactive"].contains(&status.as_str())
        || fields.at("deletedAt").is_some()
}

/// The address in the form by which accounts are told apart; of one that no new account gets, as it was written.
fn address(user: &OldDocument) -> Result<String, String> {
    let Some(text) = user.fields.text("email") else {
        return Err("it has no address, so nobody could sign in: give it one, or leave it".into());
    };
    if let Some(email) = Email::parse(&text) {
        return Ok(email.as_str().to_owned());
    }
    let claimed = EmailAttempt::parse(&text).map(|_| text.to_lowercase());
    claimed.ok_or_else(|| "its address is none, so nobody could sign in: correct it, or leave the account".to_owned())
}

/// Of accounts with one address the one that is here already, else the one that may do the most, else the oldest: who
/// came later under another spelling may be somebody else.
fn kept_of_each_address(context: &Context<'_>, collection: &str) -> HashMap<String, String> {
    let rank = |user: &OldDocument| {
        let is_here = context.ledger.of(collection, &user.id).is_some_and(|entry| entry.done);
        let level = role(user, &mut Vec::new()).level();
        let age = made_at(&user.fields, &["createdAt"]).map_or(i64::MAX, |at: Moment| at.as_millisecond());
        (!is_here, u8::MAX - level, age, user.id.clone())
    };
    let mut kept: HashMap<String, &OldDocument> = HashMap::new();
    for user in context.old(collection) {
        let Ok(email) = address(user) else { continue };
        let first = kept.entry(email).or_insert(user);
        if rank(user) < rank(first) {
            *first = user;
        }
    }
    kept.into_iter().map(|(email, user)| (email, user.id.clone())).collect()
}

/// A role that we lack becomes the one that a new account has: the application before gave it no permission either.
fn role(user: &OldDocument, mapped: &mut Vec<String>) -> Role {
    let Some(name) = user.fields.text("role") else {
        mapped.push("it has no role: user".into());
        return Role::User;
    };
    let known = Role::ALL.into_iter().find(|role| role.name() == name.to_lowercase().replace([' ', '-'], "_"));
    known.unwrap_or_else(|| {
        mapped.push(format!("its role {} is none here: user", line(&name, 50)));
        Role::User
    })
}

fn plan(user: &OldDocument, mapped: &mut Vec<String>) -> &'static str {
    let Some(name) = user.fields.text("plan") else { return "free" };
    let lower = name.to_lowercase();
    if let Some(same) = ["free", "basic", "pro", "enterprise"].into_iter().find(|plan| *plan == lower) {
        return same;
    }
    let plan = match lower.as_str() {
        "team" => "pro",
        other if other.starts_with("enterprise") => "enterprise",
        _ => "free",
    };
    mapped.push(format!("its plan {} is none here: {plan}", line(&name, 50)));
    plan
}

/// A bcrypt hash is taken as it is: whoever signs in with its password gets a hash of ours.
fn password_hash(user: &OldDocument, mapped: &mut Vec<String>) -> Option<String> {
    let hash = user.fields.text("password").or_else(|| user.fields.text("passwordHash"));
    let Some(hash) = hash else {
        mapped.push("it has no password: its owner sets one by a mailed link".into());
        return None;
    };
    let is_bcrypt = hash.len() == 60 && ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version));
    if !is_bcrypt {
        mapped.push("its password is kept in another form than bcrypt: its owner sets one by a mailed link".into());
    }
    is_bcrypt.then_some(hash)
}
