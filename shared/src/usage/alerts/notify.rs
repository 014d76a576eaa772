//! What fired and was not told yet: to its owner, by their preferences.
//!
//! A firing is noted as told only after the queue has its notification, which carries the same id: a run that dies in
//! between is made up for by the next, and nobody is told twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bson::{RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::Deserialize;

use super::{
    firing::{BATCH, Firing},
    preferences::Preferences,
};
use crate::{
    clock::Moment,
    mongo::{self, Mongo, WORK_TIMEOUT},
    notifications::{Channel, Notification, Outbox},
};

/// Alerts told at a time. SQS takes ten messages a call, and has four seconds for all calls of a sending.
const TOLD_AT_ONCE: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(rename = "_id")]
    id: String,
    email: String,
    email_verified_at: Option<Moment>,
    notification_preferences: Option<Preferences>,
}

/// Tells what fired and was not told yet. What the queue has is noted before more is sent: whatever stops the run, the
/// next one goes on from there.
pub(super) async fn notify(mongo: &Mongo, outbox: &Outbox) -> anyhow::Result<usize> {
    let (firings, owners) = mongo.run(WORK_TIMEOUT, async |database| untold(&database).await).await?;
    let mut by_alert = BTreeMap::<(&str, &str, i64), Vec<&Firing>>::new();
    for firing in &firings {
        by_alert.entry((&firing.alert_id, &firing.period_start, firing.threshold)).or_default().push(firing);
    }
    let messages = |firings: &[&Firing]| {
        owners.get(&firings[0].user_id).map_or_else(Vec::new, |owner| owner.notifications(firings))
    };
    let messages = by_alert.into_values().map(|firings| (messages(&firings), firings));
    let (loud, silent): (Vec<_>, Vec<_>) = messages.partition(|(messages, _)| !messages.is_empty());
    note_told(mongo, &silent.into_iter().flat_map(|(_, firings)| firings).collect::<Vec<_>>()).await?;
    let mut told = 0;
    for chunk in loud.chunks(TOLD_AT_ONCE) {
        let (messages, firings): (Vec<_>, Vec<_>) = chunk.iter().cloned().unzip();
        let messages = messages.concat();
        outbox.send(&messages).await?;
        note_told(mongo, &firings.concat()).await?;
        told += messages.len();
    }
    Ok(told)
}

/// Marks what its owner does not want to hear of as told, before it is stored: most levels are so, and are not to be
/// written twice.
pub(super) async fn mark_unwanted(mongo: &Mongo, firings: &mut [Firing]) -> Result<(), mongo::Error> {
    let owners = mongo.run(WORK_TIMEOUT, async |database| owners(&database, firings).await).await?;
    for firing in firings {
        firing.told = owners.get(&firing.user_id).is_none_or(|owner| owner.notifications(&[&*firing]).is_empty());
    }
    Ok(())
}

/// What fired and was not told, and whom it concerns.
async fn untold(database: &Database) -> mongodb::error::Result<(Vec<Firing>, HashMap<String, Owner>)> {
    let firings = database.collection::<RawDocumentBuf>("usage_alert_firings");
    let firings: Vec<_> = firings.find(doc! {"told": false}).batch_size(BATCH).await?.try_collect().await?;
    let firings: Vec<Firing> = mongo::readable("usage_alert_firings", &firings);
    let owners = owners(database, &firings).await?;
    Ok((firings, owners))
}

/// Whom these concern, by id; who is gone is left out.
async fn owners(database: &Database, firings: &[Firing]) -> mongodb::error::Result<HashMap<String, Owner>> {
    let users: BTreeSet<&str> = firings.iter().map(|firing| firing.user_id.as_str()).collect();
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let these = doc! {"_id": {"$in": users.into_iter().collect::<Vec<_>>()}};
    let (owners, fields) = (
        database.collection::<RawDocumentBuf>("users"),
        doc! {"email": 1, "emailVerifiedAt": 1, "notificationPreferences": 1},
    );
    let owners: Vec<_> = owners.find(these).projection(fields).batch_size(BATCH).await?.try_collect().await?;
    let owners: Vec<Owner> = mongo::readable("users", &owners);
    Ok(owners.into_iter().map(|owner| (owner.id.clone(), owner)).collect())
}

async fn note_told(mongo: &Mongo, firings: &[&Firing]) -> Result<(), mongo::Error> {
    let ids: Vec<&str> = firings.iter().map(|firing| firing.id.as_str()).collect();
    for ids in ids.chunks(BATCH as usize) {
        let told = async |database: Database| {
            let firings = database.collection::<Firing>("usage_alert_firings");
            firings.update_many(doc! {"_id": {"$in": ids}}, doc! {"$set": {"told": true}}).await
        };
        mongo.run(WORK_TIMEOUT, told).await?;
    }
    Ok(())
}

