//! What a month costs: arithmetic on the template's schedules, metrics and alarms, what people do in a day, and AWS's list
//! prices; the documents have its table.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use shared::telemetry::Metric;
use tests::{
    root,
    template::{functions, template},
};

const DAYS: f64 = 30.0;
const MINUTES: f64 = DAYS * 24.0 * 60.0;
const MILLION: f64 = 1e6;
const KB_A_GB: f64 = 1e6;
/// The least that ElastiCache Serverless bills.
const CACHE_GB: f64 = 0.1;
/// What the owner of a free database may expect.
const MOST_IDLE: f64 = 0.50;
const MOST_WITH_PEOPLE: f64 = 5.00;

#[derive(Deserialize)]
struct PriceList {
    prices: BTreeMap<String, f64>,
    free: BTreeMap<String, f64>,
    sizes: BTreeMap<String, f64>,
    people: BTreeMap<String, f64>,
    idle: BTreeMap<String, f64>,
}

impl PriceList {
    fn read() -> Self {
        toml::from_str(&fs::read_to_string(root().join("infra/aws-prices.toml")).unwrap()).unwrap()
    }
}

/// What is used of a thing that has a price, in its unit.
type Used = BTreeMap<&'static str, f64>;

const WORDS: [(&str, &str); 12] = [
    ("api_million_requests", "million requests to API Gateway"),
    ("lambda_million_requests", "million invocations"),
    ("lambda_gb_second", "GB-seconds of functions"),
    ("logs_gb", "GB of log lines"),
    ("transfer_gb", "GB to the internet"),
    ("queue_million_requests", "million requests to SQS, idle polling included"),
    ("email_thousand", "thousand e-mails"),
    ("metric", "metrics"),
    ("alarm", "alarms"),
    ("decrypt_thousand", "thousand secrets decrypted"),
    ("schedule_million", "million scheduled starts"),
    ("bucket_read_thousand", "thousand reads of the bucket"),
];

/// Runs a month of each job, from its schedule: `rate(1 minute)`, `cron(10 * * * ? *)`, `cron(3/15 * * * ? *)`.
fn runs_a_month(schedule: &str) -> f64 {
    if schedule == "rate(1 minute)" {
        return MINUTES;
    }
    let fields: Vec<&str> = schedule.trim_start_matches("cron(").split(' ').collect();
    let a_hour = fields[0].split_once('/').map_or(1.0, |(_, every)| 60.0 / every.parse::<f64>().unwrap());
    let hours = if fields[1] == "*" { 24.0 } else { 1.0 };
    let days = fields[2].split_once('-').map_or(DAYS, |(_, last)| last.parse().unwrap());
    a_hour * hours * days
}

/// What runs without anybody.
fn idle(list: &PriceList) -> Used {
    let (mut runs, mut gb_seconds, mut jobs) = (0.0, 0.0, 0.0);
    let template = template();
    for function in functions() {
        let events = template["Resources"][function.name.as_str()]["Properties"]["Events"].as_mapping().unwrap();
        let schedules = events.iter().filter_map(|(_, event)| event["Properties"].get("ScheduleExpression"));
        for schedule in schedules {
            let a_month = runs_a_month(schedule.as_str().unwrap());
            let (_, milliseconds) = function.budget.unwrap();
            runs += a_month;
            jobs += 1.0;
            gb_seconds += a_month * milliseconds / 1000.0 * function.memory_mb as f64 / 1024.0;
        }
    }
    assert!(jobs >= 9.0, "{jobs} jobs");
    let alarms =
        template["Resources"].as_mapping().unwrap().iter().filter(|(_, resource)| {
            resource["Type"] == "AWS::CloudWatch::Alarm" && resource.get("Condition").is_none()
        });
    let filters = ["Failures", "UnavailableAnswers"];
    let queues = 2.0;
    // The monitor is in use all the time, and every other job starts anew.
    let monitor = MINUTES / list.idle["secrets_kept_minutes"];
    Used::from([
        ("lambda_million_requests", runs / MILLION),
        ("lambda_gb_second", gb_seconds),
        ("logs_gb", runs * list.sizes["log_bytes"] / 1000.0 / KB_A_GB),
        ("queue_million_requests", queues * list.idle["polls_a_minute"] * MINUTES / MILLION),
        ("metric", (Metric::ALL.len() + filters.len()) as f64),
        ("alarm", alarms.count() as f64),
        ("decrypt_thousand", (monitor + runs - MINUTES) * list.idle["secrets"] / 1000.0),
        ("schedule_million", runs / MILLION),
        ("bucket_read_thousand", MINUTES / 1000.0),
    ])
}

