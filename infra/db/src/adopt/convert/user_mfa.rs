//! Second factors, which the application before kept apart from the accounts.

use std::collections::HashMap;

use shared::{
    clock::Moment,
    users::{Method, MfaRecord},
};

use super::{
    super::{old::OldFields, source::OldDocument},
    Context,
    row::{Row, each},
};

const OLD: &str = "user_mfa";

/// The factor of each account: its newest word on the matter.
pub(super) struct Factors<'a>(HashMap<String, &'a OldDocument>);

impl<'a> Factors<'a> {
    pub(super) fn of(context: &Context<'a>) -> Self {
        let mut newest: HashMap<String, &OldDocument> = HashMap::new();
        for factor in context.old(OLD) {
            let Some(user) = context.user(&factor.fields, "userId") else { continue };
            let first = newest.entry(user).or_insert(factor);
            if (said_at(factor), &factor.id) > (said_at(first), &first.id) {
                *first = factor;
            }
        }
        Self(newest)
    }

    /// Off, where the account has none that can be used.
    pub(super) fn of_user(&self, user_id: &str) -> MfaRecord {
        let phone = self.0.get(user_id).and_then(|factor| phone(factor).ok().flatten());
        MfaRecord { method: phone.as_ref().map(|_| Method::Sms), phone, ..MfaRecord::default() }
    }

    pub(super) fn version_of(&self, user_id: &str) -> String {
        self.0.get(user_id).map(|factor| format!("+{}", factor.version)).unwrap_or_default()
    }
}

/// They are written with their accounts: here is only said which.
pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let factors = Factors::of(context);
    each(context.old(collection), |factor, mapped| {
        let user =
            context.user(&factor.fields, "userId").ok_or("it names no account: correct its userId, or leave it")?;
        if !context.old("users").iter().any(|known| known.id == user) {
            return Err("there is no such account any more: leave it".into());
        }
        let newest = factors.0.get(&user).map_or(&factor.id, |newest| &newest.id);
        if *newest != factor.id {
            return Err(format!("{newest} of the same account is newer"));
        }
        if phone(factor)?.is_some() {
            mapped.push("the number was never proved: who cannot receive codes there asks a super admin".into());
        }
        Ok(Vec::new())
    })
}

fn said_at(factor: &OldDocument) -> Option<Moment> {
    ["disabledAt", "enabledAt", "updatedAt", "createdAt"].iter().filter_map(|field| factor.fields.at(field)).max()
}

/// The number that codes go to; `None` where the factor is off.
fn phone(factor: &OldDocument) -> Result<Option<String>, String> {
    if factor.fields.flag("enabled") != Some(true) {
        return Ok(None);
    }
    let number = factor.fields.text("phoneNumber").unwrap_or_default();
    let number: String = number.chars().filter(|letter| !" -().".contains(*letter)).collect();
    let digits = number.strip_prefix('+').unwrap_or_default();
    let is_number = (2..=15).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    if is_number {
        Ok(Some(number))
    } else {
        Err("its number is no E.164 number (+41…): the account has no second factor here".into())
    }
}