impl Owner {
    /// What the owner is told of the levels of one threshold that were reached together: the highest that they want to
    /// hear of.
    fn notifications(&self, firings: &[&Firing]) -> Vec<Notification> {
        let preferences = self.notification_preferences.clone().unwrap_or_default();
        let wanted = firings.iter().filter(|firing| preferences.want(firing.metric, firing.level.unsigned_abs()));
        let Some(firing) = wanted.max_by_key(|firing| firing.level) else { return Vec::new() };
        // Nothing is told to an address that nobody has proved.
        let may_mail = preferences.email_enabled && self.email_verified_at.is_some();
        let email = may_mail.then(|| Channel::Email { to: self.email.clone() });
        let number = preferences.proved_number().filter(|_| preferences.sms_enabled);
        let channels = email.into_iter().chain(number.map(|to| Channel::Sms { to: to.to_owned() }));
        let notification = |channel: Channel| Notification {
            id: format!("{}/{}", firing.id, channel.kind()),
            user_id: Some(self.id.clone()),
            template: firing.template(),
            channel,
        };
        channels.map(notification).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{Metric, Period},
        *,
    };
    use crate::clock;

    fn firing(metric: Metric, period: Period, level: i64) -> Firing {
        Firing {
            id: format!("a/2026-11-21/100/{level}"),
            alert_id: "a".into(),
            user_id: "u".into(),
            metric,
            period,
            period_start: "2026-11-21".into(),
            key_id: None,
            provider: None,
            level,
            used: 100,
            threshold: 100,
            at: Moment::default(),
            told: false,
        }
    }

    #[test]
    fn of_the_levels_reached_the_highest_that_is_wanted_is_told() {
        let firings = [50, 80, 90, 100].map(|level| firing(Metric::Requests, Period::Daily, level));
        let told_to = |proved: bool, preferences: serde_json::Value| {
            let preferences = serde_json::from_value(preferences).expect("preferences");
            let owner = Owner {
                id: "u".into(),
                email: "a@b.example".into(),
                email_verified_at: proved.then(clock::now),
                notification_preferences: Some(preferences),
            };
            let told = owner.notifications(&firings.iter().collect::<Vec<_>>());
            told.into_iter().map(|notification| notification.id).collect::<Vec<_>>()
        };
        let told = |preferences| told_to(true, preferences);
        assert_eq!(told_to(false, json!({})), [""; 0], "an address that nobody has proved");
        assert_eq!(told(json!({})), ["a/2026-11-21/100/100/email"]);
        assert_eq!(told(json!({"thresholds": {"hundred": false}})), ["a/2026-11-21/100/90/email"]);
        assert_eq!(told(json!({"thresholds": {"hundred": false, "ninety": false, "eighty": false}})), [""; 0]);
        let mut by_sms = json!({"smsEnabled": true, "phoneNumber": "+41791234567", "emailEnabled": false});
        assert_eq!(told(by_sms.clone()), [""; 0], "nobody has proved the number");
        by_sms["phoneNumberProved"] = json!(true);
        assert_eq!(told(by_sms), ["a/2026-11-21/100/100/sms"]);
    }

    #[test]
    fn a_mail_says_of_what_and_of_when() {
        let mut tokens = firing(Metric::Tokens, Period::Weekly, 90);
        (tokens.provider, tokens.used, tokens.threshold) = (Some("openai".into()), 9_000, 10_000);
        tokens.period_start = "2026-11-16".into();
        let mut cost = firing(Metric::Cost, Period::Monthly, 90);
        (cost.key_id, cost.used, cost.threshold) = (Some("k1".into()), 1_250_000, 1_300_000);
        let mut rate = firing(Metric::ErrorRate, Period::Daily, 90);
        (rate.used, rate.threshold) = (465, 5);
        for (firing, expected) in [
            (tokens, "Your tokens at openai for the week from 2026-11-16 reached 90 % of the limit: 9000 of 10000."),
            (cost, "Your cost by the key k1 for the month 2026-11 reached 90 % of the limit: $1.250000 of $1.300000."),
            (rate, "Your error rate for the day 2026-11-21 reached 90 % of the limit: 4.65 % of 5 %."),
        ] {
            let text = firing.template().text();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn a_firing_expires() {
        crate::schema::tests::assert_expires("usage_alert_firings", &firing(Metric::Cost, Period::Daily, 50));
    }
}
