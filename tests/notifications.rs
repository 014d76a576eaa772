//! What somebody is to be told reaches them, once, and leaves no secret behind.

use std::{collections::BTreeSet, time::Duration};

use bson::{Document, doc};
use futures_util::{TryStreamExt, future::join_all};
use jiff::SignedDuration;
use local::deploy::SENDER_EMAIL;
use mongodb::Database;
use serde_json::{Value, json};
use shared::{
    clock,
    notifications::{CAPS, Cap, Channel, Class, Notification, Template},
};
use tests::{
    eventually,
    host::{Function, Outcome},
    proxy::Proxy,
    stack::{Stack, stack},
    wiretap::Wiretap,
};

/// Seconds for the queue, the emulator's poller and the consumer.
const PATIENCE: u64 = 90;

/// An address of the test's own.
fn address() -> String {
    format!("{}@example.com", uuid::Uuid::now_v7().simple())
}

/// A number of the test's own.
fn number() -> String {
    format!("+41{:013}", uuid::Uuid::now_v7().as_u128() % 10_000_000_000_000)
}

fn email(to: &str, template: Template) -> Notification {
    let channel = Channel::Email { to: to.to_owned() };
    Notification { id: uuid::Uuid::now_v7().to_string(), user_id: Some("u".into()), channel, template }
}

fn text_message(to: &str, template: Template) -> Notification {
    let channel = Channel::Sms { to: to.to_owned() };
    Notification { id: uuid::Uuid::now_v7().to_string(), user_id: None, channel, template }
}

fn code(code: &str) -> Template {
    Template::MfaCode { code: code.to_owned(), minutes: 10 }
}

fn event(notifications: &[&Notification]) -> Value {
    let message = |notification: &&Notification| {
        let body = serde_json::to_string(notification).unwrap();
        json!({"messageId": format!("message of {}", notification.id), "body": body})
    };
    json!({"Records": notifications.iter().map(message).collect::<Vec<_>>()})
}

/// The consumer with a database of the test's own.
async fn consumer(stack: &Stack, database: &Database) -> Function {
    consumer_with(&stack.mongodb_uri, database, &stack.aws_endpoint_url, SENDER_EMAIL).await
}

async fn consumer_with(uri: &str, database: &Database, endpoint: &str, sender: &str) -> Function {
    let variables =
        [("MONGODB_URI", uri), ("DB_NAME", database.name()), ("AWS_ENDPOINT_URL", endpoint), ("SENDER_EMAIL", sender)];
    Function::start("send-notifications", &variables).await
}

/// The messages that a batch hands back.
async fn handed_back(function: &Function, event: Value) -> Vec<String> {
    let Outcome::Response(answer) = function.invoke(event).await else { panic!("it failed: {:?}", function.logs()) };
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

async fn record(database: &Database, notification: &Notification) -> Document {
    let found = database.collection::<Document>("notifications").find_one(doc! {"_id": &notification.id}).await;
    found.unwrap().expect("a record")
}

fn field<'a>(record: &'a Document, name: &str) -> &'a str {
    record.get_str(name).unwrap_or_default()
}

#[tokio::test]
async fn what_is_put_into_the_queue_arrives() {
    let stack = stack();
    let (address, number) = (address(), number());
    let link = "https://example.com/reset?token=314159".to_owned();
    let reset = email(&address, Template::PasswordReset { link, minutes: 30 });
    let code = text_message(&number, code("271828"));
    for notification in [&reset, &code, &reset] {
        let body = serde_json::to_string(notification).unwrap();
        stack.sqs().send_message().queue_url(&stack.notifications_queue_url).message_body(body).send().await.unwrap();
    }
    let arrived = async |to: &str| stack.sent_to(to).await.into_iter().next();
    let text = eventually("the text message", PATIENCE, async || arrived(&number).await).await;
    assert_eq!(
        text["Message"],
        "Prompt library: your sign-in code is 271828, valid for 10 minutes. Give it to nobody."
    );
    assert!(text["MessageAttributes"]["AWS.SNS.SMS.SMSType"].to_string().contains("Transactional"), "{text}");
    let mail = eventually("the e-mail", PATIENCE, async || arrived(&address).await).await;
    assert_eq!((&mail["Source"], &mail["Subject"]), (&json!(SENDER_EMAIL), &json!("Choose a new password")));
    assert!(mail["BodyText"].as_str().unwrap().contains("\n\nhttps://example.com/reset?token=314159\n\n"), "{mail}");
    assert!(mail["BodyHtml"].as_str().unwrap().contains("href=\"https://example.com/reset?token=314159\""), "{mail}");
    let database = stack.database().await;
    for notification in [&reset, &code] {
        let sent = async || (field(&record(&database, notification).await, "status") == "sent").then_some(());
        eventually("it is noted", 5, sent).await;
    }
    assert_eq!(stack.sent_to(&address).await.len(), 1);
}

