//! Alerts: what is told about usage, to whom, and how often.

use std::collections::{BTreeMap, BTreeSet};

use bson::{Document, doc};
use futures_util::{TryStreamExt, future::join_all};
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    eventually,
    host::{Function, Outcome},
    own_queue::OwnQueue,
    test_env::{Person, TestEnv},
    usage_records::{consume, record, run},
};

/// Sets an alert up, and tells its id.
async fn alert(alerts: &Function, person: &Person, body: Value) -> String {
    let made = alerts.post_as(&person.token, "/api/usage-alerts", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["id"].as_str().unwrap().to_owned()
}

/// What fired of an alert: the period's first day, and the level.
async fn fired(env: &TestEnv, alert: &str) -> BTreeSet<(String, i64)> {
    let firings =
        env.database.collection::<Document>("usage_alert_firings").find(doc! {"alertId": alert}).await.unwrap();
    let firings: Vec<Document> = firings.try_collect().await.unwrap();
    let of = |firing: &Document| (firing.get_str("periodStart").unwrap().to_owned(), firing.get_i64("level").unwrap());
    firings.iter().map(of).collect()
}

fn levels(day: &str, levels: &[i64]) -> BTreeSet<(String, i64)> {
    levels.iter().map(|level| (day.to_owned(), *level)).collect()
}

/// A number of the test's own.
fn number() -> String {
    format!("+41{:013}", uuid::Uuid::now_v7().as_u128() % 10_000_000_000_000)
}

async fn replace_preferences(env: &TestEnv, person: &Person, body: &Value) {
    let authorization = format!("Bearer {}", person.token);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let route = env.function("user-preferences").await;
    let put = route.send("PUT", "/api/user/notification-preferences", &headers, Some(&body.to_string())).await;
    assert_eq!(put.status, 200, "{}", put.text);
}

/// The mails that somebody got, by subject, once there are as many.
async fn mails(env: &TestEnv, person: &Person, number: usize) -> BTreeMap<String, String> {
    let mails = eventually("the mails", 60, async || {
        let mails = env.stack.sent_to(&person.email).await;
        (mails.len() >= number).then_some(mails)
    })
    .await;
    assert_eq!(mails.len(), number, "{mails:?}");
    let text = |mail: &Value, field: &str| mail[field].as_str().unwrap().to_owned();
    mails.iter().map(|mail| (text(mail, "Subject"), text(mail, "BodyText"))).collect()
}

#[tokio::test]
async fn an_alert_fires_once_a_level_and_period_whoever_runs_the_check() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let alerts = env.function("usage-alerts").await;
    let id = alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 10})).await;
    alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 1, "provider": "other"})).await;
    let consumer = env.function("write-events").await;
    let at = |hour: u32| format!("2028-02-29T{hour:02}:00:00Z");
    let used: Vec<Value> = (0..8).map(|n| record(&ada.id, n, &at(9))).collect();
    consume(&consumer, &used).await;
    let checks = join_all((0..3).map(|_| env.function("check-usage-alerts"))).await;
    let now = at(10);
    let first = join_all(checks.iter().map(|check| run(check, &now))).await;
    let fired: u64 = first.iter().map(|run| run["fired"].as_u64().unwrap()).sum();
    assert_eq!(fired, 2, "50 and 80 %, once, by three at once: {first:?}");
    assert_eq!(run(&checks[0], &at(11)).await["fired"], 0, "nothing new");
    let more: Vec<Value> = (10..12).map(|n| record(&ada.id, n, &at(11))).collect();
    consume(&consumer, &more).await;
    assert_eq!(run(&checks[0], &at(12)).await["fired"], 2, "90 and 100 %");
    let tomorrow: Vec<Value> = (20..25).map(|n| record(&ada.id, n, "2028-03-01T09:00:00Z")).collect();
    consume(&consumer, &tomorrow).await;
    assert_eq!(run(&checks[0], "2028-03-01T10:00:00Z").await["fired"], 1, "a new day, 50 %");

    // By default 50 % is not told; of 90 and 100 % together the higher one.
    let mails = mails(&env, &ada, 2).await;
    assert!(mails.keys().any(|s| s.contains("80 %")) && mails.keys().any(|s| s.contains("100 %")), "{mails:?}");
    let path = format!("/api/usage-alerts/{id}");
    let off = alerts.patch_as(&ada.token, &path, "", &json!({"active": false})).await;
    assert_eq!((off.status, &off.body["active"]), (200, &json!(false)));
    assert_eq!(alerts.delete_as(&ada.token, &path).await.status, 204);
    assert_eq!(alerts.delete_as(&ada.token, &path).await.status, 404);
}

