//! AI usage: from a record to a report.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bson::{Document, doc};
use futures_util::{TryStreamExt, future::join_all};
use jiff::{SignedDuration, Timestamp};
use mongodb::Database;
use serde_json::{Value, json};
use serial_test::parallel;
use shared::{accounts::Role, clock};
use tests::{
    eventually,
    host::{Function, Outcome, told_once},
    own_queue::OwnQueue,
    people::{Person, Town},
};

/// Micro-dollars for a million tokens sent, and received; `None` for a model that has no price.
const MODELS: [(&str, Option<(u64, u64)>); 4] = [
    ("gpt-4o", Some((2_500_000, 10_000_000))),
    ("claude-3-haiku", Some((250_000, 1_250_000))),
    ("a-model-without-a-price", None),
    ("gpt-4o-mini", Some((150_000, 600_000))),
];

/// What a test sent, added up by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    requests: u64,
    failed: u64,
    unpriced: u64,
    sent: u64,
    received: u64,
    cost: u64,
}

impl Sum {
    fn of(totals: &Value) -> Self {
        let number = |field: &str| totals[field].as_u64().unwrap_or_else(|| panic!("{field} in {totals}"));
        Self {
            requests: number("requests"),
            failed: number("failed"),
            unpriced: number("unpriced"),
            sent: number("promptTokens"),
            received: number("completionTokens"),
            cost: number("costMicros"),
        }
    }
}

/// What a use costs, to the nearest micro-dollar.
fn cost(price: (u64, u64), sent: u64, received: u64) -> u64 {
    (sent * price.0 + received * price.1 + 500_000) / 1_000_000
}

/// A record as the queue carries it.
pub(crate) fn record(user: &str, number: usize, at: &str) -> Value {
    let (model, price) = MODELS[number % MODELS.len()];
    let (sent, received) = (1000 + number as u64 * 7, 13 + number as u64);
    let at: Timestamp = at.parse().unwrap();
    let cost = price.map(|price| cost(price, sent, received));
    json!({
        "kind": "ai_usage", "id": format!("{user}/{number}/{at}"), "userId": user, "provider": "p", "model": model,
        "promptTokens": sent, "completionTokens": received, "costMicros": cost.unwrap_or_default(),
        "priced": cost.is_some(), "latencyMs": 5, "success": !number.is_multiple_of(5), "occurredAt": at, "receivedAt": at,
    })
}

/// Adds a record up: one of the queue, or one that a client sends, whose cost is this.
fn add_priced(sums: &mut BTreeMap<String, Sum>, key: &str, record: &Value, cost: Option<u64>) {
    let sum = sums.entry(key.to_owned()).or_default();
    sum.requests += 1;
    sum.failed += u64::from(record["success"] == false);
    sum.unpriced += u64::from(cost.is_none());
    sum.sent += record["promptTokens"].as_u64().unwrap();
    sum.received += record["completionTokens"].as_u64().unwrap();
    sum.cost += cost.unwrap_or_default();
}

fn add(sums: &mut BTreeMap<String, Sum>, key: &str, record: &Value) {
    let cost = record["costMicros"].as_u64().filter(|_| record["priced"] == true);
    add_priced(sums, key, record, cost);
}

pub(crate) async fn consume(consumer: &Function, records: &[Value]) {
    let body = json!({"records": records}).to_string();
    hand_over(consumer, &json!([{"messageId": "m", "body": body}])).await;
}

async fn hand_over(consumer: &Function, messages: &Value) {
    let outcome = consumer.invoke(json!({"Records": messages})).await;
    let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    assert_eq!(response["batchItemFailures"], json!([]));
}

pub(crate) async fn run(job: &Function, at: &str) -> Value {
    match job.invoke(json!({"at": at})).await {
        Outcome::Response(summary) => summary,
        Outcome::Error(error) => panic!("{error}"),
    }
}

async fn all(database: &Database, collection: &str) -> Vec<Document> {
    let found = database.collection::<Document>(collection).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
    found.try_collect().await.unwrap()
}

