//! What a stack tells to whoever has its AWS credentials.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use local::template::{self, Function, TIERS};
use serde_json::{Value, json};

use super::logs::{Line, Logs};
use crate::{
    aws::{Aws, CLOUDFORMATION, LAMBDA, LOGS, Refusal, SCHEDULER, SQS, paired},
    table::{Finding, Table, Trouble, fault, skipped},
};

/// How far back the log is read. Longer is much to read on a busy day.
const LOOK_BACK: Duration = Duration::from_hours(3);
/// Pages of the log, of a megabyte at most each: enough for a stack that is not flooded.
const PAGES: usize = 100;
/// A job that runs late by so much is not late: what failed is started again for a while.
const LATE: Duration = Duration::from_mins(20);
/// A job of the template.
const MONITOR: &str = "monitor-connections";

/// The functions of a stack, by name, as AWS has them.
type Deployed = BTreeMap<String, Value>;

/// Asks AWS.
pub(super) async fn check(aws: &Aws, stack: &str) -> Table {
    let mut table = Table::default();
    let deployed = match functions(aws, stack).await {
        Ok(deployed) => deployed,
        Err(trouble) => {
            table.add("functions", Err(trouble));
            return table;
        }
    };
    table.add("functions", are_deployed(&deployed, stack));
    let caps = caps(aws, &deployed).await;
    table.add(
        "concurrency caps",
        caps.as_ref().map_err(Clone::clone).and_then(|caps| as_declared(caps, &deployed, stack)),
    );
    table.add("dead letters", dead_letters(aws, stack).await);
    let logs = read_logs(aws, stack).await;
    let of_logs = |look: &dyn Fn(&Logs) -> Finding| logs.as_ref().map_err(Clone::clone).and_then(look);
    table.add("log lines", of_logs(&readable));
    table.add("invocations", of_logs(&succeeded));
    table.add("cold starts", of_logs(&cold_starts));
    table.add("sockets of the functions", of_logs(&|logs| sockets(logs, caps.as_ref().ok(), &deployed, stack)));
    table.add("connections of the cluster", of_logs(&|logs| connections(logs, &deployed, stack)));
    let schedules = schedules(aws).await;
    for function in template::functions() {
        if let Some(when) = &function.schedule {
            let finding = schedules
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|schedules| job(stack, &function, when, schedules, logs.as_ref().map_err(Clone::clone)?));
            table.add(&format!("job {}", function.binary), finding);
        }
    }
    table
}

async fn functions(aws: &Aws, stack: &str) -> Result<Deployed, Trouble> {
    let (mut found, mut marker) = (Deployed::new(), String::new());
    loop {
        let page = aws
            .get(LAMBDA, &format!("/2015-03-31/functions/?MaxItems=50{marker}"))
            .await
            .map_err(|refusal| unasked(&refusal))?;
        for function in page["Functions"].as_array().into_iter().flatten() {
            let name = function["FunctionName"].as_str().unwrap_or_default();
            if name.starts_with(&format!("{stack}-")) {
                found.insert(name.to_owned(), function.clone());
            }
        }
        match page["NextMarker"].as_str() {
            Some(next) if !next.is_empty() => {
                let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                marker = format!("&Marker={next}");
            }
            _ => return Ok(found),
        }
    }
}

/// Without an answer to the first question there is nothing to go on with.
fn unasked(refusal: &Refusal) -> Trouble {
    fault(refusal.to_string(), "sign in to the account of the stack; the login must be able to read it")
}