/// A use of 100 tokens and 1,000 micro-dollars.
fn use_at(user: &str, number: usize, at: &str, provider: &str, key: Option<&str>, success: bool) -> Value {
    let mut record = record(user, number, at);
    record["provider"] = json!(provider);
    record["promptTokens"] = json!(60);
    record["completionTokens"] = json!(40);
    (record["costMicros"], record["costPicos"]) = (json!(1_000), json!(0));
    record["priced"] = json!(true);
    record["success"] = json!(success);
    if let Some(key) = key {
        record["keyId"] = json!(key);
    }
    record
}

#[tokio::test]
async fn every_metric_and_period_is_watched_of_all_use_a_key_or_a_provider() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let alerts = env.function("usage-alerts").await;
    let set_up = async |metric: &str, period: &str, threshold: u64, of: Value| {
        let mut body = json!({"metric": metric, "period": period, "threshold": threshold});
        body.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        alert(&alerts, &ada, body).await
    };
    let tokens = set_up("tokens", "daily", 600, json!({})).await;
    let cost = set_up("cost", "monthly", 10_000, json!({})).await;
    let rate = set_up("errorRate", "weekly", 20, json!({})).await;
    let by_key = set_up("requests", "weekly", 2, json!({"keyId": "k1"})).await;
    let at_provider = set_up("requests", "daily", 6, json!({"provider": "q"})).await;
    let by_key_at_provider = set_up("requests", "daily", 1, json!({"keyId": "k1", "provider": "p"})).await;
    // Four on Monday, the last of February; six on Wednesday: a week's use in two months. One of each fails.
    let (monday, wednesday) = ("2028-02-28T12:00:00Z", "2028-03-01T11:00:00Z");
    let mut used: Vec<Value> = (0..4).map(|n| use_at(&ada.id, n, monday, "p", None, n > 0)).collect();
    used.extend((4..7).map(|n| use_at(&ada.id, n, wednesday, "p", None, n > 4)));
    used.extend((7..10).map(|n| use_at(&ada.id, n, wednesday, "q", (n > 7).then_some("k1"), true)));
    consume(&env.function("write-events").await, &used).await;
    run(&env.function("check-usage-alerts").await, "2028-03-01T12:00:00Z").await;

    let all = [50, 80, 90, 100];
    assert_eq!(fired(&env, &tokens).await, levels("2028-03-01", &all), "600 of 600; Monday is over");
    assert_eq!(fired(&env, &cost).await, levels("2028-03-01", &[50]), "4,000 and 6,000 of 10,000");
    assert_eq!(fired(&env, &rate).await, levels("2028-02-28", &all), "2 of 10 of a week: 20 %");
    assert_eq!(fired(&env, &by_key).await, levels("2028-02-28", &all), "2 of 2");
    assert_eq!(fired(&env, &at_provider).await, levels("2028-03-01", &[50]), "3 of 6");
    assert_eq!(fired(&env, &by_key_at_provider).await, BTreeSet::new());

    let mails = mails(&env, &ada, 3).await;
    for (subject, text) in [
        (
            "Your tokens reached 100 % of the limit",
            "Your tokens for the day 2028-03-01 reached 100 % of the limit: 600 of 600.",
        ),
        (
            "Your error rate reached 100 % of the limit",
            "Your error rate for the week from 2028-02-28 reached 100 % of the limit: 20.00 % of 20 %.",
        ),
        (
            "Your requests by the key k1 reached 100 % of the limit",
            "Your requests by the key k1 for the week from 2028-02-28 reached 100 % of the limit: 2 of 2.",
        ),
    ] {
        assert!(mails[subject].starts_with(text), "{subject}: {mails:?}");
    }
}