/// The kept report, as super admins are shown it.
async fn report(town: &Town, period: &str) -> Value {
    let root = town.person(Role::SuperAdmin, None).await;
    let reports = town.function("usage-reports").await;
    let shown = reports.get_as(&root.token, &format!("/api/admin/usage-reports/{period}")).await;
    assert_eq!(shown.status, 200, "{period}: {}", shown.text);
    shown.body
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
    assert_eq!(Sum::of(&report(&town, "monthly/2028-02").await["totals"]), months["2028-02"]);
    let (root, reports) = (town.person(Role::SuperAdmin, None).await, town.function("usage-reports").await);
    let authorization = format!("Bearer {}", root.token);
    let headers = [("authorization", authorization.as_str()), ("accept", "text/html,*/*;q=0.8")];
    let page = reports.send("GET", "/api/admin/usage-reports/monthly/2028-02", &headers, None).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains(&months["2028-02"].requests.to_string()) && page.text.matches("<svg").count() == 2);
    let none = reports.get_as(&root.token, "/api/admin/usage-reports/daily/1999-01-01").await;
    assert_eq!(none.status, 404);
}

/// Who runs an organisation is not shown what others spend.
#[tokio::test]
#[parallel(stack)]
async fn a_report_over_all_organisations_is_for_super_admins_alone() {
    let town = Town::new().await;
    run(&town.function("daily-usage-report").await, "2028-03-01T01:00:00Z").await;
    run(&town.function("monthly-analytics").await, "2028-03-01T02:00:00Z").await;
    let reports = town.function("usage-reports").await;
    for path in ["/api/admin/usage-reports/daily/2028-02-29", "/api/admin/usage-reports/monthly/2028-02"] {
        for (role, status) in [(Role::SuperAdmin, 200), (Role::OrgAdmin, 403), (Role::Enterprise, 403)] {
            let person = town.person(role, Some("org")).await;
            assert_eq!(reports.get_as(&person.token, path).await.status, status, "{role:?} {path}");
        }
    }
}

#[tokio::test]
#[parallel(stack)]
async fn a_record_that_comes_after_its_months_end_is_in_the_months_report() {
    let town = Town::new().await;
    let (consumer, monthly) = (town.function("write-events").await, town.function("monthly-analytics").await);
    let last_day = |number: usize| record("ada", number, "2028-02-29T23:59:59.999Z");
    let requests = async || report(&town, "monthly/2028-02").await["totals"]["requests"].as_u64().unwrap();
    // The night's daily run failed: the monthly one computes the last days itself.
    consume(&consumer, &[last_day(1)]).await;
    run(&monthly, "2028-03-01T02:00:00Z").await;
    assert_eq!(requests().await, 1);
    consume(&consumer, &[last_day(2), last_day(3)]).await;
    run(&monthly, "2028-03-08T02:00:00Z").await;
    assert_eq!(requests().await, 3, "on the last day that the job runs");
}

/// The models' names are the clients' own text.
#[tokio::test]
#[parallel(stack)]
async fn however_many_models_there_are_a_report_names_twenty_and_adds_the_others_up() {
    let town = Town::new().await;
    let consumer = town.function("write-events").await;
    let records: Vec<Value> = (0..60)
        .map(|n| {
            let mut record = record("ada", 4 * n, "2028-02-29T12:00:00Z");
            record["model"] = json!(format!("model-{n:02}"));
            record
        })
        .collect();
    consume(&consumer, &records).await;
    let mut sums = BTreeMap::new();
    for record in &records {
        add(&mut sums, "all", record);
    }
    let daily = run(&town.function("daily-usage-report").await, "2028-03-01T01:00:00Z").await;
    let monthly = run(&town.function("monthly-analytics").await, "2028-03-01T02:00:00Z").await;
    for report in [&daily["report"], &monthly] {
        let models = report["models"].as_array().unwrap();
        let names: Vec<&str> = models.iter().map(|model| model["name"].as_str().unwrap()).collect();
        assert_eq!((names.len(), names[0], names[19], names[20]), (21, "model-59", "model-40", "others"));
        let whole = models.iter().map(Sum::of).fold(Sum::default(), |a, b| Sum {
            requests: a.requests + b.requests,
            failed: a.failed + b.failed,
            unpriced: a.unpriced + b.unpriced,
            sent: a.sent + b.sent,
            received: a.received + b.received,
            cost: a.cost + b.cost,
        });
        assert_eq!((whole, Sum::of(&report["totals"])), (sums["all"], sums["all"]));
    }
    let day = all(&town.database, "usage_daily").await.remove(0);
    assert_eq!(day.get_array("byModel").unwrap().len(), 50, "a document has an end");
}

