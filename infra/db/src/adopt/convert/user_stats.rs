//! Days on which somebody was here. Totals are counted from the days, of which 400 are kept.

use std::collections::BTreeMap;

use bson::{Bson, doc};
use shared::clock::{self, Moment};

use super::{
    super::old::{OldFields, days_before, moment},
    Context,
    row::{NewDocument, Row, each},
};

const DAYS: u64 = 400;

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let oldest = days_before(context.now, DAYS);
    each(context.old(collection), |stats, mapped| {
        let user =
            context.user(&stats.fields, "userId").ok_or("it names no account: correct its userId, or leave it")?;
        let listed = stats.fields.get_array("loginDates").map(Vec::as_slice).unwrap_or_default();
        let last = stats.fields.get("lastLoginDate");
        let mut days: BTreeMap<String, Moment> = BTreeMap::new();
        for at in listed.iter().chain(last).filter_map(|at: &Bson| moment(at)).filter(|at| *at > oldest) {
            days.entry(clock::day(at)).or_insert(at);
        }
        if days.is_empty() {
            return Err(format!("it has no day of the last {DAYS}: what is older is not kept"));
        }
        if stats.fields.count("daysLoggedIn").is_some_and(|counted| counted > days.len() as u64) {
            mapped.push(format!("{} days of the last {DAYS}; what was counted before is not kept", days.len()));
        }
        let active = |(day, at): (&String, &Moment)| {
            let document = doc! {"_id": format!("{user}/{day}"), "userId": &user, "day": day, "at": *at};
            NewDocument { any_will_do: true, ..NewDocument::new("user_activity", document) }
        };
        Ok(days.iter().map(active).collect())
    })
}
