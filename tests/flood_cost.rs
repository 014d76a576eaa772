//! What a flood costs: arithmetic on the template's throttles and caps, the caps on messages, and AWS's list prices; the
//! documents have its tables.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_norway::Value;
use shared::notifications::{CAPS, MAX_SMS_DOLLARS};
use tests::{
    content::starter_url,
    host::Function as Environment,
    root,
    stack::stack,
    template::{Function, TIERS, api, functions},
};

const DAY: f64 = 86_400.0;
const MILLION: f64 = 1e6;
const KB_A_GB: f64 = 1e6;
/// Of an HTTP API's unit of metering.
const UNIT_KB: f64 = 512.0;
/// What the documents may say that a day costs at most.
const MOST_DOLLARS: f64 = 900.0;

#[derive(Deserialize)]
struct PriceList {
    prices: Prices,
    sizes: Sizes,
}

#[derive(Deserialize)]
struct Prices {
    api_million_requests: f64,
    lambda_million_requests: f64,
    lambda_gb_second: f64,
    logs_gb: f64,
    transfer_gb: f64,
    queue_million_requests: f64,
    email_thousand: f64,
}

#[derive(Deserialize)]
struct Sizes {
    answer_kb: f64,
    log_bytes: f64,
    refused_log_bytes: f64,
    refused_a_second: f64,
    queue_requests: f64,
}

/// A route, and how often it may be called.
struct Throttled {
    function: Function,
    key: String,
    /// Calls a second, and at once.
    rate: u64,
    burst: u64,
}

impl Throttled {
    fn calls_a_day(&self) -> f64 {
        self.rate as f64 * DAY
    }
}

fn prices() -> PriceList {
    toml::from_str(&fs::read_to_string(root().join("infra/aws-prices.toml")).unwrap()).unwrap()
}

/// The routes of the template with their throttles.
fn throttled() -> Vec<Throttled> {
    let api = api();
    let limits = |settings: &Value| {
        let number = |name: &str| settings[name].as_u64().unwrap();
        (number("ThrottlingRateLimit"), number("ThrottlingBurstLimit"))
    };
    let of = |key: &str| api["RouteSettings"].get(key).unwrap_or(&api["DefaultRouteSettings"]);
    let throttled = |function: Function| {
        let keys = function.route_keys.clone().into_iter();
        keys.map(move |key| {
            let (rate, burst) = limits(of(&key));
            Throttled { function: Function::named(&function.binary), key, rate, burst }
        })
    };
    functions().into_iter().flat_map(throttled).collect()
}

fn dollars(amount: f64) -> String {
    format!("${amount:.2}")
}

/// A row for each throttle: whom it counts for, and what a day at it costs, compute excepted.
fn throttle_table(routes: &[Throttled], list: &PriceList) -> String {
    let mut groups = BTreeMap::<(u64, u64), (u32, f64)>::new();
    for route in routes {
        let group = groups.entry((route.rate, route.burst)).or_default();
        *group = (group.0 + 1, group.1 + requests_cost(route, list) + answers_cost(route, list));
    }
    let rows = groups.iter().rev().map(|((rate, burst), (routes, cost))| {
        let requests = f64::from(*routes) * *rate as f64 * DAY / MILLION;
        format!("| {rate} | {burst} | {routes} | {requests:.1} | {} |\n", dollars(*cost))
    });
    let header = "| calls a second of each route | at once | routes | million calls a day | requests, logs and answers |\n|---|---|---|---|---|\n";
    header.to_owned() + &rows.collect::<String>()
}

/// Each request, with its log lines.
fn requests_cost(route: &Throttled, PriceList { prices, sizes }: &PriceList) -> f64 {
    let millions = route.calls_a_day() / MILLION;
    let units = (answer_kb(&route.function, sizes) / UNIT_KB).ceil();
    let logs = sizes.log_bytes / 1000.0 * millions * MILLION / KB_A_GB * prices.logs_gb;
    millions * (units * prices.api_million_requests + prices.lambda_million_requests) + logs
}

fn answers_cost(route: &Throttled, PriceList { prices, sizes }: &PriceList) -> f64 {
    answer_kb(&route.function, sizes) * route.calls_a_day() / KB_A_GB * prices.transfer_gb
}

fn answer_kb(function: &Function, sizes: &Sizes) -> f64 {
    function.answer_kb.map_or(sizes.answer_kb, |kb| kb as f64)
}

/// Who writes to the audit log has the queue only for what MongoDB does not take.
fn sends_events(function: &Function) -> bool {
    let has = |variable: &str| function.variables.iter().any(|name| name == variable);
    has("EVENTS_QUEUE_URL") && !has("AUDIT_SEED")
}