/// What people do in a month of such days, besides.
fn people(list: &PriceList) -> Used {
    let people = &list.people;
    let calls = people["calls"] * DAYS;
    let environments = people["environments"];
    Used::from([
        ("api_million_requests", calls / MILLION),
        ("lambda_million_requests", calls / MILLION),
        ("lambda_gb_second", calls * people["call_ms"] / 1000.0 * 0.25),
        ("logs_gb", calls * list.sizes["log_bytes"] / 1000.0 / KB_A_GB),
        ("transfer_gb", calls * list.sizes["answer_kb"] / KB_A_GB),
        ("queue_million_requests", people["messages"] * DAYS * list.sizes["queue_requests"] / MILLION),
        ("email_thousand", people["emails"] * DAYS / 1000.0),
        (
            "decrypt_thousand",
            environments * MINUTES / list.idle["secrets_kept_minutes"] * list.idle["secrets"] / 1000.0,
        ),
        ("bucket_read_thousand", environments * MINUTES / list.idle["content_read_minutes"] / 1000.0),
    ])
}

fn both(one: &Used, other: &Used) -> Used {
    let mut sum = one.clone();
    for (what, amount) in other {
        *sum.entry(what).or_default() += amount;
    }
    sum
}

/// In dollars: what is left of it to pay, and what it would be without what AWS gives.
fn cost(list: &PriceList, what: &str, used: f64) -> (f64, f64) {
    let (price, free) = (list.prices[what], list.free.get(what).copied().unwrap_or_default());
    ((used - free).max(0.0) * price, used * price)
}

fn amount(used: f64) -> String {
    if used >= 100.0 || used.fract() == 0.0 { format!("{used:.0}") } else { format!("{used:.2}") }
}

fn total(list: &PriceList, used: &Used) -> (f64, f64) {
    used.iter().fold((0.0, 0.0), |(paid, whole), (what, used)| {
        let (left, list_price) = cost(list, what, *used);
        (paid + left, whole + list_price)
    })
}

fn table(list: &PriceList, idle: &Used, busy: &Used) -> String {
    let mut rows = String::from("| a month | idle | dollars | 1,000 people a day | dollars |\n|---|---|---|---|---|\n");
    rows.extend(WORDS.map(|(what, words)| {
        let cells = [idle, busy].map(|used| {
            let used = used.get(what).copied().unwrap_or_default();
            format!("{} | ${:.2}", amount(used), cost(list, what, used).0)
        });
        format!("| {words} | {} | {} |\n", cells[0], cells[1])
    }));
    let cache = CACHE_GB * list.prices["cache_gb_hour"] * MINUTES / 60.0;
    let totals = [
        ("**to pay**", 0.0, false),
        ("with ElastiCache (`EnableCache`)", cache, false),
        ("without what AWS gives every account", 0.0, true),
    ];
    rows.extend(totals.map(|(words, more, is_list_price)| {
        let totals = [idle, busy].map(|used| {
            let (paid, whole) = total(list, used);
            format!("| | **${:.2}** ", more + if is_list_price { whole } else { paid })
        });
        format!("| {words} {}|\n", totals.concat())
    }));
    rows
}

#[test]
fn the_documents_say_what_a_month_costs_and_it_is_little() {
    let list = PriceList::read();
    let idle = idle(&list);
    let busy = both(&idle, &people(&list));
    let (table, readme) = (table(&list, &idle, &busy), fs::read_to_string(root().join("infra/README.md")).unwrap());
    assert!(readme.contains(&table), "infra/README.md should say:\n\n{table}");
    let (idle, busy) = (total(&list, &idle).0, total(&list, &busy).0);
    assert!(idle <= MOST_IDLE && busy <= MOST_WITH_PEOPLE, "${idle:.2} idle, ${busy:.2} with 1,000 people a day");
}

#[test]
fn a_schedule_is_counted_as_it_runs() {
    for (schedule, runs) in [
        ("rate(1 minute)", 43_200.0),
        ("cron(10 * * * ? *)", 720.0),
        ("cron(3/15 * * * ? *)", 2_880.0),
        ("cron(40 0 * * ? *)", 30.0),
        ("cron(0 2 1-8 * ? *)", 8.0),
    ] {
        assert!((runs_a_month(schedule) - runs).abs() < 0.5, "{schedule}");
    }
}
