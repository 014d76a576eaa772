//! Second factors, which the application before kept apart from the accounts, and never asked for.

use std::collections::HashMap;

use shared::clock::Moment;

use super::{
    super::{old::OldFields, source::OldDocument},
    Context,
    row::{Row, each},
};

/// Nothing is written: whose factor was on is told that it is off.
pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let newest = newest(context, collection);
    each(context.old(collection), |factor, mapped| {
        let user =
            context.user(&factor.fields, "userId").ok_or("it names no account: correct its userId, or leave it")?;
        if !context.old("users").iter().any(|known| known.id == user) {
            return Err("there is no such account any more: leave it".into());
        }
        if let Some(newest) = newest.get(&user).filter(|newest| newest.id != factor.id) {
            return Err(format!("{} of the same account is newer", newest.id));
        }
        if factor.fields.flag("enabled") == Some(true) {
            mapped.push(format!(
                "the second factor of the account {user} is off here, and its number does not come along: the \
                 application before never asked for a code, and never proved the number; its owner turns one on"
            ));
        }
        Ok(Vec::new())
    })
}

/// The newest word on the factor of each account.
fn newest<'a>(context: &Context<'a>, collection: &str) -> HashMap<String, &'a OldDocument> {
    let mut newest: HashMap<String, &OldDocument> = HashMap::new();
    for factor in context.old(collection) {
        let Some(user) = context.user(&factor.fields, "userId") else { continue };
        let first = newest.entry(user).or_insert(factor);
        if (said_at(factor), &factor.id) > (said_at(first), &first.id) {
            *first = factor;
        }
    }
    newest
}

fn said_at(factor: &OldDocument) -> Option<Moment> {
    ["disabledAt", "enabledAt", "updatedAt", "createdAt"].iter().filter_map(|field| factor.fields.at(field)).max()
}
