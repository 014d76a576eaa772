//! Reports of AI usage: they add up to what was sent.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    own_queue::OwnQueue,
    test_env::TestEnv,
    usage_records::{MODELS, Sum, add, add_priced, all, consume, cost, hand_over, record, run},
};

/// The kept report, as super admins are shown it.
async fn report(env: &TestEnv, period: &str) -> Value {
    let root = env.person(Role::SuperAdmin, None).await;
    let reports = env.function("usage-reports").await;
    let shown = reports.get_as(&root.token, &format!("/api/admin/usage-reports/{period}")).await;
    assert_eq!(shown.status, 200, "{period}: {}", shown.text);
    shown.body
}

#[tokio::test]
async fn the_reports_add_up_to_the_micro_dollar_across_every_boundary() {
    let env = TestEnv::new().await;
    let (consumer, daily, monthly) = (
        env.function("write-events").await,
        env.function("daily-usage-report").await,
        env.function("monthly-analytics").await,
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
        assert_eq!(Sum::of(&summary["report"]["totals"]), days[day].shown(), "{day}");
        assert_eq!(summary["report"]["activeUsers"], 3);
        assert_eq!(summary["report"]["topUsers"][0]["name"], "eve");
    }
    let march = run(&monthly, "2028-04-01T02:00:00Z").await;
    let february = run(&monthly, "2028-03-01T02:00:00Z").await;
    for (report, month) in [(&february, "2028-02"), (&march, "2028-03")] {
        assert_eq!(report["period"], month);
        assert_eq!(Sum::of(&report["totals"]), months[month].shown(), "{month}");
    }
    let of_days: BTreeMap<String, Sum> = february["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| (day["name"].as_str().unwrap().to_owned(), Sum::of(day)))
        .collect();
    assert_eq!(
        of_days,
        days.iter().filter(|(day, _)| day.starts_with("2028-02")).map(|(d, s)| (d.clone(), s.shown())).collect()
    );
    // Each is rounded by itself: half a micro-dollar a model, at the most.
    let models = february["models"].as_array().unwrap();
    let by_model = models.iter().fold(0, |sum, model| sum + Sum::of(model).cost);
    assert!(by_model.abs_diff(months["2028-02"].cost) <= models.len() as u64 * 500_000, "{by_model}");

    // Once more, everything: nothing changes.
    let before = (all(&env.database, "usage_daily").await, all(&env.database, "usage_reports").await);
    run(&daily, "2028-03-02T01:00:00Z").await;
    run(&monthly, "2028-03-01T02:00:00Z").await;
    assert_eq!(before, (all(&env.database, "usage_daily").await, all(&env.database, "usage_reports").await));

    // And the page says the same.
    assert_eq!(Sum::of(&report(&env, "monthly/2028-02").await["totals"]), months["2028-02"].shown());
    let (root, reports) = (env.person(Role::SuperAdmin, None).await, env.function("usage-reports").await);
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
async fn a_report_over_all_organisations_is_for_super_admins_alone() {
    let env = TestEnv::new().await;
    run(&env.function("daily-usage-report").await, "2028-03-01T01:00:00Z").await;
    run(&env.function("monthly-analytics").await, "2028-03-01T02:00:00Z").await;
    let reports = env.function("usage-reports").await;
    for path in ["/api/admin/usage-reports/daily/2028-02-29", "/api/admin/usage-reports/monthly/2028-02"] {
        for (role, status) in [(Role::SuperAdmin, 200), (Role::OrgAdmin, 403), (Role::Enterprise, 403)] {
            let person = env.person(role, Some("org")).await;
            assert_eq!(reports.get_as(&person.token, path).await.status, status, "{role:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_record_that_comes_after_its_months_end_is_in_the_months_report() {
    let env = TestEnv::new().await;
    let (consumer, monthly) = (env.function("write-events").await, env.function("monthly-analytics").await);
    let last_day = |number: usize| record("ada", number, "2028-02-29T23:59:59.999Z");
    let requests = async || report(&env, "monthly/2028-02").await["totals"]["requests"].as_u64().unwrap();
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
async fn however_many_models_there_are_a_report_names_twenty_and_adds_the_others_up() {
    let env = TestEnv::new().await;
    let consumer = env.function("write-events").await;
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
    let daily = run(&env.function("daily-usage-report").await, "2028-03-01T01:00:00Z").await;
    let monthly = run(&env.function("monthly-analytics").await, "2028-03-01T02:00:00Z").await;
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
        assert_eq!(Sum::of(&report["totals"]), sums["all"].shown());
        assert!(whole.cost.abs_diff(sums["all"].cost) <= 21 * 500_000, "each is rounded by itself: {whole:?}");
        assert_eq!(Sum { cost: 0, ..whole }, Sum { cost: 0, ..sums["all"] });
    }
    let day = all(&env.database, "usage_daily").await.remove(0);
    assert_eq!(day.get_array("byModel").unwrap().len(), 50, "a document has an end");
}

/// From the route that takes records, through a queue of the test's own, into the store and the reports.
#[tokio::test]
async fn what_clients_report_is_in_the_report_of_its_day_and_month() {
    let env = TestEnv::new().await;
    let (queue, ada) = (OwnQueue::new(&env.stack).await, env.person_on("enterprise").await);
    let usage = env.function_with("ai-usage", &[("EVENTS_QUEUE_URL", &queue.url)]).await;
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
                "id": uuid::Uuid::now_v7().to_string(), "provider": "p", "model": model, "promptTokens": sent, "completionTokens": received,
                "latencyMs": 5, "success": (index + n) % 3 > 0, "occurredAt": at,
            });
            // What failed was not billed.
            let cost =
                if record["success"] == false { Some(0) } else { price.map(|price| cost(price, sent, received)) };
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
    hand_over(&env.function("write-events").await, &queue.take().await.into()).await;
    queue.delete().await;

    let (daily, monthly) = (env.function("daily-usage-report").await, env.function("monthly-analytics").await);
    run(&daily, &(today + hours(25)).to_string()).await;
    for (day, sum) in &days {
        let report = report(&env, &format!("daily/{day}")).await;
        assert_eq!(
            (Sum::of(&report["totals"]), &report["topUsers"][0]["name"]),
            (sum.shown(), &json!(ada.id)),
            "{day}"
        );
    }
    for (month, sum) in &months {
        let first: clock::Moment = format!("{month}-01T02:00:00Z").parse().unwrap();
        // Some time in the next month.
        let at = clock::start_of_day(first + hours(24 * 32), 0);
        assert_eq!(Sum::of(&run(&monthly, &at.to_string()).await["totals"]), sum.shown(), "{month}");
    }
}