fn use_of(model: &str, tokens: u64) -> Value {
    json!({"provider": "openai", "model": model, "promptTokens": tokens, "completionTokens": 0, "latencyMs": 1, "success": true})
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Puts somebody on a plan, before anybody has looked at the account.
async fn on_plan(town: &Town, plan: &str) -> Person {
    let person = town.person(Role::User, None).await;
    town.users().update_one(doc! {"_id": &person.id}, doc! {"$set": {"plan": plan}}).await.unwrap();
    person
}

/// From the route that takes records, through a queue of the test's own, into the store and the reports.
#[tokio::test]
#[parallel(stack)]
async fn what_clients_report_is_in_the_report_of_its_day_and_month() {
    let town = Town::new().await;
    let (queue, ada) = (OwnQueue::new(&town.stack).await, on_plan(&town, "enterprise").await);
    let usage = town.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
    // Both sides of each midnight of the week that records may be late.
    let today = clock::start_of_day(clock::now(), 0);
    let hours = |hours: i64| SignedDuration::from_hours(hours);
    let midnights = (0..7).map(|days| today - hours(24 * days));
    let instants = midnights.flat_map(|midnight| [midnight - SignedDuration::from_millis(1), midnight]);
    let (mut days, mut months, mut records) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (index, at) in instants.enumerate() {
        for (n, (model, price)) in MODELS.into_iter().enumerate() {
            let (sent, received) = (901 + 7 * index as u64, 333 + 11 * n as u64);
            let record = json!({
                "id": new_id(), "provider": "p", "model": model, "promptTokens": sent, "completionTokens": received,
                "latencyMs": 5, "success": (index + n) % 3 > 0, "occurredAt": at,
            });
            let cost = price.map(|price| cost(price, sent, received));
            add_priced(&mut days, &clock::day(at), &record, cost);
            add_priced(&mut months, &clock::day(at)[..7], &record, cost);
            records.push(record);
        }
    }
    // Sent twice, as by a client that did not hear the answer: stored and charged once.
    for _ in 0..2 {
        let answer = usage.post_as(&ada.token, "/api/ai/usage", &json!({"records": records})).await;
        assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(records.len())), "{}", answer.text);
    }
    let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
    assert_eq!(left.body["requestsToday"]["used"], records.len(), "{}", left.text);
    hand_over(&town.function("write-events").await, &queue.take().await.into()).await;
    queue.delete().await;

    let (daily, monthly) = (town.function("daily-usage-report").await, town.function("monthly-analytics").await);
    run(&daily, &(today + hours(25)).to_string()).await;
    for (day, sum) in &days {
        let report = report(&town, &format!("daily/{day}")).await;
        assert_eq!((Sum::of(&report["totals"]), &report["topUsers"][0]["name"]), (*sum, &json!(ada.id)), "{day}");
    }
    for (month, sum) in &months {
        let first: Timestamp = format!("{month}-01T02:00:00Z").parse().unwrap();
        // Some time in the next month.
        let at = clock::start_of_day(first + hours(24 * 32), 0);
        assert_eq!(Sum::of(&run(&monthly, &at.to_string()).await["totals"]), *sum, "{month}");
    }
}

#[tokio::test]
#[parallel(stack)]
async fn a_record_is_priced_checked_and_counted_against_the_plan() {
    let town = Town::new().await;
    let ada = town.person(Role::User, None).await;
    let usage = town.function("ai-usage").await;
    let report = async |records: Value| usage.post_as(&ada.token, "/api/ai/usage", &json!({"records": records})).await;
    let id = new_id();
    let mut first = use_of("gpt-4o", 1000);
    first["id"] = json!(id.to_uppercase());
    for _ in 0..2 {
        let accepted = report(json!([first])).await;
        assert_eq!((accepted.status, &accepted.body["ids"]), (202, &json!([id])), "{}", accepted.text);
        let left = usage.get_as(&ada.token, "/api/ai/usage/limits").await;
        let expected = json!({"limit": 500_000, "used": 2500, "left": 497_500});
        assert_eq!(left.body["costMicrosToday"], expected, "again is not more: {}", left.text);
        assert_eq!(left.body["requestsThisHour"]["used"], 1);
    }

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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let wait: u64 = over.header("retry-after").parse().unwrap();
    assert!((3600 - now % 3600).abs_diff(wait) <= 2, "until the hour is over: {wait} s at {now}");
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
async fn each_plan_has_its_own_size_of_a_request_and_an_unknown_model_counts_as_the_dearest() {
    let town = Town::new().await;
    let usage = town.function("ai-usage").await;
    let send = async |who: &Person, records: Value| {
        usage.post_as(&who.token, "/api/ai/usage", &json!({"records": records})).await
    };
    let (free, pro) = (town.person(Role::User, None).await, on_plan(&town, "pro").await);
    for (who, most) in [(&free, 2_000), (&pro, 8_000)] {
        assert_eq!(send(who, json!([use_of("gpt-4o-mini", most)])).await.status, 202);
        let refused = send(who, json!([use_of("gpt-4o-mini", most + 1)])).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["records[0].promptTokens"]), "{}", refused.text);
    }
    // 2,000 tokens received of the dearest model cost 0.15 dollars, of the free plan's 0.50 a day.
    let eve = town.person(Role::User, None).await;
    let mut unheard_of = use_of("unheard-of", 0);
    unheard_of["completionTokens"] = json!(2_000);
    assert_eq!(send(&eve, json!(vec![unheard_of.clone(); 3])).await.status, 202);
    let refused = send(&eve, json!([unheard_of])).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")));
    assert!(refused.body["detail"].as_str().unwrap().contains("cost a day"), "{}", refused.text);
}

