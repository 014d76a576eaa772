//! What an operator watches is there: every metric of an alarm and of the dashboard is one that the functions emit, and
//! every job that fails is tried again and then kept.

use std::{collections::BTreeSet, fs};

use bson::doc;
use local::imports::files_below;
use serde_json::{Value, json};
use serde_norway::Value as Yaml;
use shared::telemetry::{DIMENSION, Metric as Counted};
use tests::{
    eventually,
    host::Function,
    root,
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
    let metrics = widgets.filter_map(|widget| widget["properties"]["metrics"].as_array()).flatten();
    metrics
        .filter(|metric| metric[0] == "PromptLibrary")
        .map(|metric| {
            let names: Vec<_> = metric.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            (names[1].to_owned(), names[2..].iter().step_by(2).map(|name| (*name).to_owned()).collect())
        })
        .collect()
}

/// The fields that the dashboard's queries of the log ask for, other than those that every line has.
fn asked(template: &Yaml) -> BTreeSet<String> {
    let Yaml::Mapping(body) = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"] else { panic!() };
    let text = body["Fn::Sub"][0].as_str().unwrap();
    let queries = text.lines().filter(|line| line.contains("\"query\":"));
    let words = queries.flat_map(|query| query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    words.filter(|word| word.contains('_') || *word == "incident").map(str::to_owned).collect()
}

fn json_lines(lines: &[String]) -> Vec<Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The metrics in log lines (CloudWatch's embedded format).
fn emitted(lines: &[Value]) -> BTreeSet<Metric> {
    let directives = lines.iter().filter_map(|line| line["_aws"]["CloudWatchMetrics"].as_array()).flatten();
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
    // Its schedule may have started it just now, and its cap is 1.
    let run = async || (stack.invoke("monitor-connections", &json!({})).await.0 == 200).then_some(());
    eventually("a run of the monitor", 30, run).await;
    for path in ["/api/stats", "/api/auth/session"] {
        reqwest::get(format!("{}{path}", stack.api_url)).await.unwrap();
    }
    let usage = reqwest::Client::new().post(format!("{}/api/ai/usage", stack.api_url));
    usage.bearer_auth("pk_none").json(&json!({"records": []})).send().await.unwrap();
}

#[tokio::test]
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
    let cacheless = [variables.as_slice(), &[("REDIS_URL", "redis://127.0.0.1:1")]].concat();
    let stats = Function::start("stats", &cacheless).await;
    stats.get("/api/stats").await;
    let wanted: BTreeSet<_> = watched_by_alarms(&template).into_iter().chain(drawn(&template)).collect();
    let every: BTreeSet<_> =
        Counted::ALL.iter().map(|metric| (metric.name().to_owned(), BTreeSet::from([DIMENSION.to_owned()]))).collect();
    assert_eq!(wanted, every, "what alarms and the dashboard read, and what the code can emit");
    eventually("every metric and every figure in a log", 30, async || {
        let lines = json_lines(&[stack.log_lines(), broken.logs(), consumer.logs(), stats.logs()].concat());
        assert!(emitted(&lines).is_subset(&every), "{:?}", emitted(&lines));
        let missing: Vec<_> = wanted.difference(&emitted(&lines)).cloned().collect();
        let unasked = |field: &&String| !lines.iter().any(|line| line.get(field.as_str()).is_some());
        let fields: Vec<_> = asked(&template).into_iter().filter(|field| unasked(&field)).collect();
        if !missing.is_empty() || !fields.is_empty() {
            println!("not emitted so far: {missing:?} {fields:?}");
        }
        (missing.is_empty() && fields.is_empty()).then_some(())
    })
    .await;
}

/// CloudWatch gives an account ten metrics of its own and ten alarms for nothing.
const FOR_NOTHING: usize = 10;

/// The names that metric filters make.
fn filtered(template: &Yaml) -> BTreeSet<String> {
    let filters = resources(template, "AWS::Logs::MetricFilter").into_iter();
    filters.map(|(_, filter)| format!("{:?}", filter["MetricTransformations"][0]["MetricName"])).collect()
}

#[test]
fn metrics_alarms_and_secrets_cost_nothing_by_default() {
    let template = template();
    let metrics = Counted::ALL.len() + filtered(&template).len();
    assert!(metrics <= FOR_NOTHING, "{metrics} metrics");
    let alarms =
        template["Resources"].as_mapping().unwrap().iter().filter(|(_, resource)| {
            resource["Type"] == "AWS::CloudWatch::Alarm" && resource.get("Condition").is_none()
        });
    let alarms = alarms.count();
    assert!((5..=FOR_NOTHING).contains(&alarms), "{alarms} alarms");
    assert_eq!(template["Parameters"]["MoreAlarms"]["Default"], "false");
    assert!(resources(&template, "AWS::SecretsManager::Secret").is_empty());
    let text = fs::read_to_string(root().join("infra/template.yaml")).unwrap();
    assert!(!text.contains("MetricStream") && !text.contains("Anomaly") && !text.contains("DetailedMetricsEnabled"));
    // Nothing else writes metrics: the types in `telemetry` are all there is.
    for folder in ["shared/src", "functions"] {
        for (file, text) in files_below(&root().join(folder)).unwrap() {
            assert!(!text.contains("\"_aws\"") || file.ends_with("platform/telemetry.rs"), "{file}");
        }
    }
}

/// Whatever a line is of: its function's own, or a metric's.
#[tokio::test]
async fn every_line_of_an_invocation_has_its_trace() {
    let (stack, trace) = (stack(), "1-5759e988-bd862e3fe1be46a994272793");
    let variables =
        [("MONGODB_URI", stack.mongodb_uri.as_str()), ("DB_NAME", "promptlib"), ("CONTENT_URL", "file:///none")];
    let prompts = Function::start("prompts", &variables).await;
    prompts.trace(trace);
    prompts.get("/api/prompts").await;
    let lines = json_lines(&prompts.logs());
    let of_invocation = lines.iter().filter(|line| line.get("span").is_some() || line.get("_aws").is_some());
    let traces: Vec<_> =
        of_invocation.map(|line| line["span"]["trace_id"].as_str().or(line["trace_id"].as_str())).collect();
    assert!(traces.len() >= 3 && traces.iter().all(|found| *found == Some(trace)), "{lines:?}");
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
