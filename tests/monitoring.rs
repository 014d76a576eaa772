//! What an operator watches is there: every metric of an alarm and of the dashboard is one that the functions emit, and
//! every job that fails is tried again and then kept.

use std::collections::BTreeSet;

use bson::doc;
use serde_json::{Value, json};
use serde_norway::Value as Yaml;
use serial_test::parallel;
use tests::{
    eventually,
    host::Function,
    stack::{Stack, stack},
    template::template,
};

/// A metric's name and those of its dimensions.
type Metric = (String, BTreeSet<String>);

fn resources(template: &Yaml, kind: &str) -> Vec<(String, Yaml)> {
    let resources = template["Resources"].as_mapping().unwrap().iter();
    let of_kind = resources.filter(|(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone())).collect()
}

/// Our own metrics that alarms watch; the others of theirs are made by metric filters, under names with the stack's.
fn watched_by_alarms(template: &Yaml) -> Vec<Metric> {
    let alarms = resources(template, "AWS::CloudWatch::Alarm").into_iter();
    alarms
        .filter(|(_, alarm)| alarm["Namespace"] == "PromptLibrary" && alarm.get("Dimensions").is_some())
        .map(|(_, alarm)| {
            let dimensions = alarm["Dimensions"].as_sequence().unwrap().iter();
            let names = dimensions.map(|dimension| dimension["Name"].as_str().unwrap().to_owned());
            (alarm["MetricName"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

/// Our own metrics that the dashboard draws, by name: not those that it searches for.
fn drawn(template: &Yaml) -> Vec<Metric> {
    let Yaml::Mapping(body) = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"] else { panic!() };
    let text = body["Fn::Sub"][0].as_str().unwrap();
    let plain =
        text.replace("${Connections60}", "1").replace("${Connections80}", "1").replace("${ConnectionLimit}", "1");
    let body: Value = serde_json::from_str(&plain).unwrap();
    let widgets = body["widgets"].as_array().unwrap().iter();
    let metrics = widgets.flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap());
    metrics
        .filter(|metric| metric[0] == "PromptLibrary")
        .map(|metric| {
            let names: Vec<_> = metric.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            (names[1].to_owned(), names[2..].iter().step_by(2).map(|name| (*name).to_owned()).collect())
        })
        .collect()
}

/// The metrics in log lines (CloudWatch's embedded format).
fn emitted(lines: &[String]) -> BTreeSet<Metric> {
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let directives = lines.filter_map(|line| line["_aws"]["CloudWatchMetrics"].as_array().cloned()).flatten();
    directives
        .flat_map(|directive| {
            let dimensions: BTreeSet<String> = serde_json::from_value(directive["Dimensions"][0].clone()).unwrap();
            let metrics = directive["Metrics"].as_array().unwrap().clone();
            metrics.into_iter().map(move |metric| (metric["Name"].as_str().unwrap().to_owned(), dimensions.clone()))
        })
        .collect()
}

/// Makes the deployed functions do what each metric counts.
async fn work(stack: &Stack) {
    assert_eq!(stack.invoke("monitor-connections", &json!({})).await.0, 200);
    for path in ["/api/stats", "/api/auth/session"] {
        reqwest::get(format!("{}{path}", stack.api_url)).await.unwrap();
    }
    let usage = reqwest::Client::new().post(format!("{}/api/ai/usage", stack.api_url));
    usage.bearer_auth("pk_none").json(&json!({"records": []})).send().await.unwrap();
}

#[tokio::test]
#[parallel(stack)]
async fn every_metric_of_an_alarm_or_of_the_dashboard_is_emitted() {
    let (stack, template) = (stack(), template());
    work(&stack).await;
    // Its content comes from a database, in which one document is odd.
    let database = stack.scratch().await;
    database.collection("prompts").insert_many([doc! {"_id": "a"}, doc! {"_id": "b", "views": -1}]).await.unwrap();
    let variables =
        [("MONGODB_URI", stack.mongodb_uri.as_str()), ("DB_NAME", database.name()), ("CONTENT_URL", "file:///none")];
    let broken = Function::start("prompts", &variables).await;
    broken.get("/api/prompts").await;
    let forged = json!({
        "kind": "audit", "id": "1", "action": "a", "category": "c", "severity": "s", "outcome": "o",
        "at": "2026-01-01T00:00:00Z", "expiresAt": "2027-01-01T00:00:00Z", "hash": "made up",
    });
    let body = json!({"records": [forged]}).to_string();
    let consumer = Function::start("write-events", &variables).await;
    consumer.invoke(json!({"Records": [{"messageId": "1", "body": body}]})).await;
    let wanted: BTreeSet<_> = watched_by_alarms(&template).into_iter().chain(drawn(&template)).collect();
    assert!(wanted.len() > 5, "{wanted:?}");
    eventually("every metric in a log", 30, async || {
        let lines = [stack.log_lines(), broken.logs(), consumer.logs()].concat();
        let missing: Vec<_> = wanted.difference(&emitted(&lines)).cloned().collect();
        if !missing.is_empty() {
            println!("not emitted so far: {missing:?}");
        }
        missing.is_empty().then_some(())
    })
    .await;
}

#[test]
fn a_job_that_fails_is_tried_again_and_then_kept() {
    let template = template();
    let functions = resources(&template, "AWS::Serverless::Function");
    let jobs = functions.iter().filter_map(|(name, job)| Some((name, job, job.get("Events")?.get("Schedule")?)));
    let mut seen = 0;
    for (name, job, schedule) in jobs {
        seen += 1;
        let schedule = &schedule["Properties"];
        assert!(schedule["RetryPolicy"]["MaximumEventAgeInSeconds"].is_u64(), "{name} is not started again");
        assert!(schedule.get("DeadLetterConfig").is_some(), "{name} is lost when it cannot be started");
        // One that comes every minute is made good by the next.
        if schedule["ScheduleExpression"] == "rate(1 minute)" {
            continue;
        }
        let failed = &job["EventInvokeConfig"];
        assert!(failed["DestinationConfig"]["OnFailure"]["Type"] == "SQS", "{name} is lost when it goes on failing");
        assert!(failed["MaximumRetryAttempts"].is_u64(), "{name} does not say how often it is tried");
    }
    assert_eq!(seen, 9, "every job has a schedule");
    assert_eq!(template["Resources"]["ContentBucket"]["Properties"]["VersioningConfiguration"]["Status"], "Enabled");
}