#[tokio::test]
async fn what_comes_in_a_days_last_minutes_is_told_and_of_days_that_are_over_nothing() {
    let env = TestEnv::new().await;
    let (ada, alerts) = (env.person(Role::User, None).await, env.function("usage-alerts").await);
    let (consumer, check) = (env.function("write-events").await, env.function("check-usage-alerts").await);
    let id = alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 10})).await;
    let on = |day: &str, numbers: std::ops::Range<usize>| -> Vec<Value> {
        numbers.map(|n| record(&ada.id, n, &format!("{day}T23:50:00Z"))).collect()
    };
    assert_eq!(run(&check, "2028-02-29T23:15:00Z").await["fired"], 0);
    consume(&consumer, &on("2028-02-29", 0..8)).await;
    assert_eq!(run(&check, "2028-03-01T00:15:00Z").await["fired"], 2, "50 and 80 % of the day before");
    consume(&consumer, &on("2028-02-29", 8..10)).await;
    assert_eq!(run(&check, "2028-03-01T02:15:00Z").await["fired"], 0, "it is over");

    // Eight days at once, as a client may date its records.
    for day in 1..=8 {
        consume(&consumer, &on(&format!("2028-03-0{day}"), 100 * day..100 * day + 10)).await;
    }
    let checked = run(&check, "2028-03-08T23:55:00Z").await;
    assert_eq!(
        (&checked["fired"], &checked["told"]),
        (&json!(4), &json!(1)),
        "of the day that is open alone: {checked}"
    );
    let of_both = levels("2028-02-29", &[50, 80]).union(&levels("2028-03-08", &[50, 80, 90, 100])).cloned().collect();
    assert_eq!(fired(&env, &id).await, of_both);

    // A new alert, or a changed one, is about what comes.
    let new = alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 1})).await;
    let tomorrow = "2028-03-09T00:00:00Z".parse::<clock::Moment>().unwrap();
    let set = doc! {"$set": {"createdAt": tomorrow}};
    env.database.collection::<Document>("usage_alerts").update_one(doc! {"_id": &new}, set).await.unwrap();
    assert_eq!(run(&check, "2028-03-08T23:55:00Z").await["fired"], 0);
}

#[tokio::test]
async fn a_raised_threshold_is_told_by_itself_in_the_same_period() {
    let env = TestEnv::new().await;
    let (ada, alerts) = (env.person(Role::User, None).await, env.function("usage-alerts").await);
    let (consumer, check) = (env.function("write-events").await, env.function("check-usage-alerts").await);
    let id = alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 10})).await;
    let set = async |threshold: u64| {
        let path = format!("/api/usage-alerts/{id}");
        assert_eq!(alerts.patch_as(&ada.token, &path, "", &json!({"threshold": threshold})).await.status, 200);
    };
    let use_up_to = async |from: usize, until: usize| {
        let used: Vec<Value> = (from..until).map(|n| record(&ada.id, n, "2028-02-29T09:00:00Z")).collect();
        consume(&consumer, &used).await;
    };
    let checked = async |hour: u32| {
        let checked = run(&check, &format!("2028-02-29T{hour}:00:00Z")).await;
        (checked["fired"].as_u64().unwrap(), checked["told"].as_u64().unwrap())
    };
    use_up_to(0, 10).await;
    assert_eq!(checked(10).await, (4, 1), "100 % of 10");
    set(50).await;
    assert_eq!(checked(11).await, (0, 0), "20 % of 50");
    use_up_to(10, 26).await;
    assert_eq!(checked(12).await, (1, 0), "52 % of 50, of which nobody asked to hear");
    use_up_to(26, 40).await;
    assert_eq!(checked(13).await, (1, 1), "80 % of 50");
    set(10).await;
    assert_eq!(checked(14).await, (0, 0), "as it was: told already");
    let mails = mails(&env, &ada, 2).await;
    for (level, used) in [(100, "10 of 10"), (80, "40 of 50")] {
        let text = format!("Your requests for the day 2028-02-29 reached {level} % of the limit: {used}.");
        let mail = &mails[&format!("Your requests reached {level} % of the limit")];
        assert!(mail.starts_with(&text), "{mail}");
    }
}

