//! How many messages were sent in a day, by whom they were for: what the [caps](super::caps) are compared with.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{ClientSession, Collection, Database};
use serde::Deserialize;

use super::{Cap, Channel, Notification};
use crate::{
    clock::{self, Moment},
    keys::Mac,
};

/// A message that asks to be counted.
pub(super) struct Asked {
    cap: &'static Cap,
    /// Ids of the counts of a UTC day: of the account, of the recipient, of everybody. In this order, so that what an
    /// account is refused takes nothing from its recipient.
    counts: Vec<(String, Scope)>,
    hour: String,
    at: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// An account or a recipient: has a cap by the hour as well.
    One,
    Everybody,
}

/// `notification_counts`: what was sent in a day.
#[derive(Default, Deserialize)]
struct Count {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    sent: i64,
    /// The same by hour.
    #[serde(default)]
    hours: Document,
}

impl Asked {
    /// `None` if such a message is not sent on its channel. An address is known by its code under `mac` alone.
    pub(super) fn of(notification: &Notification, mac: &Mac, at: Moment) -> Option<Self> {
        let Notification { user_id, channel, template, .. } = notification;
        let cap = Cap::of(channel, template)?;
        let (Channel::Email { to } | Channel::Sms { to }) = channel;
        let of = format!("{}/{}/{}", channel.kind(), cap.class.name(), clock::day(at));
        let account = user_id.iter().map(|user_id| (format!("{of}/account/{user_id}"), Scope::One));
        let recipient = (format!("{of}/to/{}", mac.sign(&to.to_lowercase())), Scope::One);
        let counts = account.chain([recipient, (format!("{of}/all"), Scope::Everybody)]).collect();
        Some(Self { cap, counts, hour: format!("h{:02}", at.as_second() / 3600 % 24), at })
    }

    /// Counts it in the session's transaction; false when a cap is reached, which is counted instead.
    pub(super) async fn count(&self, database: &Database, session: &mut ClientSession) -> mongodb::error::Result<bool> {
        let counts = collection(database);
        let ids: Vec<&str> = self.counts.iter().map(|(id, _)| id.as_str()).collect();
        let mut before = counts.find(doc! {"_id": {"$in": ids}}).session(&mut *session).await?;
        let before: Vec<Count> = before.stream(&mut *session).try_collect().await?;
        let full = self.counts.iter().find(|count| self.is_full(count, &before));
        let increments = match full {
            Some((id, _)) => vec![(id, doc! {"suppressed": 1_i64})],
            None => self.counts.iter().map(|(id, _)| (id, self.sent())).collect(),
        };
        for (id, increment) in increments {
            let change = doc! {"$inc": increment, "$setOnInsert": {"at": self.at}};
            counts.update_one(doc! {"_id": id}, change).upsert(true).session(&mut *session).await?;
        }
        Ok(full.is_none())
    }

    fn sent(&self) -> Document {
        doc! {"sent": 1_i64, format!("hours.{}", self.hour): 1_i64}
    }

    fn is_full(&self, (id, scope): &(String, Scope), before: &[Count]) -> bool {
        let Some(count) = before.iter().find(|count| count.id == *id) else { return false };
        match scope {
            Scope::One => {
                let this_hour = count.hours.get_i64(&self.hour).unwrap_or_default();
                count.sent >= self.cap.day || this_hour >= self.cap.hour
            }
            Scope::Everybody => count.sent >= self.cap.everybody,
        }
    }
}

fn collection(database: &Database) -> Collection<Count> {
    database.collection("notification_counts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::Seed, notifications::Template};

    fn asked(user: Option<&str>, channel: Channel) -> Vec<String> {
        let template = Template::MfaCode { code: "314159".into(), minutes: 10 };
        let notification = Notification { id: "1".into(), user_id: user.map(str::to_owned), channel, template };
        let mac = Seed::from("a seed of thirty-two characters!").mac("recipients");
        let asked = Asked::of(&notification, &mac, "2026-11-28T21:59:59Z".parse().expect("valid")).expect("counted");
        assert_eq!(asked.hour, "h21");
        asked.counts.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn a_message_counts_for_its_account_its_recipient_and_everybody_and_names_no_address() {
        let mail = |to: &str| Channel::Email { to: to.into() };
        let ids = asked(Some("u"), mail("ada@example.com"));
        assert_eq!((ids.len(), ids[0].as_str()), (3, "email/code/2026-11-28/account/u"));
        assert_eq!(ids[2], "email/code/2026-11-28/all");
        assert!(ids[1].starts_with("email/code/2026-11-28/to/") && !ids[1].contains("ada"), "{}", ids[1]);
        assert_eq!(asked(None, mail("Ada@Example.com")), ids[1..], "an address has one case");
        assert_ne!(asked(None, mail("eve@example.com"))[0], ids[1]);
        assert_ne!(asked(None, Channel::Sms { to: "ada@example.com".into() })[0], ids[1]);
    }
}
