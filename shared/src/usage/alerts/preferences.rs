//! How somebody wants to be told about their usage.

use bson::doc;
use garde::Validate;
use mongodb::Database;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Metric;
use crate::{
    http::Problem,
    mfa::e164,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

/// Preferences; what is absent is as by default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preferences {
    /// By e-mail, to the account's address.
    #[serde(default = "yes")]
    #[garde(skip)]
    pub email_enabled: bool,
    /// By SMS, to `phoneNumber`, once that is proved.
    #[serde(default)]
    #[garde(custom(with_a_number(&self.phone_number)))]
    pub sms_enabled: bool,
    /// At which levels.
    #[serde(default)]
    #[garde(skip)]
    pub thresholds: Thresholds,
    /// About what.
    #[serde(default)]
    #[garde(skip)]
    pub alert_types: AlertTypes,
    /// E.164, `+41791234567`.
    #[serde(default)]
    #[garde(inner(custom(e164)))]
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    pub phone_number: Option<String>,
    /// Whether a code that was sent to the number was shown. For the answer: what a request says here is ignored.
    #[serde(default)]
    #[garde(skip)]
    pub phone_number_proved: bool,
}

/// Levels, in percent of an alert's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "as the API has it")]
pub struct Thresholds {
    /// 50 %; off unless asked for.
    pub fifty: bool,
    /// 80 %.
    pub eighty: bool,
    /// 90 %.
    pub ninety: bool,
    /// 100 %.
    pub hundred: bool,
}

/// Metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "as the API has it")]
pub struct AlertTypes {
    /// Tokens.
    pub usage_limit: bool,
    /// Cost.
    pub cost_threshold: bool,
    /// Requests.
    pub rate_limit: bool,
    /// Share of failures.
    pub error_rate: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { fifty: false, eighty: true, ninety: true, hundred: true }
    }
}

impl Default for AlertTypes {
    fn default() -> Self {
        Self { usage_limit: true, cost_threshold: true, rate_limit: true, error_rate: true }
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            email_enabled: true,
            sms_enabled: false,
            thresholds: Thresholds::default(),
            alert_types: AlertTypes::default(),
            phone_number: None,
            phone_number_proved: false,
        }
    }
}

impl Preferences {
    /// Where SMS go: a number that is proved.
    pub fn proved_number(&self) -> Option<&str> {
        self.phone_number.as_deref().filter(|_| self.phone_number_proved)
    }

    /// Whether this level of this metric is to be told.
    pub fn want(&self, metric: Metric, level: u64) -> bool {
        let Thresholds { fifty, eighty, ninety, hundred } = self.thresholds;
        let level = match level {
            50 => fifty,
            80 => eighty,
            90 => ninety,
            _ => hundred,
        };
        let metric = match metric {
            Metric::Tokens => self.alert_types.usage_limit,
            Metric::Cost => self.alert_types.cost_threshold,
            Metric::Requests => self.alert_types.rate_limit,
            Metric::ErrorRate => self.alert_types.error_rate,
        };
        level && metric
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    notification_preferences: Option<Preferences>,
}

/// An account's preferences.
pub async fn read(mongo: &Mongo, user_id: &str) -> Result<Preferences, mongo::Error> {
    let find = async |database: Database| {
        let users = database.collection::<Holder>("users");
        users.find_one(doc! {"_id": user_id}).projection(doc! {"notificationPreferences": 1}).await
    };
    let holder = mongo.run(REQUEST_TIMEOUT, find).await?;
    Ok(holder.unwrap_or_default().notification_preferences.unwrap_or_default())
}

/// Keeps an account's preferences. A number stays proved for as long as it stays the same.
pub async fn write(mongo: &Mongo, user_id: &str, mut preferences: Preferences) -> Result<Preferences, Problem> {
    preferences.phone_number_proved = false;
    if preferences.phone_number.is_some() {
        let before = read(mongo, user_id).await?;
        preferences.phone_number_proved = before.phone_number_proved && before.phone_number == preferences.phone_number;
    }
    let value = mongo::to_document(&preferences).map_err(Problem::internal)?;
    let set = async |database: Database| {
        let users = database.collection::<Holder>("users");
        users.update_one(doc! {"_id": user_id}, doc! {"$set": {"notificationPreferences": value}}).await
    };
    mongo.run(REQUEST_TIMEOUT, set).await?;
    Ok(preferences)
}

/// Notes that the account has shown a code that was sent to this number; false when it has another one by now.
pub async fn note_proved(mongo: &Mongo, user_id: &str, number: &str) -> Result<bool, mongo::Error> {
    let set = async |database: Database| {
        let users = database.collection::<Holder>("users");
        let same = doc! {"_id": user_id, "notificationPreferences.phoneNumber": number};
        users.update_one(same, doc! {"$set": {"notificationPreferences.phoneNumberProved": true}}).await
    };
    Ok(mongo.run(REQUEST_TIMEOUT, set).await?.matched_count == 1)
}

fn yes() -> bool {
    true
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn with_a_number(number: &Option<String>) -> impl FnOnce(&bool, &()) -> garde::Result + '_ {
    move |sms, ()| {
        if *sms && number.is_none() { Err(garde::Error::new("needs a phoneNumber")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_way_is_told_only_when_asked_for() {
        let preferences: Preferences = serde_json::from_str("{}").expect("defaults");
        assert_eq!(preferences, Preferences::default());
        assert!(!preferences.want(Metric::Cost, 50) && preferences.want(Metric::Cost, 80));
        let silent: Preferences =
            serde_json::from_str(r#"{"alertTypes":{"costThreshold":false}}"#).expect("preferences");
        assert!(!silent.want(Metric::Cost, 100) && silent.want(Metric::Tokens, 100));
        assert!(serde_json::from_str::<Preferences>(r#"{"thresholds":{"sixty":true}}"#).is_err());
    }
}
