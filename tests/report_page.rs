//! A report in a real browser, and in a mailbox.

use std::{path::Path, process::Command};

use bson::doc;
use local::deploy::SENDER_EMAIL;
use serde_json::json;
use shared::roles::Role;
use tests::{host::Outcome, own_queue::OwnQueue, stack::stack, test_env::TestEnv};

/// What Chromium says and shows of a page: its log, and its document after loading.
fn open(page: &Path, screenshot: &Path) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let show = |mode: &str| {
        Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=900,1600"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(mode)
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap()
    };
    let shown = show("--dump-dom");
    show(&format!("--screenshot={}", screenshot.display()));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(shown.stderr), text(shown.stdout))
}

/// A month of days: February 2028, for $111.65.
async fn fill_month(env: &TestEnv) {
    let day = |day: u32, model: &str, cost: i64| {
        let part = doc! {
            "provider": "openai", "model": model, "requests": 7_i64, "failed": 1_i64, "unpriced": 0_i64,
            "promptTokens": 900_i64, "completionTokens": 300_i64, "costMicros": cost,
        };
        let mut daily =
            doc! {"_id": format!("2028-02-{day:02}/{model}"), "day": format!("2028-02-{day:02}"), "userId": model};
        daily.extend(part.clone());
        daily.insert("byModel", [part]);
        daily
    };
    let days = (1..=29).flat_map(|n| [day(n, "gpt-4o", 250_000 * i64::from(n)), day(n, "<b>claude</b>", 100_000)]);
    env.database.collection("usage_daily").insert_many(days).await.unwrap();
}

#[tokio::test]
async fn a_monthly_report_opens_in_a_browser_with_its_charts_and_without_a_complaint() {
    let env = TestEnv::new().await;
    fill_month(&env).await;
    let monthly = env.function("monthly-analytics").await;
    let outcome = monthly.invoke(json!({"at": "2028-03-01T02:00:00Z"})).await;
    assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
    let root = env.person(Role::SuperAdmin, None).await;
    let authorization = format!("Bearer {}", root.token);
    let headers = [("authorization", authorization.as_str()), ("accept", "text/html")];
    let reports = env.function("usage-reports").await;
    let page = reports.send("GET", "/api/admin/usage-reports/monthly/2028-02", &headers, None).await;

    let folder = tempfile::tempdir().unwrap();
    let (file, screenshot) = (folder.path().join("report.html"), folder.path().join("report.png"));
    std::fs::write(&file, &page.text).unwrap();
    let (log, document) = open(&file, &screenshot);
    assert!(!log.contains("CONSOLE"), "{log}");
    // 29 bars and 2; drawn as rectangles with an area, each with its label.
    let bars = document.matches("<rect").count();
    assert!(document.matches("<svg").count() == 2 && bars >= 31, "{bars} bars in {document}");
    assert!(document.contains("$111.65") && document.contains("&lt;b&gt;claude"), "{document}");
    let picture = std::fs::metadata(&screenshot).unwrap().len();
    assert!(picture > 20_000, "a picture of {picture} bytes shows next to nothing");
    drop(stack());
}

/// The way of a report from the job to a mailbox, through a queue of the test's own.
#[tokio::test]
async fn operators_are_mailed_the_figures_of_a_report_as_a_mail_that_any_client_shows() {
    let env = TestEnv::new().await;
    fill_month(&env).await;
    let queue = OwnQueue::new(&env.stack).await;
    let operators = format!("{}@example.com", uuid::Uuid::now_v7().simple());
    let variables = [("NOTIFICATIONS_QUEUE_URL", queue.url.as_str()), ("OPERATORS_EMAIL", operators.as_str())];
    let monthly = env.function_with("monthly-analytics", &variables).await;
    let daily = env.function_with("daily-usage-report", &variables).await;
    let sender = env.function_with("send-notifications", &[("SENDER_EMAIL", SENDER_EMAIL)]).await;
    // Made twice, and the month's once more with the days: mailed once.
    for (job, at) in
        [(&monthly, "2028-03-01T02:00:00Z"), (&monthly, "2028-03-01T02:00:00Z"), (&daily, "2028-03-02T01:00:00Z")]
    {
        let outcome = job.invoke(json!({"at": at})).await;
        assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
    }
    for record in queue.take().await {
        let outcome = sender.invoke(json!({"Records": [record]})).await;
        assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
    }
    queue.delete().await;
    let mails = env.stack.sent_to(&operators).await;
    let subjects: Vec<&str> = mails.iter().map(|mail| mail["Subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["Monthly AI usage: 2028-02", "Daily AI usage: 2028-03-01"]);
    let (html, text) = (mails[0]["BodyHtml"].as_str().unwrap(), mails[0]["BodyText"].as_str().unwrap());
    assert_eq!((html.matches("<h1").count(), html.matches("<svg").count(), html.matches("<script").count()), (1, 0, 0));
    assert!(html.contains("<td style=\"text-align:left") && html.contains(">2</strong><br>accounts</td>"), "{html}");
    for figure in ["$111.65", "$108.75", "$2.90", "2028-02-29", "(not a name)", "406"] {
        assert!(html.contains(figure), "{figure} in {html}");
    }
    assert!(!html.contains("claude"), "a mail holds no name that is none: {html}");
    assert!(text.contains("2 accounts made 406 requests") && text.contains("$111.65"), "{text}");
}
