//! AI usage: from a record to a report, and what is told on the way.

use std::collections::BTreeMap;

use bson::{Document, doc};
use futures_util::{TryStreamExt, future::join_all};
use jiff::{SignedDuration, Timestamp};
use mongodb::Database;
use serde_json::{Value, json};
use serial_test::parallel;
use shared::{accounts::Role, clock, usage::cost_micros};
use tests::{
    eventually,
    host::{Function, Outcome},
    people::{Person, Town},
};

/// What a test sent, added up by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    requests: u64,
    failed: u64,
    unpriced: u64,
    cost: u64,
}

impl Sum {
    fn of(totals: &Value) -> Self {
        let number = |field: &str| totals[field].as_u64().unwrap_or_else(|| panic!("{field} in {totals}"));
        Self {
            requests: number("requests"),
            failed: number("failed"),
            unpriced: number("unpriced"),
            cost: number("costMicros"),
        }
    }
}

/// A record as the queue carries it.
fn record(user: &str, number: usize, at: &str) -> Value {
    let model = ["gpt-4o", "claude-3-haiku", "a-model-without-a-price", "gpt-4o-mini"][number % 4];
    let (sent, received) = (1000 + number as u64 * 7, 13 + number as u64);
    let at: Timestamp = at.parse().unwrap();
    let cost = cost_micros(model, sent, received, at);
    json!({
        "kind": "ai_usage", "id": format!("{user}/{number}/{at}"), "userId": user, "provider": "p", "model": model,
        "promptTokens": sent, "completionTokens": received, "costMicros": cost.unwrap_or_default(),
        "priced": cost.is_some(), "latencyMs": 5, "success": !number.is_multiple_of(5), "occurredAt": at, "receivedAt": at,
    })
}

fn add(sums: &mut BTreeMap<String, Sum>, key: &str, record: &Value) {
    let sum = sums.entry(key.to_owned()).or_default();
    sum.requests += 1;
    sum.failed += u64::from(record["success"] == false);
    sum.unpriced += u64::from(record["priced"] == false);
    sum.cost += record["costMicros"].as_u64().unwrap();
}

async fn consume(consumer: &Function, records: &[Value]) {
    let body = json!({"records": records}).to_string();
    let outcome = consumer.invoke(json!({"Records": [{"messageId": "m", "body": body}]})).await;
    let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    assert_eq!(response["batchItemFailures"], json!([]));
}

async fn run(job: &Function, at: &str) -> Value {
    match job.invoke(json!({"at": at})).await {
        Outcome::Response(summary) => summary,
        Outcome::Error(error) => panic!("{error}"),
    }
}

async fn all(database: &Database, collection: &str) -> Vec<Document> {
    let found = database.collection::<Document>(collection).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
    found.try_collect().await.unwrap()
}