#[tokio::test]
#[parallel(stack)]
async fn a_batch_that_is_refused_stands_in_nobodys_way() {
    let town = Town::new().await;
    if town.stack.redis_url.is_none() {
        return;
    }
    let ada = town.person(Role::User, None).await;
    let environments = join_all((0..4).map(|_| town.function("ai-usage"))).await;
    let send = async |environment: &Function, records: usize| {
        let records = json!({"records": vec![use_of("gpt-4o-mini", 1); records]});
        environment.post_as(&ada.token, "/api/ai/usage", &records).await.status
    };
    let (small, large) = environments.split_first().unwrap();
    let one_by_one = async {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(send(small, 1).await);
        }
        answers
    };
    let too_much = join_all(large.iter().map(async |environment| {
        for _ in 0..20 {
            assert_eq!(send(environment, 11).await, 429);
        }
    }));
    let (answers, _) = futures_util::future::join(one_by_one, too_much).await;
    assert_eq!(answers, [202; 10], "ten an hour are the free plan's");
    assert_eq!(send(small, 1).await, 429);
}

#[tokio::test]
#[parallel(stack)]
async fn what_a_key_reports_is_told_by_its_key() {
    let town = Town::new().await;
    let (queue, ada) = (OwnQueue::new(&town.stack).await, town.person(Role::User, None).await);
    let new = json!({"name": "k", "scopes": ["usage:write"], "expiresInDays": 1});
    let made = town.function("api-keys").await.post_as(&ada.token, "/api/api-keys", &new).await;
    let (key, key_id) = (made.body["key"].as_str().unwrap(), made.body["id"].as_str().unwrap());
    told_once(key);
    let usage = town.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
    let mut failed = use_of("gpt-4o", 10);
    failed["success"] = json!(false);
    let records = json!({"records": [use_of("gpt-4o", 10), failed]});
    assert_eq!(usage.post_as(key, "/api/ai/usage", &records).await.status, 202);
    assert_eq!(usage.post_as(&ada.token, "/api/ai/usage", &records).await.status, 202, "and in person");
    hand_over(&town.function("write-events").await, &queue.take().await.into()).await;
    queue.delete().await;

    let by_key: Vec<Document> =
        all(&town.database, "ai_usage").await.into_iter().filter(|record| record.contains_key("keyId")).collect();
    assert!(by_key.iter().all(|record| record.get_str("keyId").ok() == Some(key_id)), "{by_key:?}");
    let of_key = all(&town.database, "api_key_usage").await;
    let ids =
        |documents: &[Document]| documents.iter().map(|one| one.get_str("_id").unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((by_key.len(), ids(&by_key)), (2, ids(&of_key)));
    let status: Vec<&str> = of_key.iter().map(|one| one.get_str("status").unwrap()).collect();
    assert_eq!(status, ["success", "error"]);
    let theirs =
        |one: &Document| (one.get_str("keyId").ok(), one.get_str("userId").ok()) == (Some(key_id), Some(&ada.id));
    assert!(of_key.iter().all(theirs), "{of_key:?}");
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
    for bad in ["groupBy=week", "from=2020-01-01T00:00:00Z", "from=x", "to=-009999-01-02T02:00:00Z"] {
        assert_eq!(summary.get_as(&ada.token, &format!("/api/ai/usage?{bad}")).await.status, 422, "{bad}");
    }
}
