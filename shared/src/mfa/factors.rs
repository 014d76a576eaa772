//! Setting a factor up, sending its codes, and checking them.

use bson::doc;
use garde::Validate;
use jiff::SignedDuration;
use mongodb::{Collection, Database, options::ReturnDocument};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};
use utoipa::ToSchema;

use super::{
    code::Code,
    recovery::{self, RecoverySet},
};
use crate::{
    auth::PasswordAttempt,
    clock::{self, Moment},
    config::ConfigError,
    counters::Counters,
    http::{ClientInfo, Limit, Problem},
    id,
    keys::{self, Cipher, Mac, Seeds},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    notifications::{Channel, Notification, Outbox, SmsCountries, Template},
    rate_limits,
    secrets::Secret,
    users::{Method, MfaRecord, PendingFactor, User, Users},
};

const CODE_MINUTES: i64 = 10;
const ATTEMPTS: i32 = 3;
/// Wrong codes in a row after which none is taken any more: of a million codes, a twenty-thousandth.
const FAILURES: i32 = 50;
/// What the cipher of the apps' secrets is made for.
const MFA_SEED: &str = "MFA_SEED";
const TOTP_LABEL: &str = "mfa/totp";
/// As authenticator apps show it.
const ISSUER: &str = "Prompt library";

/// What a code is for: one sent for one purpose does not serve another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To finish a sign-in, or to show the factor again.
    SignIn,
    /// To prove a factor that is pending.
    Enrol,
    /// To prove the number that alerts go to.
    AlertNumber,
}

/// Which factor to set up.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolRequest {
    /// The factor.
    #[garde(skip)]
    pub method: Method,
    /// For `sms`: the number, E.164 (`+41791234567`).
    #[garde(inner(custom(e164)))]
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    pub phone_number: Option<String>,
    /// The account's password: an access token alone, which may be stolen, puts no factor on.
    #[garde(skip)]
    #[schema(value_type = String, format = "password")]
    pub password: PasswordAttempt,
}

/// How to go on with setting up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enrolment {
    /// Always true: a code turns it on.
    pub pending: bool,
    /// The factor.
    pub method: Method,
    /// For `totp`: what the app scans or the person types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otpauth_url: Option<String>,
    /// For `sms` and `email`: until when the code that was sent counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
}

/// Whether there is a second factor.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaStatus {
    /// Whether signing in asks for it.
    pub enabled: bool,
    /// The factor.
    pub method: Option<Method>,
    /// Where its codes go, all but the end hidden.
    pub destination: Option<String>,
    /// One that waits to be proven.
    pub pending: Option<Method>,
    /// Recovery codes that are left.
    pub recovery_codes_left: usize,
}

/// `mfa_codes`: the one live code of a purpose.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveCode {
    #[serde(rename = "_id")]
    id: String,
    code_hmac: String,
    attempts: i32,
    expires_at: Moment,
    user_id: String,
    purpose: String,
}

pub struct Mfa {
    mongo: Mongo,
    counters: Counters,
    mac: Secret<Mac>,
    cipher: Secret<Cipher>,
    outbox: Outbox,
    countries: SmsCountries,
}

impl Mfa {
    /// Reads `MFA_SEED` and where notifications go.
    pub fn from_env(mongo: &Mongo, counters: &Counters) -> Result<Self, ConfigError> {
        Ok(Self {
            mongo: mongo.clone(),
            counters: counters.clone(),
            mac: Secret::from_env(MFA_SEED, |text| Ok(Seeds::parse(text)?.mac("mfa/codes")))?,
            cipher: totp_cipher()?,
            outbox: Outbox::from_env()?,
            countries: SmsCountries::from_env()?,
        })
    }