#[tokio::test]
#[parallel(stack)]
async fn the_reports_add_up_to_the_micro_dollar_across_every_boundary() {
    let town = Town::new().await;
    let (consumer, daily, monthly) = (
        town.function("write-events").await,
        town.function("daily-usage-report").await,
        town.function("monthly-analytics").await,
    );
    // A week's end, a leap day, a month's end, and the first and last instants of each.
    let instants = [
        "2028-02-27T23:59:59.999Z",
        "2028-02-28T00:00:00Z",
        "2028-02-29T00:00:00Z",
        "2028-02-29T12:00:00.123Z",
        "2028-02-29T23:59:59.999Z",
        "2028-03-01T00:00:00Z",
        "2028-03-01T09:00:00Z",
    ];
    let (mut days, mut months, mut sent) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (user, share) in [("ada", 1), ("eve", 3), ("joe", 2)] {
        for (index, at) in instants.iter().enumerate() {
            for n in 0..share * 4 {
                let record = record(user, index * 100 + n, at);
                add(&mut days, &at[..10], &record);
                add(&mut months, &at[..7], &record);
                sent.push(record);
            }
        }
    }
    // A duplicate of each, and the records of one day late: after its report was made.
    let (late, prompt): (Vec<Value>, Vec<Value>) =
        sent.into_iter().partition(|record| record["occurredAt"].as_str().unwrap().starts_with("2028-02-28"));
    consume(&consumer, &prompt).await;
    consume(&consumer, &prompt).await;
    run(&daily, "2028-02-29T01:00:00Z").await;
    consume(&consumer, &late).await;
    for at in ["2028-03-01T01:00:00Z", "2028-03-02T01:00:00Z"] {
        let summary = run(&daily, at).await;
        let day = summary["day"].as_str().unwrap();
        assert_eq!(Sum::of(&summary["report"]["totals"]), days[day], "{day}");
        assert_eq!(summary["report"]["activeUsers"], 3);
        assert_eq!(summary["report"]["topUsers"][0]["name"], "eve");
    }
    let march = run(&monthly, "2028-04-01T02:00:00Z").await;
    let february = run(&monthly, "2028-03-01T02:00:00Z").await;
    for (report, month) in [(&february, "2028-02"), (&march, "2028-03")] {
        assert_eq!(report["period"], month);
        assert_eq!(Sum::of(&report["totals"]), months[month], "{month}");
    }
    let of_days: BTreeMap<String, Sum> = february["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| (day["name"].as_str().unwrap().to_owned(), Sum::of(day)))
        .collect();
    assert_eq!(
        of_days,
        days.iter().filter(|(day, _)| day.starts_with("2028-02")).map(|(d, s)| (d.clone(), *s)).collect()
    );
    let by_model = february["models"].as_array().unwrap().iter().fold(0, |sum, model| sum + Sum::of(model).cost);
    assert_eq!(by_model, months["2028-02"].cost);

    // Once more, everything: nothing changes.
    let before = (all(&town.database, "usage_daily").await, all(&town.database, "usage_reports").await);
    run(&daily, "2028-03-02T01:00:00Z").await;
    run(&monthly, "2028-03-01T02:00:00Z").await;
    assert_eq!(before, (all(&town.database, "usage_daily").await, all(&town.database, "usage_reports").await));

    // And the page says the same.
    let root = town.person(Role::SuperAdmin, None).await;
    let reports = town.function("usage-reports").await;
    let shown = reports.get_as(&root.token, "/api/admin/usage-reports/monthly/2028-02").await;
    assert_eq!(Sum::of(&shown.body["totals"]), months["2028-02"]);
    let authorization = format!("Bearer {}", root.token);
    let headers = [("authorization", authorization.as_str()), ("accept", "text/html,*/*;q=0.8")];
    let page = reports.send("GET", "/api/admin/usage-reports/monthly/2028-02", &headers, None).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains(&months["2028-02"].requests.to_string()) && page.text.matches("<svg").count() == 2);
    let none = reports.get_as(&root.token, "/api/admin/usage-reports/daily/1999-01-01").await;
    assert_eq!(none.status, 404);
}

fn use_of(model: &str, tokens: u64) -> Value {
    json!({"provider": "openai", "model": model, "promptTokens": tokens, "completionTokens": 0, "latencyMs": 1, "success": true})
}

#[tokio::test]
#[parallel(stack)]
async fn a_record_is_priced_checked_and_counted_against_the_plan() {
    let town = Town::new().await;
    let ada = town.person(Role::User, None).await;
    let usage = town.function("ai-usage").await;
    let report = async |records: Value| usage.post_as(&ada.token, "/api/ai/usage", &json!({"records": records})).await;
    let id = uuid::Uuid::now_v7().to_string();
    let mut first = use_of("gpt-4o", 1000);
    first["id"] = json!(id.to_uppercase());
    let accepted = report(json!([first])).await;
    assert_eq!((accepted.status, &accepted.body["ids"]), (202, &json!([id])), "{}", accepted.text);
    let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(left.body["costMicrosToday"], json!({"limit": 500_000, "used": 2500, "left": 497_500}), "{}", left.text);
    assert_eq!(left.body["requestsThisHour"]["used"], 1);

    let day = |days: i64| clock::rfc3339(clock::now() - SignedDuration::from_hours(24 * days));
    for (field, value, named) in [
        ("occurredAt", json!(day(8)), "records[0].occurredAt"),
        ("occurredAt", json!(day(-1)), "records[0].occurredAt"),
        ("promptTokens", json!(2001), "records[0].promptTokens"),
        ("promptTokens", json!(-1), "records[0].promptTokens"),
        ("id", json!("x"), "records[0].id"),
        ("model", json!(""), "records[0].model"),
        ("costMicros", json!(0), "records[0].costMicros"),
    ] {
        let mut bad = use_of("gpt-4o", 1);
        bad[field] = value;
        let answer = report(json!([bad])).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.text);
        assert!(answer.fields()[0].starts_with(named.split(".cost").next().unwrap()), "{field}: {}", answer.text);
    }
    let over = report(json!(vec![use_of("gpt-4o-mini", 1); 10])).await;
    assert_eq!((over.status, &over.body["code"]), (429, &json!("limit_reached")), "{}", over.text);
    assert!(over.body["detail"].as_str().unwrap().contains("requests an hour"));
    let again = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(again.body["requestsThisHour"]["used"], 1, "what was refused is not counted");

    let stored = eventually("the record", 90, async || {
        let records = town.stack.database().await.collection::<Document>("ai_usage");
        records.find_one(doc! {"_id": format!("{}/{id}", ada.id)}).await.unwrap()
    })
    .await;
    assert_eq!((stored.get_i64("costMicros").unwrap(), stored.get_bool("priced").unwrap()), (2500, true));
}