fn are_deployed(deployed: &Deployed, stack: &str) -> Finding {
    let names: Vec<String> = template::functions().iter().map(|function| physical(stack, function)).collect();
    let missing: Vec<&str> = names.iter().filter(|name| !deployed.contains_key(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        let remedy = "is this the stack's name, its account and its region? Else deploy again";
        return Err(fault(format!("{} of {} are missing: {}, …", missing.len(), names.len(), missing[0]), remedy));
    }
    Ok(format!("{} are there", names.len()))
}

fn physical(stack: &str, function: &Function) -> String {
    format!("{stack}-{}", function.binary)
}

async fn caps(aws: &Aws, deployed: &Deployed) -> Result<BTreeMap<String, Option<u64>>, Trouble> {
    let mut caps = BTreeMap::new();
    for name in deployed.keys() {
        let answer = match aws.get(LAMBDA, &format!("/2019-09-30/functions/{name}/concurrency")).await {
            Ok(answer) => answer,
            Err(refusal) if refusal.is_not_found() => Value::Null,
            Err(refusal) => return Err(refusal.into()),
        };
        caps.insert(name.clone(), answer["ReservedConcurrentExecutions"].as_u64());
    }
    Ok(caps)
}

fn as_declared(caps: &BTreeMap<String, Option<u64>>, deployed: &Deployed, stack: &str) -> Finding {
    if caps.values().all(Option::is_none) {
        return Err(fault(
            "there are none: nothing keeps the stack under the connection limit",
            "have the concurrency quota raised, then deploy with ReserveConcurrency=true",
        ));
    }
    let tier = tier(deployed, stack)?;
    let wrong: Vec<String> = template::functions()
        .iter()
        .filter(|function| caps.get(&physical(stack, function)).copied().flatten() != function.cap[tier])
        .map(|function| function.binary.clone())
        .collect();
    match wrong.first() {
        None => Ok(format!("{}, those of {tier}", caps.len())),
        Some(first) => Err(fault(
            format!("{} are not those of {tier}: {first}, …", wrong.len()),
            "somebody changed them by hand: deploy again, or is a flood being stopped?",
        )),
    }
}

/// By the limit that the monitor was told.
fn tier(deployed: &Deployed, stack: &str) -> Result<&'static str, Trouble> {
    let limit = limit(deployed, stack)?;
    let found = TIERS.iter().find(|(_, connections)| *connections == limit).map(|(tier, _)| *tier);
    found.ok_or_else(|| fault(format!("no tier has {limit} connections"), "deploy again"))
}

fn limit(deployed: &Deployed, stack: &str) -> Result<u64, Trouble> {
    let variables = &deployed.get(&format!("{stack}-{MONITOR}")).unwrap_or(&Value::Null)["Environment"]["Variables"];
    let limit = variables["MONGO_CONNECTION_LIMIT"].as_str().and_then(|text| text.parse().ok());
    limit.ok_or_else(|| skipped(format!("{MONITOR} does not tell the tier's limit")))
}