    /// Begins to set a factor up; 409 while one is on. The caller has checked the password.
    pub async fn enrol(
        &self,
        client: &ClientInfo,
        users: &Users,
        user: &User,
        request: EnrolRequest,
    ) -> Result<Enrolment, Problem> {
        if user.mfa.method.is_some() {
            return Err(Problem::conflict("mfa_enabled", "A second factor is on: disable it first."));
        }
        let EnrolRequest { method, phone_number, .. } = request;
        if (method == Method::Sms) != phone_number.is_some() {
            return Err(Problem::invalid_field("phoneNumber", "goes with the method sms, and with it alone"));
        }
        let totp = (method == Method::Totp).then(|| totp(&keys::random::<20>(), &user.email));
        let otpauth_url = totp.as_ref().and_then(|totp| totp.to_url().ok());
        let sealed = match totp {
            Some(totp) => Some(self.cipher.get().await?.seal(&totp.secret().to_base32(), &user.id)),
            None => None,
        };
        let pending = PendingFactor { method, phone: phone_number, totp: sealed };
        let channel = channel(method, pending.phone.as_deref(), &user.email);
        if let Some(channel) = &channel {
            self.limit(client, Purpose::Enrol, channel).await?;
        }
        let record = mongo::to_document(&pending).map_err(Problem::internal)?;
        users.change(&user.id, doc! {"$set": {"mfa.pending": record}}).await?;
        let expires_at = match channel {
            Some(channel) => Some(self.send_to(&user.id, Purpose::Enrol, channel).await?),
            None => None,
        };
        Ok(Enrolment { pending: true, method, otpauth_url, expires_at })
    }

    /// Sends a code for the factor that is on, or pending; returns until when it counts. 409 when there is
    /// none that codes are sent for.
    pub async fn send(&self, client: &ClientInfo, user: &User) -> Result<Moment, Problem> {
        let mfa = &user.mfa;
        let (purpose, channel) = match (&mfa.method, &mfa.pending) {
            (Some(method), _) => (Purpose::SignIn, channel(*method, mfa.phone.as_deref(), &user.email)),
            (None, Some(pending)) => (Purpose::Enrol, channel(pending.method, pending.phone.as_deref(), &user.email)),
            (None, None) => (Purpose::SignIn, None),
        };
        let channel =
            channel.ok_or_else(|| Problem::conflict("no_code_to_send", "No factor of yours needs a code sent."))?;
        self.limit(client, purpose, &channel).await?;
        self.send_to(&user.id, purpose, channel).await
    }

    /// Sends a code to a number that alerts are to go to; returns until when it counts.
    pub async fn send_to_number(&self, client: &ClientInfo, user_id: &str, number: &str) -> Result<Moment, Problem> {
        let channel = Channel::Sms { to: number.to_owned() };
        self.limit(client, Purpose::AlertNumber, &channel).await?;
        self.send_to(user_id, Purpose::AlertNumber, channel).await
    }

    /// Whether `code` was sent to this number by [`Mfa::send_to_number`].
    pub async fn proves_number(&self, user_id: &str, number: &str, code: &Code) -> Result<bool, mongo::Error> {
        let Code::Digits(digits) = code else { return Ok(false) };
        let channel = Channel::Sms { to: number.to_owned() };
        self.use_sent_code(user_id, Purpose::AlertNumber, &channel, digits.expose_secret()).await
    }

    /// Whether `code` shows the factor that is on: one of the app, one that was sent, or a recovery code.
    pub async fn check(&self, users: &Users, user: &User, code: &Code) -> Result<bool, mongo::Error> {
        let Code::Digits(digits) = code else {
            return self.use_recovery_code(users, user, code.expose()).await;
        };
        let Some(method) = user.mfa.method else { return Ok(false) };
        match channel(method, user.mfa.phone.as_deref(), &user.email) {
            Some(channel) => self.use_sent_code(&user.id, Purpose::SignIn, &channel, digits.expose_secret()).await,
            None => self.use_totp(users, user, digits.expose_secret()).await,
        }
    }

    /// Counts a code that somebody is about to show, as the failure that it may become. 403 after [`FAILURES`] in a row,
    /// of which the owner is told; true for the last one before that.
    pub async fn count_failure(&self, users: &Users, user: &User) -> Result<bool, Problem> {
        let guard = doc! {"$or": [{"mfa.failures": null}, {"mfa.failures": {"$lt": FAILURES}}]};
        let counted = users.change_if(&user.id, guard, doc! {"$inc": {"mfa.failures": 1}}).await?;
        Ok(counted.ok_or_else(stopped)?.mfa.failures == FAILURES)
    }

    /// A code was right: no failure before it counts, and whoever has the factor has not lost it.
    pub async fn forget_failures(&self, users: &Users, user: &User) -> Result<(), mongo::Error> {
        let mut update = doc! {"$set": {"mfa.failures": 0}, "$unset": {"mfa.resetAt": ""}};
        if user.mfa.method == Some(Method::Email) && user.email_verified_at.is_none() {
            // A code that came by mail proves the address.
            update.insert("$min", doc! {"emailVerifiedAt": clock::now()});
        }
        users.change(&user.id, update).await.map(drop)
    }