#[tokio::test]
async fn preferences_say_who_is_told_what() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Free, None).await;
    let preferences = env.function("user-preferences").await;
    let path = "/api/user/notification-preferences";
    let shown = preferences.get_as(&ada.token, path).await;
    assert_eq!((&shown.body["emailEnabled"], &shown.body["thresholds"]["fifty"]), (&json!(true), &json!(false)));
    let authorization = format!("Bearer {}", ada.token);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let put = async |body: Value| preferences.send("PUT", path, &headers, Some(&body.to_string())).await;
    let without = put(json!({"smsEnabled": true})).await;
    assert_eq!((without.status, without.fields()), (422, vec!["smsEnabled"]));
    assert_eq!(put(json!({"phoneNumber": "12"})).await.fields(), ["phoneNumber"]);
    assert_eq!(put(json!({"admin": true})).await.status, 422);
    assert_eq!(put(json!({"emailEnabled": false})).await.status, 200);
    assert_eq!(preferences.get_as(&ada.token, path).await.body["emailEnabled"], false);

    let alerts = env.function("usage-alerts").await;
    alert(&alerts, &ada, json!({"metric": "requests", "period": "monthly", "threshold": 1})).await;
    consume(&env.function("write-events").await, &[record(&ada.id, 0, "2028-02-29T09:00:00Z")]).await;
    let checked = run(&env.function("check-usage-alerts").await, "2028-02-29T10:00:00Z").await;
    assert_eq!((&checked["fired"], &checked["told"]), (&json!(4), &json!(0)), "{checked}");
}

#[tokio::test]
async fn of_several_levels_the_highest_that_is_wanted_is_told() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    replace_preferences(&env, &ada, &json!({"thresholds": {"hundred": false}})).await;
    let alerts = env.function("usage-alerts").await;
    alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 1})).await;
    consume(&env.function("write-events").await, &[record(&ada.id, 0, "2028-02-29T09:00:00Z")]).await;
    let checked = run(&env.function("check-usage-alerts").await, "2028-02-29T10:00:00Z").await;
    assert_eq!((&checked["fired"], &checked["told"]), (&json!(4), &json!(1)), "{checked}");
    let mails = mails(&env, &ada, 1).await;
    assert!(mails.keys().all(|subject| subject.contains("90 %")), "{mails:?}");
}