#[tokio::test]
async fn a_notification_is_sent_once_and_neither_record_nor_log_holds_a_secret() {
    let stack = stack();
    let database = stack.scratch().await;
    let function = consumer(&stack, &database).await;
    let (address, number) = (address(), number());
    let link = "https://example.com/reset?token=314159".to_owned();
    let mail = email(&address, Template::PasswordReset { link, minutes: 30 });
    let text = text_message(&number, code("271828"));
    for _ in 0..2 {
        assert!(handed_back(&function, event(&[&mail, &text])).await.is_empty());
    }
    assert_eq!((stack.sent_to(&address).await.len(), stack.sent_to(&number).await.len()), (1, 1));

    let noted = record(&database, &mail).await;
    let fields: Vec<_> = noted.keys().map(String::as_str).collect();
    for name in ["_id", "at", "attempts", "channel", "kind", "status", "userId"] {
        assert!(fields.contains(&name), "{name} in {fields:?}");
    }
    assert_eq!(fields.len(), 7, "{fields:?}");
    assert_eq!((field(&noted, "kind"), field(&noted, "channel")), ("password_reset", "email"));
    assert_eq!((field(&noted, "status"), noted.get_i32("attempts").ok()), ("sent", Some(1)));
    assert!(noted.get_datetime("at").is_ok());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let kept = format!("{noted} {} {}", record(&database, &text).await, function.logs().join("\n"));
    assert!(kept.contains(r#"\"sent\":2"#) && kept.contains(r#"\"skipped\":2"#), "{kept}");
    for secret in [address.as_str(), &number, "314159", "271828", "example.com/reset"] {
        assert!(!kept.contains(secret), "{secret} in {kept}");
    }
}

#[tokio::test]
async fn a_malformed_message_goes_back_alone() {
    let stack = stack();
    let database = stack.scratch().await;
    let function = consumer(&stack, &database).await;
    let address = address();
    let (first, last) = (email(&address, Template::MfaEnabled), email(&address, Template::MfaDisabled));
    let mut event = event(&[&first, &last]);
    let body = format!(r#"{{"id": "x", "channel": {{"kind": "email", "to": "{address}"}}, "template": "271828"}}"#);
    event["Records"].as_array_mut().unwrap().insert(1, json!({"messageId": "malformed", "body": body}));
    assert_eq!(handed_back(&function, event).await, ["malformed"]);
    assert_eq!(stack.sent_to(&address).await.len(), 2);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let log = function.logs().join("\n");
    assert!(log.contains("a message cannot be read") && !log.contains(&address) && !log.contains("271828"), "{log}");
}

#[tokio::test]
async fn without_mongodb_nothing_is_sent_and_nothing_is_lost() {
    let stack = stack();
    let database = stack.scratch().await;
    let proxy = Proxy::to(stack.mongodb_address()).await;
    let uri = proxy.uri();
    let function = consumer_with(&uri, &database, &stack.aws_endpoint_url, SENDER_EMAIL).await;
    let address = address();
    let notification = email(&address, code("271828"));
    proxy.cut();
    let Outcome::Error(error) = function.invoke(event(&[&notification])).await else {
        panic!("an outage must fail the invocation")
    };
    assert!(!error.to_string().contains("mongodb://"));
    assert!(stack.sent_to(&address).await.is_empty());
    proxy.restore();
    assert!(handed_back(&function, event(&[&notification])).await.is_empty());
    assert_eq!(stack.sent_to(&address).await.len(), 1);
}

#[tokio::test]
async fn what_the_provider_refuses_for_good_is_recorded_and_not_tried_again() {
    let stack = stack();
    let database = stack.scratch().await;
    for (sender, reason) in [("stranger@example.com", "MessageRejected"), ("", "SENDER_EMAIL is not set")] {
        let function = consumer_with(&stack.mongodb_uri, &database, &stack.aws_endpoint_url, sender).await;
        let address = address();
        let notification = email(&address, Template::PasswordChanged);
        assert!(handed_back(&function, event(&[&notification])).await.is_empty());
        assert!(stack.sent_to(&address).await.is_empty());
        let noted = record(&database, &notification).await;
        assert_eq!((field(&noted, "status"), field(&noted, "error")), ("failed", reason));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let log = function.logs().join("\n");
        assert!(log.contains(reason) && !log.contains(&address) && !log.contains("stranger"), "{log}");
    }
}

#[tokio::test]
async fn what_a_provider_does_not_accept_for_now_comes_again() {
    let stack = stack();
    let database = stack.scratch().await;
    let (address, number) = (address(), number());
    let mail = email(&address, Template::RefreshTokenReused);
    let text = text_message(&number, code("271828"));
    let away = consumer_with(&stack.mongodb_uri, &database, "http://127.0.0.1:1", SENDER_EMAIL).await;
    assert_eq!(handed_back(&away, event(&[&mail, &text])).await.len(), 2);
    assert_eq!(field(&record(&database, &mail).await, "status"), "failed");

    let function = consumer(&stack, &database).await;
    assert!(handed_back(&function, event(&[&mail, &text])).await.is_empty());
    assert_eq!((stack.sent_to(&address).await.len(), stack.sent_to(&number).await.len()), (1, 1));
    let noted = record(&database, &mail).await;
    assert_eq!((field(&noted, "status"), noted.get_i32("attempts").ok()), ("sent", Some(2)));
    assert!(!noted.contains_key("error"), "{noted}");
}

#[tokio::test]
async fn a_notification_that_another_environment_is_sending_waits_until_that_one_must_be_dead() {
    let stack = stack();
    let database = stack.scratch().await;
    let function = consumer(&stack, &database).await;
    let address = address();
    let notification = email(&address, Template::PasswordChanged);
    let records = database.collection::<Document>("notifications");
    let claimed = doc! {"_id": &notification.id, "status": "sending", "attempts": 1, "at": bson::DateTime::now()};
    records.insert_one(claimed).await.unwrap();
    assert_eq!(handed_back(&function, event(&[&notification])).await, [format!("message of {}", notification.id)]);
    assert!(stack.sent_to(&address).await.is_empty());

    let earlier = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 61_000);
    records.update_one(doc! {"_id": &notification.id}, doc! {"$set": {"at": earlier}}).await.unwrap();
    assert!(handed_back(&function, event(&[&notification, &notification])).await.len() == 1, "the copy waits");
    assert!(handed_back(&function, event(&[&notification])).await.is_empty());
    assert_eq!(stack.sent_to(&address).await.len(), 1);
}

fn alert() -> Template {
    Template::UsageAlert {
        metric: "tokens at evil.example/login".into(),
        period: "the day 2026-11-28".into(),
        level_percent: 80,
        used: "80".into(),
        limit: "100".into(),
    }
}

fn cap(channel: &str, class: Class) -> &'static Cap {
    CAPS.iter().find(|cap| cap.channel == channel && cap.class == class).unwrap()
}

/// Hands these over in batches of ten, each of which is taken as a whole.
async fn deliver(function: &Function, notifications: &[Notification]) {
    for batch in notifications.chunks(10) {
        assert!(handed_back(function, event(&batch.iter().collect::<Vec<_>>())).await.is_empty());
    }
}

async fn kept(database: &Database, collection: &str) -> u64 {
    database.collection::<Document>(collection).count_documents(doc! {}).await.unwrap()
}

/// What the counts say that was not sent.
async fn suppressed(database: &Database) -> i64 {
    let counts = database.collection::<Document>("notification_counts").find(doc! {}).await.unwrap();
    let counts: Vec<Document> = counts.try_collect().await.unwrap();
    counts.iter().filter_map(|count| count.get_i64("suppressed").ok()).sum()
}

/// As many as the cap, or up to twice as many if an hour ended meanwhile.
fn within_the_hour(sent: usize, cap: i64) -> bool {
    let cap = usize::try_from(cap).unwrap();
    (cap..=2 * cap).contains(&sent)
}

#[tokio::test]
async fn a_recipient_gets_no_more_than_the_cap_whoever_asks_and_however_often_it_is_delivered() {
    let stack = stack();
    let database = stack.scratch().await;
    let environments = join_all((0..3).map(|_| consumer(&stack, &database))).await;
    let (address, other) = (address(), address());
    let limit = usize::try_from(cap("email", Class::Warning).hour).unwrap();
    // From accounts of their own, of kinds of their own, to one address.
    let warning = |to: &str, n: usize| {
        let kinds = [Template::PasswordChanged, Template::RefreshTokenReused, Template::MfaEnabled];
        let template = kinds[n % kinds.len()].clone();
        Notification { user_id: Some(format!("u{n}")), ..email(to, template) }
    };
    let asked: Vec<Notification> = (0..3 * limit).map(|n| warning(&address, n)).collect();
    let shares = asked.chunks(limit).zip(&environments);
    join_all(shares.map(|(share, environment)| deliver(environment, share))).await;
    let sent = stack.sent_to(&address).await.len();
    assert!(within_the_hour(sent, cap("email", Class::Warning).hour), "{sent} of {}", asked.len());

    // Once more: what was sent is not sent again, and takes nothing from the cap.
    let records = kept(&database, "notifications").await;
    assert_eq!(records, sent as u64, "what is not sent leaves no record of its own");
    assert_eq!(suppressed(&database).await, i64::try_from(asked.len() - sent).unwrap());
    for environment in &environments {
        deliver(environment, &asked).await;
    }
    assert!(stack.sent_to(&address).await.len() <= 2 * limit);
    // Another recipient has a cap of its own, and so has another class.
    deliver(&environments[0], &[warning(&other, 900), email(&address, code("271828"))]).await;
    assert_eq!(stack.sent_to(&other).await.len(), 1);
    assert!(stack.sent_to(&address).await.iter().any(|mail| mail["Subject"] == "Your sign-in code"));
    let counts = database.collection::<Document>("notification_counts").find(doc! {}).await.unwrap();
    let counts: Vec<Document> = counts.try_collect().await.unwrap();
    assert!(!format!("{counts:?}").contains(&address), "{counts:?}");
}

#[tokio::test]
async fn an_account_causes_no_more_than_the_cap_to_however_many_numbers() {
    let stack = stack();
    let database = stack.scratch().await;
    let function = consumer(&stack, &database).await;
    let cap = cap("sms", Class::Code).hour;
    let asked: Vec<Notification> = (0..3 * cap)
        .map(|_| Notification { user_id: Some("one account".into()), ..text_message(&number(), code("271828")) })
        .collect();
    deliver(&function, &asked).await;
    let mut sent = 0;
    for Notification { channel, .. } in &asked {
        let (Channel::Email { to } | Channel::Sms { to }) = channel;
        sent += stack.sent_to(to).await.len();
    }
    assert!(within_the_hour(sent, cap), "{sent}");
    assert_eq!(suppressed(&database).await, i64::try_from(asked.len() - sent).unwrap());
}

#[tokio::test]
async fn everybody_together_gets_no_more_than_a_days_cap() {
    let stack = stack();
    let database = stack.scratch().await;
    let function = consumer(&stack, &database).await;
    let cap = cap("sms", Class::Code).everybody;
    // Midnight may come.
    let now = clock::now();
    for day in BTreeSet::from([clock::day(now), clock::day(now + SignedDuration::from_hours(1))]) {
        let count = doc! {"_id": format!("sms/code/{day}/all"), "sent": cap, "at": now};
        database.collection::<Document>("notification_counts").insert_one(count).await.unwrap();
    }
    let number = number();
    deliver(&function, &[text_message(&number, code("271828"))]).await;
    assert!(stack.sent_to(&number).await.is_empty());
    let address = address();
    deliver(&function, &[email(&address, code("271828"))]).await;
    assert_eq!(stack.sent_to(&address).await.len(), 1, "mails are counted apart");
}

#[tokio::test]
async fn what_comes_again_after_a_failure_was_counted_once() {
    let stack = stack();
    let database = stack.scratch().await;
    let address = address();
    let away = consumer_with(&stack.mongodb_uri, &database, "http://127.0.0.1:1", SENDER_EMAIL).await;
    let function = consumer(&stack, &database).await;
    let limit = usize::try_from(cap("email", Class::Link).hour).unwrap();
    let link = || email(&address, Template::PasswordReset { link: "https://app.example.com/r".into(), minutes: 30 });
    let asked: Vec<Notification> = (0..limit).map(|_| link()).collect();
    let all: Vec<&Notification> = asked.iter().collect();
    for _ in 0..3 {
        assert_eq!(handed_back(&away, event(&all)).await.len(), limit);
    }
    deliver(&function, &asked).await;
    assert_eq!(stack.sent_to(&address).await.len(), limit, "all of them, after four attempts each");
}

#[tokio::test]
async fn an_sms_goes_to_a_proved_number_of_a_country_that_is_allowed_and_holds_no_text_of_a_user() {
    let stack = stack();
    let database = stack.scratch().await;
    let function = consumer(&stack, &database).await;
    let (proved, unproved) = (number(), number());
    let users = database.collection::<Document>("users");
    for (id, number, is_proved) in [("ada", &proved, true), ("eve", &unproved, false)] {
        let preferences = doc! {"phoneNumber": number, "phoneNumberProved": is_proved};
        users.insert_one(doc! {"_id": id, "notificationPreferences": preferences}).await.unwrap();
    }
    let to = |user: &str, number: &str, template: Template| Notification {
        user_id: Some(user.to_owned()),
        ..text_message(number, template)
    };
    deliver(&function, &[to("ada", &proved, alert()), to("eve", &unproved, alert()), to("eve", &proved, alert())])
        .await;
    deliver(&function, &[text_message(&proved, alert()), to("ada", &proved, Template::PasswordChanged)]).await;
    let texts = stack.sent_to(&proved).await;
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(texts[0]["Message"], "Prompt library: your tokens reached 80 % of the limit (80 of 100).");
    assert!(texts[0]["MessageAttributes"]["AWS.SNS.SMS.MaxPrice"].to_string().contains("0.20"), "{texts:?}");
    assert!(stack.sent_to(&unproved).await.is_empty());

    for (countries, sent) in [("", 0), ("49", 0), ("41", 1)] {
        let number = number();
        let settings = [
            ("MONGODB_URI", stack.mongodb_uri.as_str()),
            ("DB_NAME", database.name()),
            ("AWS_ENDPOINT_URL", &stack.aws_endpoint_url),
            ("SMS_COUNTRIES", countries),
        ];
        let function = Function::start("send-notifications", &settings).await;
        deliver(&function, &[text_message(&number, code("271828"))]).await;
        assert_eq!(stack.sent_to(&number).await.len(), sent, "{countries:?}");
    }
}

#[tokio::test]
async fn a_message_costs_seven_operations_and_a_link_beyond_its_cap_six_and_counts_no_more() {
    let stack = stack();
    let database = stack.scratch().await;
    let wiretap = Wiretap::to(stack.mongodb_address()).await;
    let function = consumer_with(&wiretap.uri(), &database, &stack.aws_endpoint_url, SENDER_EMAIL).await;
    let cap = usize::try_from(cap("email", Class::Link).day).unwrap();
    let resets = database.collection::<Document>("password_resets");
    let address = address();
    for n in 0..=cap {
        let link = "https://app.example.com/r".to_owned();
        let notification = email(&address, Template::PasswordReset { link, minutes: 30 });
        let reset = doc! {"_id": &notification.id};
        resets.insert_one(&reset).await.unwrap();
        wiretap.take();
        let before = stack.sent_to(&address).await.len();
        deliver(&function, &[notification]).await;
        let operations: u64 = wiretap.take().values().sum();
        let sent = stack.sent_to(&address).await.len() > before;
        // The claim, the counts as they are, three of them anew, the commit, what became of it; or the claim, the
        // counts, one of them anew, the claim taken back, the commit, and the link forgotten.
        assert_eq!(operations, if sent { 7 } else { 6 }, "message {n}");
        assert_eq!(resets.count_documents(reset).await.unwrap(), u64::from(sent), "message {n}");
    }
}