    /// Turns the pending factor on if `code` proves it; returns the recovery codes, which are never shown
    /// again.
    pub async fn prove(&self, users: &Users, user: &User, code: &Code) -> Result<Option<Vec<String>>, Problem> {
        let Some(pending) = &user.mfa.pending else { return Ok(None) };
        let code = code.expose();
        let step = if let Some(channel) = channel(pending.method, pending.phone.as_deref(), &user.email) {
            self.use_sent_code(&user.id, Purpose::Enrol, &channel, code).await?.then_some(0)
        } else {
            let cipher = self.cipher.get().await?;
            pending.totp.as_deref().and_then(|sealed| totp_step(&cipher, sealed, &user.id, code))
        };
        let Some(step) = step else { return Ok(None) };
        let (codes, recovery) = RecoverySet::generate();
        let record = MfaRecord {
            method: Some(pending.method),
            phone: pending.phone.clone(),
            totp: pending.totp.clone(),
            totp_step: step,
            recovery: recovery.hashes,
            recovery_salt: Some(recovery.salt),
            ..MfaRecord::default()
        };
        let mut set = doc! {"mfa": mongo::to_document(&record).map_err(Problem::internal)?};
        if pending.method == Method::Email && user.email_verified_at.is_none() {
            // A code that came by mail proves the address.
            set.insert("emailVerifiedAt", clock::now());
        }
        let proven = users.change_if(&user.id, doc! {"mfa.method": null}, doc! {"$set": set}).await?;
        Ok(proven.map(|_| codes))
    }

    /// Turns the factor off. The caller has checked a code.
    pub async fn disable(&self, users: &Users, user: &User) -> Result<(), Problem> {
        let off = mongo::to_document(&MfaRecord::default()).map_err(Problem::internal)?;
        users.change(&user.id, doc! {"$set": {"mfa": off}}).await?;
        Ok(())
    }

    /// Tells the account's owner that the factor is on, or off.
    pub async fn notify(&self, user: &User, template: Template) {
        self.outbox.notify(&user.id, user.proved_email().as_ref(), template).await;
    }

    /// The state, as its owner sees it.
    pub fn status(user: &User) -> MfaStatus {
        let mfa = &user.mfa;
        let destination = match mfa.method {
            Some(Method::Sms) => mfa.phone.as_deref().map(masked),
            Some(Method::Email) => Some(masked(&user.email)),
            _ => None,
        };
        MfaStatus {
            enabled: mfa.method.is_some(),
            method: mfa.method,
            destination,
            pending: mfa.pending.as_ref().map(|pending| pending.method),
            recovery_codes_left: mfa.recovery.len(),
        }
    }

    /// Whether SMS are sent to a number: 422 if not.
    pub fn check_country(&self, number: &str) -> Result<(), Problem> {
        self.countries.check(number)
    }

    /// Text messages cost money, and whoever is paid for those to a number would have them sent. Those to
    /// a number that nobody has proved are counted apart: they keep nobody from signing in.
    async fn limit(&self, client: &ClientInfo, purpose: Purpose, channel: &Channel) -> Result<(), Problem> {
        match channel {
            Channel::Sms { to } => {
                self.check_country(to)?;
                let number = keys::sha256(to);
                match purpose {
                    Purpose::SignIn => self.counters.check(&rate_limits::MfaSendNumber::POLICY, client, &number).await,
                    Purpose::Enrol | Purpose::AlertNumber => {
                        self.counters.check(&rate_limits::MfaProveNumber::POLICY, client, &number).await
                    }
                }
            }
            Channel::Email { .. } => Ok(()),
        }
    }

    async fn send_to(&self, user_id: &str, purpose: Purpose, channel: Channel) -> Result<Moment, Problem> {
        let code = six_digits();
        let expires = clock::now() + SignedDuration::from_mins(CODE_MINUTES);
        let hmac = self.mac.get().await?.sign(&bound(user_id, purpose, &channel, &code));
        let live = live_code(user_id, purpose, hmac, expires);
        // One document per person and purpose: a new code ends the one before.
        let put = async |database| codes(&database).replace_one(doc! {"_id": &live.id}, &live).upsert(true).await;
        self.mongo.run(REQUEST_TIMEOUT, put).await?;
        let minutes = CODE_MINUTES.unsigned_abs();
        let template = match purpose {
            Purpose::SignIn => Template::MfaCode { code, minutes },
            Purpose::Enrol => Template::FactorCode { code, minutes },
            Purpose::AlertNumber => Template::NumberCode { code, minutes },
        };
        let notification = Notification { id: id::new(), user_id: Some(user_id.to_owned()), channel, template };
        self.outbox.send(&[notification]).await?;
        Ok(expires)
    }