async fn dead_letters(aws: &Aws, stack: &str) -> Finding {
    let call = [("Action", "DescribeStacks"), ("StackName", stack)];
    let described = aws.query(CLOUDFORMATION, "2010-05-15", &call).await?;
    let mut waiting = Vec::new();
    for output in ["EventsDlqUrl", "NotificationsDlqUrl"] {
        let Some(queue) = paired(&described, ("OutputKey", output), "OutputValue") else {
            return Err(skipped(format!("the stack has no output {output}")));
        };
        let body = json!({"QueueUrl": queue, "AttributeNames": ["ApproximateNumberOfMessages"]});
        let answer = aws.json(SQS, "AmazonSQS.GetQueueAttributes", &body).await?;
        let number = answer["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap_or("0").to_owned();
        if number != "0" {
            waiting.push(format!("{number} in {output}"));
        }
    }
    if waiting.is_empty() {
        return Ok("none".into());
    }
    Err(fault(
        waiting.join(", "),
        "the consumer's log says why; then send them back (infra/README.md, dead-letter queues)",
    ))
}

async fn read_logs(aws: &Aws, stack: &str) -> Result<Logs, Trouble> {
    let since = now_ms() - millis(LOOK_BACK);
    let (mut logs, mut next) = (Logs::default(), None);
    for _ in 0..PAGES {
        let mut body = json!({"logGroupName": format!("/{stack}/functions"), "startTime": since});
        if let Some(next) = next.take() {
            body["nextToken"] = next;
        }
        let page = aws.json(LOGS, "Logs_20140328.FilterLogEvents", &body).await?;
        for event in page["events"].as_array().into_iter().flatten() {
            logs.add(&Line {
                stream: event["logStreamName"].as_str().unwrap_or_default(),
                at_ms: event["timestamp"].as_i64().unwrap_or_default(),
                text: event["message"].as_str().unwrap_or_default().trim_end(),
            });
        }
        match page.get("nextToken") {
            Some(token) if !token.is_null() => next = Some(token.clone()),
            _ => break,
        }
    }
    Ok(logs)
}

fn readable(logs: &Logs) -> Finding {
    match (&logs.unreadable_in, logs.lines) {
        (_, 0) => {
            Err(fault(format!("none in {} hours", hours(LOOK_BACK)), "is the log group /<stack>/functions there?"))
        }
        (None, lines) => Ok(format!("{lines} in {} hours, all of them JSON", hours(LOOK_BACK))),
        (Some(function), _) => Err(fault(
            format!("{} are no JSON, one of {function}", logs.unreadable),
            "a panic, or a print: look at that function's log",
        )),
    }
}

fn succeeded(logs: &Logs) -> Finding {
    match logs.failed() {
        (0, _) => Ok(format!("none failed in {} hours", hours(LOOK_BACK))),
        (number, function) => Err(fault(
            format!("{number} crashed, failed or ran out of time, one of {}", function.unwrap_or_default()),
            "look at its log",
        )),
    }
}

fn cold_starts(logs: &Logs) -> Finding {
    let Some(starts) = logs.cold_starts() else {
        return Err(skipped(format!("no report line of {} hours tells of a start", hours(LOOK_BACK))));
    };
    let (median, most, slowest) = starts.init;
    let warm = starts.warm.map(|warm| format!(", and {warm:.0} ms after that")).unwrap_or_default();
    Ok(format!(
        "{}: ready in {median:.0} ms ({most:.0} at most: {slowest}), the first call {:.0} ms{warm} (medians)",
        starts.number, starts.first
    ))
}

/// What the functions would hold, if all environments that the caps allow held as many as any did.
fn sockets(logs: &Logs, caps: Option<&BTreeMap<String, Option<u64>>>, deployed: &Deployed, stack: &str) -> Finding {
    let held = logs.sockets();
    let Some((function, most)) = held.iter().max_by_key(|(_, sockets)| **sockets) else {
        return Err(skipped(format!("no line of {} hours tells of sockets", hours(LOOK_BACK))));
    };
    let cap = |name: &str| caps.and_then(|caps| caps.get(name).copied().flatten());
    let (limit, all) =
        (limit(deployed, stack)?, held.iter().map(|(name, sockets)| sockets * cap(name).unwrap_or(1)).sum::<u64>());
    let said = format!(
        "{most} in an environment of {function} at most; {all} if all that were seen reach their caps, of {limit}"
    );
    if all > limit {
        return Err(fault(said, "is the concurrency capped? The dashboard shows sockets by function"));
    }
    Ok(said)
}

fn connections(logs: &Logs, deployed: &Deployed, stack: &str) -> Finding {
    let Some((at_ms, connections)) = logs.connections else {
        let remedy =
            format!("look at the log of {MONITOR}: does the cluster answer, and has its user the role clusterMonitor?");
        return Err(fault(format!("{MONITOR} has told none in {} hours", hours(LOOK_BACK)), remedy));
    };
    let limit = limit(deployed, stack)?;
    let said = format!("{connections} of {limit}, {} min ago", (now_ms() - at_ms) / 60_000);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    if connections >= 0.6 * limit as f64 {
        return Err(fault(
            said,
            "the dashboard shows which functions hold sockets; does another application use the cluster?",
        ));
    }
    Ok(said)
}

/// By the name of the function that they start.
async fn schedules(aws: &Aws) -> Result<BTreeMap<String, Value>, Trouble> {
    let (mut found, mut next) = (BTreeMap::new(), String::new());
    loop {
        let page = aws.get(SCHEDULER, &format!("/schedules?MaxResults=100{next}")).await?;
        for schedule in page["Schedules"].as_array().into_iter().flatten() {
            let target = schedule["Target"]["Arn"].as_str().unwrap_or_default();
            found.insert(target.rsplit(':').next().unwrap_or_default().to_owned(), schedule.clone());
        }
        match page["NextToken"].as_str() {
            Some(token) if !token.is_empty() => {
                let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                next = format!("&NextToken={token}");
            }
            _ => return Ok(found),
        }
    }
}

fn job(stack: &str, function: &Function, when: &str, schedules: &BTreeMap<String, Value>, logs: &Logs) -> Finding {
    let name = physical(stack, function);
    let Some(schedule) = schedules.get(&name) else {
        return Err(fault("it has no schedule", "deploy again"));
    };
    if schedule["State"] == "DISABLED" {
        return Err(fault("its schedule is disabled", "enable it in EventBridge Scheduler, or deploy again"));
    }
    let look = format!("look at the log of {}, and at the queue ScheduleDlq", function.binary);
    let every = period(when).ok_or_else(|| fault(format!("{when} cannot be read"), "deploy again"))?;
    match logs.last_run(&name) {
        Some(run) if !run.succeeded => Err(fault("its last run failed", look)),
        Some(run) if now_ms() - run.at_ms <= millis(every + LATE) => {
            Ok(format!("ran {} min ago, {:.0} ms", (now_ms() - run.at_ms) / 60_000, run.duration_ms))
        }
        Some(run) => Err(fault(format!("its last run is {} min ago: {when}", (now_ms() - run.at_ms) / 60_000), look)),
        None if every + LATE > LOOK_BACK => {
            Err(skipped(format!("not in {} hours, and it need not have been: {when}", hours(LOOK_BACK))))
        }
        None if is_younger(schedule, every + LATE) => Err(skipped(format!("it has not been due yet: {when}"))),
        None => Err(fault(format!("no run in {} hours: {when}", hours(LOOK_BACK)), look)),
    }
}

/// The date is in seconds, as JSON of AWS has it.
fn is_younger(schedule: &Value, age: Duration) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let created = schedule["CreationDate"].as_f64().map(|seconds| seconds as i64 * 1000);
    created.is_some_and(|created| now_ms() - created < millis(age))
}