/// What everybody together can cost in a day, part by part.
fn day(routes: &[Throttled], list: &PriceList) -> Vec<(String, f64)> {
    let PriceList { prices, sizes } = list;
    let calls: f64 = routes.iter().map(Throttled::calls_a_day).sum();
    let busy: f64 = functions()
        .iter()
        .filter(|function| !function.routes.is_empty())
        .map(|function| function.cap["M0"].unwrap() as f64 * function.memory_mb as f64 / 1024.0 * DAY)
        .sum();
    let queued: f64 = routes
        .iter()
        .filter(|route| sends_events(&route.function))
        .map(|route| route.calls_a_day() * sizes.queue_requests / MILLION)
        .sum();
    let sent = |channel: &str| CAPS.iter().filter(|cap| cap.channel == channel).map(|cap| cap.everybody).sum::<i64>();
    let (mails, texts) = (sent("email") as f64, sent("sms") as f64);
    let refused = sizes.refused_a_second * DAY * sizes.refused_log_bytes / 1000.0 / KB_A_GB;
    vec![
        (
            format!("{:.0} million requests at the throttles, with their log lines", calls / MILLION),
            routes.iter().map(|route| requests_cost(route, list)).sum(),
        ),
        ("answers".into(), routes.iter().map(|route| answers_cost(route, list)).sum()),
        (
            format!("{:.1} million GB-seconds: every environment that the caps allow, busy all day", busy / MILLION),
            busy * prices.lambda_gb_second,
        ),
        (format!("{queued:.0} million requests to SQS"), queued * prices.queue_million_requests),
        (format!("{refused:.0} GB of log lines of what the throttles refuse"), refused * prices.logs_gb),
        (format!("{mails:.0} e-mails"), mails / 1000.0 * prices.email_thousand),
        (
            format!("{texts:.0} SMS of at most {} each, if `SmsCountries` names a country", dollars(MAX_SMS_DOLLARS)),
            texts * MAX_SMS_DOLLARS,
        ),
    ]
}

fn day_table(parts: &[(String, f64)]) -> String {
    let total: f64 = parts.iter().map(|(_, cost)| cost).sum();
    let rows =
        parts.iter().map(|(what, cost)| format!("| {what} | {} |\n", dollars(*cost))).collect::<Vec<_>>().concat();
    format!("| a day of flood, at most | dollars |\n|---|---|\n{rows}| **all of it** | **{}** |\n", dollars(total))
}

fn message_table() -> String {
    let rows = CAPS.iter().map(|cap| {
        let (class, channel) = (cap.class.name(), cap.channel);
        format!("| {class} | {channel} | {} | {} | {} |\n", cap.hour, cap.day, cap.everybody)
    });
    let header = "| class | channel | to one recipient, and because of one account: an hour | a day | to everybody: a day |\n|---|---|---|---|---|\n";
    header.to_owned() + &rows.collect::<String>()
}

#[test]
fn the_documents_say_what_a_flood_costs() {
    let (routes, list) = (throttled(), prices());
    let day = day(&routes, &list);
    let readme = fs::read_to_string(root().join("infra/README.md")).unwrap();
    for table in [throttle_table(&routes, &list), day_table(&day), message_table()] {
        assert!(readme.contains(&table), "infra/README.md should say:\n\n{table}");
    }
    let total: f64 = day.iter().map(|(_, cost)| cost).sum();
    assert!(total <= MOST_DOLLARS, "{}", dollars(total));
}

#[test]
fn every_throttle_is_of_a_route_and_what_costs_most_has_a_tight_one() {
    let routes = throttled();
    let api = api();
    for key in api["RouteSettings"].as_mapping().unwrap().keys() {
        assert!(routes.iter().any(|route| *key == route.key.as_str()), "{key:?} is no route");
    }
    assert_eq!(
        (
            api["DefaultRouteSettings"]["ThrottlingRateLimit"].as_u64(),
            api["DefaultRouteSettings"]["ThrottlingBurstLimit"].as_u64()
        ),
        (Some(50), Some(100))
    );
    for route in &routes {
        assert!(route.rate <= 100 && route.burst <= 200 && route.burst >= route.rate, "{}", route.key);
        let sends = route.function.variables.iter().any(|name| name == "NOTIFICATIONS_QUEUE_URL");
        let is_post = route.key.starts_with("POST ");
        let hashes = route.function.memory_mb > 256;
        if is_post && (sends || hashes) {
            assert!(route.rate <= 10, "{} has {} calls a second", route.key, route.rate);
        }
    }
}

#[test]
fn every_function_has_a_cap_on_every_tier_that_a_quota_of_a_thousand_allows() {
    for (tier, _) in TIERS {
        let caps = functions()
            .into_iter()
            .map(|function| function.cap[tier].unwrap_or_else(|| panic!("{} has no cap", function.name)));
        let reserved: u64 = caps.sum();
        assert!(reserved <= 900, "{reserved}: AWS wants 100 of 1,000 left");
    }
}

/// The largest answers that a stranger gets are as large as the cost is computed for.
#[tokio::test]
async fn no_public_answer_is_larger_than_is_computed_with() {
    let (stack, content, list) = (stack(), starter_url(), prices());
    let redis = stack.redis_url.clone().unwrap_or_default();
    let mut variables = stack.aws_variables();
    variables.extend([("CONTENT_URL", content.as_str()), ("MONGODB_URI", &stack.mongodb_uri), ("REDIS_URL", &redis)]);
    for (function, path) in [
        ("prompts", "/api/prompts?limit=100"),
        ("patterns", "/api/patterns?limit=100"),
        ("learning", "/api/learning?limit=100"),
        ("openapi", "/api/openapi.json"),
        ("openapi", "/api/docs/swagger-ui-bundle.js"),
    ] {
        let answer = Environment::start(function, &variables).await.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let (kb, most) = (answer.text.len() as f64 / 1000.0, answer_kb(&Function::named(function), &list.sizes));
        assert!(kb <= most, "{path}: {kb:.0} kB, computed with {most:.0}");
    }
}