    /// Counts the attempt first, then compares; of two callers with the right code, the one who removes
    /// it wins.
    async fn use_sent_code(
        &self,
        user_id: &str,
        purpose: Purpose,
        channel: &Channel,
        code: &str,
    ) -> Result<bool, mongo::Error> {
        let (mac, now) = (self.mac.get().await?, clock::now());
        let live = doc! {"_id": key(user_id, purpose), "attempts": {"$lt": ATTEMPTS}, "expiresAt": {"$gt": now}};
        let attempt = async |database: Database| {
            let count = doc! {"$inc": {"attempts": 1}};
            codes(&database).find_one_and_update(live, count).return_document(ReturnDocument::After).await
        };
        let Some(live) = self.mongo.run(REQUEST_TIMEOUT, attempt).await? else { return Ok(false) };
        if !mac.verify(&bound(user_id, purpose, channel, code), &live.code_hmac) {
            return Ok(false);
        }
        let used = doc! {"_id": live.id, "codeHmac": live.code_hmac};
        let remove = async |database| codes(&database).delete_one(used).await;
        Ok(self.mongo.run(REQUEST_TIMEOUT, remove).await?.deleted_count == 1)
    }

    async fn use_totp(&self, users: &Users, user: &User, code: &str) -> Result<bool, mongo::Error> {
        let sealed = user.mfa.totp.as_deref().unwrap_or_default();
        let Some(step) = totp_step(&*self.cipher.get().await?, sealed, &user.id, code) else { return Ok(false) };
        // A code counts once (RFC 6238 §5.2): whoever moves the step on has used it.
        let guard = doc! {"mfa.totpStep": {"$lt": step}};
        Ok(users.change_if(&user.id, guard, doc! {"$set": {"mfa.totpStep": step}}).await?.is_some())
    }

    async fn use_recovery_code(&self, users: &Users, user: &User, code: &str) -> Result<bool, mongo::Error> {
        let kept = match &user.mfa.recovery_salt {
            Some(salt) => vec![recovery::hash(code, salt)],
            // A set from before they had a slow hash.
            None => self.mac.get().await?.codes(code),
        };
        let one = doc! {"$in": kept};
        let guard = doc! {"mfa.recovery": &one};
        Ok(users.change_if(&user.id, guard, doc! {"$pull": {"mfa.recovery": one}}).await?.is_some())
    }
}

/// The time step that the code is of, if it is of one about now.
fn totp_step(cipher: &Cipher, sealed: &str, user_id: &str, code: &str) -> Option<i64> {
    let secret = cipher.open(sealed, user_id)?;
    let secret = totp_rs::Secret::try_from_base32(secret.expose_secret()).ok()?;
    let now = u64::try_from(clock::now().as_second()).ok()?;
    let step = totp(secret.as_bytes(), "account").check(code, now)?;
    i64::try_from(step).ok()
}

fn stopped() -> Problem {
    let detail = "Too many wrong codes: choose a new password by a mailed link, after which codes count again.";
    Problem::forbidden("factor_stopped", detail)
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "signIn",
            Self::Enrol => "enrol",
            Self::AlertNumber => "alertNumber",
        }
    }
}

fn totp(secret: &[u8], account: &str) -> Totp {
    // A colon would end the name in the app's link.
    let account = account.replace(':', "_");
    Builder::new()
        .with_secret(secret.to_vec())
        .with_account_name(account)
        .with_issuer(Some(ISSUER))
        .build_noncompliant()
}

fn channel(method: Method, phone: Option<&str>, email: &str) -> Option<Channel> {
    match method {
        Method::Totp => None,
        Method::Sms => phone.map(|phone| Channel::Sms { to: phone.to_owned() }),
        Method::Email => Some(Channel::Email { to: email.to_owned() }),
    }
}

/// 000000 to 999999, each as likely: what is beyond the last whole million is drawn again.
fn six_digits() -> String {
    loop {
        let drawn = u32::from_be_bytes(keys::random());
        if drawn < u32::MAX - u32::MAX % 1_000_000 {
            return format!("{:06}", drawn % 1_000_000);
        }
    }
}