/// The longest time between two runs of a `rate(…)` or `cron(…)` of the template's forms.
fn period(expression: &str) -> Option<Duration> {
    let (kind, rest) = expression.split_once('(')?;
    let fields: Vec<&str> = rest.trim_end_matches(')').split_whitespace().collect();
    let [minute, hour, day, ..] = fields[..] else {
        let (number, unit) = (fields.first()?.parse::<u64>().ok()?, fields.get(1)?.trim_end_matches('s'));
        let unit = [("minute", 60), ("hour", 3600), ("day", 86_400)].into_iter().find(|(name, _)| *name == unit)?.1;
        return (kind == "rate").then(|| Duration::from_secs(number * unit));
    };
    let days = if matches!(day, "*" | "?") { 1 } else { 31 };
    match (hour, minute.split_once('/')) {
        ("*", Some((_, step))) => Some(Duration::from_mins(step.parse().ok()?)),
        ("*", None) => Some(Duration::from_hours(1)),
        _ => Some(Duration::from_hours(24 * days)),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn hours(duration: Duration) -> u64 {
    duration.as_secs() / 3600
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_of_the_template_has_a_period() {
        let schedules: Vec<String> =
            template::functions().into_iter().filter_map(|function| function.schedule).collect();
        assert!(schedules.len() > 5, "{schedules:?}");
        assert!(schedules.iter().all(|when| period(when).is_some()), "{schedules:?}");
        assert_eq!(period("rate(1 minute)"), Some(Duration::from_mins(1)));
        assert_eq!(period("cron(3/15 * * * ? *)"), Some(Duration::from_mins(15)));
        assert_eq!(period("cron(18 * * * ? *)"), Some(Duration::from_hours(1)));
        assert_eq!(period("cron(0 1 * * ? *)"), Some(Duration::from_hours(24)));
        assert_eq!(period("cron(0 2 1-8 * ? *)"), Some(Duration::from_hours(24 * 31)));
    }
}