#[tokio::test]
#[parallel(stack)]
async fn usage_is_summed_by_day_provider_and_model_for_oneself_and_by_those_who_may() {
    let town = Town::new().await;
    let (ada, boss) = (town.person(Role::User, Some("ours")).await, town.person(Role::OrgAdmin, Some("ours")).await);
    let stranger = town.person(Role::OrgAdmin, Some("theirs")).await;
    let consumer = town.function("write-events").await;
    let yesterday = clock::rfc3339(clock::now() - SignedDuration::from_hours(24));
    let records: Vec<Value> = (0..8).map(|n| record(&ada.id, n, &yesterday)).collect();
    consume(&consumer, &records).await;
    let summary = town.function("ai-usage-summary").await;
    let mine = summary.get_as(&ada.token, "/api/ai/usage?groupBy=model").await;
    assert_eq!(mine.body["groups"].as_array().map(Vec::len), Some(4), "{}", mine.text);
    let mut sums = BTreeMap::new();
    for record in &records {
        add(&mut sums, "all", record);
    }
    assert_eq!(Sum::of(&mine.body["totals"]), sums["all"]);
    let theirs = format!("/api/ai/usage?userId={}", ada.id);
    assert_eq!(summary.get_as(&boss.token, &theirs).await.body["totals"], mine.body["totals"]);
    assert_eq!(summary.get_as(&stranger.token, &theirs).await.status, 404);
    let peer = town.person(Role::OrgMember, Some("ours")).await;
    assert_eq!(summary.get_as(&peer.token, &theirs).await.status, 403);
    for bad in ["groupBy=week", "from=2020-01-01T00:00:00Z", "from=x"] {
        assert_eq!(summary.get_as(&ada.token, &format!("/api/ai/usage?{bad}")).await.status, 422, "{bad}");
    }
}

async fn alert(alerts: &Function, person: &Person, body: Value) -> Value {
    let made = alerts.post_as(&person.token, "/api/usage-alerts", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body
}

#[tokio::test]
#[parallel(stack)]
async fn an_alert_fires_once_a_level_and_period_whoever_runs_the_check() {
    let town = Town::new().await;
    let ada = town.person(Role::User, None).await;
    let alerts = town.function("usage-alerts").await;
    let made = alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 10})).await;
    let id = made["id"].as_str().unwrap();
    alert(&alerts, &ada, json!({"metric": "requests", "period": "daily", "threshold": 1, "provider": "other"})).await;
    let consumer = town.function("write-events").await;
    let at = |hour: u32| format!("2028-02-29T{hour:02}:00:00Z");
    let used: Vec<Value> = (0..8).map(|n| record(&ada.id, n, &at(9))).collect();
    consume(&consumer, &used).await;
    let checks = join_all((0..3).map(|_| town.function("check-usage-alerts"))).await;
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
    let mails = eventually("the mails", 60, async || {
        let mails = town.stack.sent_to(&ada.email).await;
        (mails.len() >= 2).then_some(mails)
    })
    .await;
    let subjects: Vec<&str> = mails.iter().map(|mail| mail["Subject"].as_str().unwrap()).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(
        subjects.iter().any(|s| s.contains("80 %")) && subjects.iter().any(|s| s.contains("100 %")),
        "{subjects:?}"
    );
    let path = format!("/api/usage-alerts/{id}");
    let authorization = format!("Bearer {}", ada.token);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let off = alerts.send("PATCH", &path, &headers, Some(r#"{"active":false}"#)).await;
    assert_eq!((off.status, &off.body["active"]), (200, &json!(false)));
    assert_eq!(alerts.send("DELETE", &path, &headers, None).await.status, 204);
    assert_eq!(alerts.send("DELETE", &path, &headers, None).await.status, 404);
}

#[tokio::test]
#[parallel(stack)]
async fn preferences_say_who_is_told_what() {
    let town = Town::new().await;
    let ada = town.person(Role::Free, None).await;
    let preferences = town.function("user-preferences").await;
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

    let alerts = town.function("usage-alerts").await;
    alert(&alerts, &ada, json!({"metric": "requests", "period": "monthly", "threshold": 1})).await;
    consume(&town.function("write-events").await, &[record(&ada.id, 0, "2028-02-29T09:00:00Z")]).await;
    let checked = run(&town.function("check-usage-alerts").await, "2028-02-29T10:00:00Z").await;
    assert_eq!((&checked["fired"], &checked["told"]), (&json!(4), &json!(0)), "{checked}");
}