/// What the HMAC is of: a code sent for one factor does not open the next one.
fn bound(user_id: &str, purpose: Purpose, channel: &Channel, code: &str) -> String {
    let (Channel::Sms { to } | Channel::Email { to }) = channel;
    format!("{user_id}|{}|{}|{to}|{code}", purpose.name(), channel.kind())
}

fn live_code(user_id: &str, purpose: Purpose, code_hmac: String, expires_at: Moment) -> LiveCode {
    let (id, user_id, purpose) = (key(user_id, purpose), user_id.to_owned(), purpose.name().to_owned());
    LiveCode { id, code_hmac, attempts: 0, expires_at, user_id, purpose }
}

fn key(user_id: &str, purpose: Purpose) -> String {
    format!("{user_id}/{}", purpose.name())
}

/// `+4********67`; of an address, what is before the `@` but its first letter is hidden.
fn masked(text: &str) -> String {
    if let Some((local, domain)) = text.split_once('@') {
        return format!("{}***@{domain}", local.chars().next().unwrap_or_default());
    }
    let end: String = text.chars().skip(text.chars().count().saturating_sub(2)).collect();
    format!("{}********{end}", text.chars().take(2).collect::<String>())
}

/// A number in E.164 form.
pub fn e164(number: &str, _: &()) -> garde::Result {
    let digits = number.strip_prefix('+').unwrap_or_default();
    let good =
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if good { Ok(()) } else { Err(garde::Error::new("must be a number in E.164 form, such as +41791234567")) }
}

/// What seals the secrets of authenticator apps, each for its account's id. Reads `MFA_SEED`: a
/// seed, or the new and the old one.
pub fn totp_cipher() -> Result<Secret<Cipher>, ConfigError> {
    Secret::from_env(MFA_SEED, |text| Ok(Seeds::parse(text)?.cipher(TOTP_LABEL)))
}

fn codes(database: &Database) -> Collection<LiveCode> {
    database.collection("mfa_codes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_code_that_is_sent_is_six_digits() {
        let codes: HashSet<_> = (0..200).map(|_| six_digits()).collect();
        assert!(codes.len() > 190 && codes.iter().all(|code| code.len() == 6 && code.parse::<u32>().is_ok()));
        assert!(codes.iter().all(|code| matches!(Code::parse(code), Some(Code::Digits(_)))));
    }

    #[test]
    fn a_code_counts_for_the_person_the_purpose_and_the_destination_that_it_was_sent_for() {
        let mac = keys::Seed::from("a seed of thirty-two characters!").mac("mfa/codes");
        let sms = |to: &str| Channel::Sms { to: to.into() };
        let sent = mac.sign(&bound("u", Purpose::Enrol, &sms("+41791234567"), "314159"));
        assert!(mac.verify(&bound("u", Purpose::Enrol, &sms("+41791234567"), "314159"), &sent));
        for other in [
            bound("v", Purpose::Enrol, &sms("+41791234567"), "314159"),
            bound("u", Purpose::SignIn, &sms("+41791234567"), "314159"),
            bound("u", Purpose::Enrol, &sms("+41791234568"), "314159"),
            bound("u", Purpose::Enrol, &Channel::Email { to: "+41791234567".into() }, "314159"),
        ] {
            assert!(!mac.verify(&other, &sent), "{other}");
        }
    }

    #[test]
    fn a_number_is_e164_and_what_is_shown_of_it_is_its_end() {
        assert!(e164("+41791234567", &()).is_ok());
        for number in ["", "41791234567", "+0791234567", "+41 79 123", "+12", "+1234567890123456", "+4179123456a"] {
            assert!(e164(number, &()).is_err(), "{number}");
        }
        assert_eq!(masked("+41791234567"), "+4********67");
        assert_eq!(masked("ada@example.com"), "a***@example.com");
    }

    #[test]
    fn the_apps_code_is_rfc_6238s() {
        // The RFC's own secret; its eight digits at 59 s are 94287082.
        let totp = totp(b"12345678901234567890", "a:b");
        assert_eq!(totp.check("287082", 59), Some(1));
        assert!(totp.check("287083", 59).is_none());
        assert!(totp.to_url().expect("a link").starts_with("otpauth://totp/"));
    }

    #[test]
    fn a_code_that_was_sent_expires() {
        crate::schema::tests::assert_expires("mfa_codes", &live_code("u", Purpose::Enrol, String::new(), clock::now()));
    }
}
