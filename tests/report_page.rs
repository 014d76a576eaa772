//! A report in a real browser.

use std::{path::Path, process::Command};

use bson::doc;
use serde_json::json;
use serial_test::parallel;
use shared::accounts::Role;
use tests::{host::Outcome, people::Town, stack::stack};

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

#[tokio::test]
#[parallel(stack)]
async fn a_monthly_report_opens_in_a_browser_with_its_charts_and_without_a_complaint() {
    let town = Town::new().await;
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
    town.database.collection("usage_daily").insert_many(days).await.unwrap();
    let monthly = town.function("monthly-analytics").await;
    let outcome = monthly.invoke(json!({"at": "2028-03-01T02:00:00Z"})).await;
    assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
    let root = town.person(Role::SuperAdmin, None).await;
    let authorization = format!("Bearer {}", root.token);
    let headers = [("authorization", authorization.as_str()), ("accept", "text/html")];
    let reports = town.function("usage-reports").await;
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