#[tokio::test]
async fn what_fires_while_the_queue_is_away_is_told_once_when_it_is_back() {
    let env = TestEnv::new().await;
    let (queue, alerts) = (OwnQueue::new(&env.stack).await, env.function("usage-alerts").await);
    // More than are told at a time.
    let mut used = Vec::new();
    for n in 0..13 {
        let person = env.person(Role::User, None).await;
        for threshold in 1..=20 {
            alert(&alerts, &person, json!({"metric": "requests", "period": "daily", "threshold": threshold})).await;
        }
        used.extend((0..20).map(|number| record(&person.id, 100 * n + number, "2028-02-29T09:00:00Z")));
    }
    consume(&env.function("write-events").await, &used).await;
    let away = [("NOTIFICATIONS_QUEUE_URL", queue.url.as_str()), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    let check = env.function_with("check-usage-alerts", &away).await;
    for at in ["2028-02-29T10:00:00Z", "2028-02-29T11:00:00Z"] {
        let outcome = check.invoke(json!({"at": at})).await;
        assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
    }
    let check = env.function_with("check-usage-alerts", &away[..1]).await;
    let checked = run(&check, "2028-02-29T12:00:00Z").await;
    assert_eq!((&checked["fired"], &checked["told"]), (&json!(0), &json!(260)), "{checked}");
    assert_eq!(run(&check, "2028-02-29T13:00:00Z").await["told"], 0);
    let messages = queue.messages().await;
    queue.delete().await;
    let ids: BTreeSet<&str> = messages.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!((messages.len(), ids.len()), (260, 260), "each once");
    assert!(ids.iter().all(|id| id.ends_with("/100/email")), "{ids:?}");
}

#[tokio::test]
async fn twenty_alerts_are_the_limit_whoever_is_first() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let environments = join_all((0..4).map(|_| env.function("usage-alerts"))).await;
    let new = json!({"metric": "cost", "period": "daily", "threshold": 1});
    for _ in 0..19 {
        alert(&environments[0], &ada, new.clone()).await;
    }
    let at_once = environments.iter().map(|environment| environment.post_as(&ada.token, "/api/usage-alerts", &new));
    let mut answers: Vec<u64> = join_all(at_once).await.iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [201, 409, 409, 409]);
    let listed = environments[0].get_as(&ada.token, "/api/usage-alerts").await;
    assert_eq!(listed.body["alerts"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn an_error_rate_stays_a_percentage() {
    let env = TestEnv::new().await;
    let (ada, alerts) = (env.person(Role::User, None).await, env.function("usage-alerts").await);
    let of = |metric: &str, threshold: u64| json!({"metric": metric, "period": "daily", "threshold": threshold});
    let refused = alerts.post_as(&ada.token, "/api/usage-alerts", &of("errorRate", 101)).await;
    assert_eq!((refused.status, refused.fields()), (422, vec!["threshold"]));
    let (rate, cost) = (alert(&alerts, &ada, of("errorRate", 5)).await, alert(&alerts, &ada, of("cost", 5)).await);
    for (id, threshold, status) in
        [(&rate, 101, 422), (&rate, 100, 200), (&cost, 101, 200), (&"none".to_owned(), 101, 404)]
    {
        let path = format!("/api/usage-alerts/{id}");
        let answer = alerts.patch_as(&ada.token, &path, "", &json!({"threshold": threshold})).await;
        assert_eq!(answer.status, status, "{id} {threshold}: {}", answer.text);
        assert_eq!(answer.fields(), if status == 422 { vec!["threshold"] } else { vec![] });
    }
}

#[tokio::test]
async fn a_number_gets_alerts_once_a_code_that_was_sent_to_it_was_shown() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let preferences = env.function("user-preferences").await;
    let path = "/api/user/notification-preferences";
    let post = async |what: &str, body: Value| preferences.post_as(&ada.token, &format!("{path}/{what}"), &body).await;
    assert_eq!(post("send-code", json!({})).await.body["code"], "no_number_to_prove");
    let number = number();
    // What a request says of the proof is ignored.
    let wanted = json!({"smsEnabled": true, "phoneNumber": number, "phoneNumberProved": true, "emailEnabled": false});
    replace_preferences(&env, &ada, &wanted).await;
    let shown = async || preferences.get_as(&ada.token, path).await.body["phoneNumberProved"].clone();
    assert_eq!(shown().await, false);
    let alerts = env.function("usage-alerts").await;
    alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 1})).await;
    let (consumer, check) = (env.function("write-events").await, env.function("check-usage-alerts").await);
    consume(&consumer, &[record(&ada.id, 0, "2028-02-29T09:00:00Z")]).await;
    assert_eq!(run(&check, "2028-02-29T10:00:00Z").await["told"], 0);

    let sent = post("send-code", json!({})).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let text = eventually("the code", 60, async || env.stack.sent_to(&number).await.into_iter().next()).await;
    let text = text["Message"].as_str().unwrap().to_owned();
    let code: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
    assert!(text.starts_with("Prompt library: your code for alerts by SMS is "), "{text}");
    let wrong = if code == "000000" { "111111" } else { "000000" };
    assert_eq!(post("verify", json!({"code": wrong})).await.fields(), ["code"]);
    let eve = env.person(Role::User, None).await;
    replace_preferences(&env, &eve, &wanted).await;
    let stolen = preferences.post_as(&eve.token, &format!("{path}/verify"), &json!({"code": code})).await;
    assert_eq!(stolen.fields(), ["code"], "it was sent for somebody else");
    let proved = post("verify", json!({"code": code})).await;
    assert_eq!((proved.status, &proved.body["phoneNumberProved"]), (200, &json!(true)), "{}", proved.text);
    assert_eq!(post("verify", json!({"code": code})).await.status, 409);
    assert_eq!(post("send-code", json!({})).await.status, 409, "nothing is left to prove");

    // The same number stays proved, another one is not.
    replace_preferences(&env, &ada, &json!({"smsEnabled": true, "phoneNumber": number})).await;
    assert_eq!(shown().await, true);
    consume(&consumer, &[record(&ada.id, 1, "2028-03-01T09:00:00Z")]).await;
    assert_eq!(run(&check, "2028-03-01T10:00:00Z").await["told"], 2, "by mail and by SMS");
    replace_preferences(&env, &ada, &json!({"smsEnabled": true, "phoneNumber": self::number()})).await;
    assert_eq!(shown().await, false);
}

#[tokio::test]
async fn a_number_of_a_country_that_gets_no_sms_is_refused_and_without_a_country_every_number_is() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let authorization = format!("Bearer {}", ada.token);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let body = json!({"phoneNumber": "+41791234567"}).to_string();
    for (countries, said) in [("", "nothing is sent by SMS here"), ("49", "of a country")] {
        let route = env.function_with("user-preferences", &[("SMS_COUNTRIES", countries)]).await;
        let refused = route.send("PUT", "/api/user/notification-preferences", &headers, Some(&body)).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["phoneNumber"]));
        assert!(refused.text.contains(said), "{}", refused.text);
    }
    // So is a second factor; and a number that was kept before gets no code.
    let newcomer = env.newcomer().await;
    let token = env.sign_in(&newcomer).await["accessToken"].as_str().unwrap().to_owned();
    let mfa = env.function_with("auth-mfa", &[("SMS_COUNTRIES", "")]).await;
    let body = json!({"method": "sms", "phoneNumber": "+41791234567", "password": newcomer["password"]});
    assert_eq!(mfa.post_as(&token, "/api/auth/mfa/enable", &body).await.fields(), ["phoneNumber"]);
    let kept = doc! {"$set": {"notificationPreferences": {"phoneNumber": "+41791234567"}}};
    env.users().update_one(doc! {"_id": &ada.id}, kept).await.unwrap();
    let route = env.function_with("user-preferences", &[("SMS_COUNTRIES", "")]).await;
    let refused = route.post_as(&ada.token, "/api/user/notification-preferences/send-code", &json!({})).await;
    assert_eq!(refused.fields(), ["phoneNumber"]);
}

#[tokio::test]
async fn a_name_that_reaches_a_mail_is_of_plain_letters() {
    let env = TestEnv::new().await;
    let (ada, alerts) = (env.person(Role::User, None).await, env.function("usage-alerts").await);
    for (field, name) in [
        ("provider", "https://evil.example"),
        ("provider", "Your account is locked: call +41"),
        ("provider", "a\u{202e}b"),
        ("provider", "a\nb"),
        ("provider", "\u{43e}penai"),
        ("keyId", "<b>k</b>"),
        ("keyId", "k?x=1"),
    ] {
        let body = json!({"metric": "cost", "period": "daily", "threshold": 1, field: name});
        let refused = alerts.post_as(&ada.token, "/api/usage-alerts", &body).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{name:?}");
    }
    let made = alerts
        .post_as(
            &ada.token,
            "/api/usage-alerts",
            &json!({"metric": "requests", "period": "daily", "threshold": 1, "provider": "Evil.Example/Login"}),
        )
        .await;
    assert_eq!(made.body["provider"], "evil.example/login");
    let mut used = record(&ada.id, 0, "2028-02-29T09:00:00Z");
    used["provider"] = json!("evil.example/login");
    consume(&env.function("write-events").await, &[used]).await;
    run(&env.function("check-usage-alerts").await, "2028-02-29T10:00:00Z").await;
    let mails = mails(&env, &ada, 1).await;
    assert!(mails.contains_key("Your requests reached 100 % of the limit"), "{mails:?}");
    assert!(!format!("{mails:?}").contains("evil"), "{mails:?}");
}
