//! Every function that may connect, driven above its cap at once on the deployed stack; and the same callers written
//! as the application was before: a client with the driver's defaults each, an insert per event, a look-up per request.
//!
//! The curve of both is drawn into `target/bench/connections.svg`.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use futures_util::future::{join, join_all};
use mongodb::{Client, Database, options::ClientOptions};
use plotters::prelude::*;
use serde_json::{Value, json};
use tests::{
    http_event::event,
    people::{PASSWORD, newcomer},
    stack::{Stack, connections},
    template::{Function, functions, root},
};

use super::Bench;

const LOAD: Duration = Duration::from_mins(1);
const SAMPLE: Duration = Duration::from_millis(100);
/// Before a refused caller comes back: the emulator is to be busy with answers, not with refusals.
const WAIT: Duration = Duration::from_secs(1);
/// Callers beyond a function's cap.
const BEYOND: u64 = 2;
const PEOPLE: usize = 20;
/// A client's sockets at one node: its monitor and its one pooled connection.
const PER_ENVIRONMENT: u64 = 2;
/// Without published content each of their environments has to ask MongoDB.
const CONTENT_ROUTES: [&str; 4] = ["prompts", "prompt", "patterns", "learning"];

/// Seconds since the load began, and the server's connections above those before it.
type Curve = Vec<(f64, i64)>;

#[derive(Default)]
struct Counts {
    answered: u32,
    refused: u32,
    failed: u32,
}

pub(crate) async fn print(bench: &Bench) {
    let stack = &bench.town.stack;
    let database = stack.database().await;
    let tokens = join_all((0..PEOPLE).map(|_| sign_up(stack))).await;
    let functions: Vec<Function> = functions().into_iter().filter(|function| function.cap["M0"].is_some()).collect();
    let reserved: u64 = functions.iter().filter_map(|function| function.cap["M0"]).sum();
    let budget = PER_ENVIRONMENT * reserved;

    let mut published = Vec::new();
    for route in CONTENT_ROUTES {
        published.push(stack.set_variable(route, "CONTENT_URL", "file:///nowhere").await);
    }
    let deadline = Instant::now() + LOAD;
    let load = join_all(functions.iter().map(|function| drive(stack, function, &tokens, deadline)));
    let (counts, ours) = join(load, watch(&database, deadline)).await;
    for (route, url) in CONTENT_ROUTES.iter().zip(published) {
        stack.set_variable(route, "CONTENT_URL", &url).await;
    }

    println!("\n| function | cap | callers | answered | refused | failed |\n|---|---|---|---|---|---|");
    for (function, counts) in functions.iter().zip(&counts) {
        let cap = function.cap["M0"].unwrap_or_default();
        let share = 100.0 * f64::from(counts.refused) / f64::from((counts.answered + counts.refused).max(1));
        println!(
            "| `{}` | {cap} | {} | {} | {share:.0} % | {} |",
            function.binary,
            cap + BEYOND,
            counts.answered,
            counts.failed
        );
    }
    let callers = reserved + BEYOND * functions.len() as u64;
    let before = old_way(&bench.town.stack.mongodb_uri, &bench.town.database, callers).await;
    println!(
        "\n{callers} callers: at most {} connections (the caps allow {budget}); with a default client each, {}",
        peak(&ours),
        peak(&before)
    );
    let file = root().join("target/bench/connections.svg");
    draw(&file.display().to_string(), &ours, &before, budget).unwrap();
    println!("drawn: target/bench/connections.svg");
    assert!(u64::try_from(peak(&ours)).unwrap() <= budget, "the caps did not hold");
}

/// An account of the deployed stack, and its access token.
async fn sign_up(stack: &Stack) -> String {
    let ada = newcomer();
    let right = json!({"email": ada["email"], "password": PASSWORD});
    let headers = [("content-type", "application/json")];
    let mut answer = json!({});
    for (function, path, body) in [("auth-signup", "/api/auth/signup", &ada), ("auth-login", "/api/auth/login", &right)]
    {
        let request = event("POST", path, &headers, Some(&body.to_string()), &address());
        answer = loop {
            match stack.invoke(function, &request).await {
                (429, _) => tokio::time::sleep(WAIT).await,
                (_, answer) => break answer,
            }
        };
    }
    let tokens: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    tokens["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Callers of one function, who come back at once when answered and a second later when refused.
async fn drive(stack: &Stack, function: &Function, tokens: &[String], deadline: Instant) -> Counts {
    let callers = function.cap["M0"].unwrap_or_default() + BEYOND;
    let counts = join_all((0..callers).map(async |caller| {
        let (mut counts, mut n) = (Counts::default(), usize::try_from(caller).unwrap());
        while Instant::now() < deadline {
            n += 1;
            let (status, answer) = stack.invoke(&function.binary, &work(function, &tokens[n % tokens.len()])).await;
            match status {
                429 => {
                    counts.refused += 1;
                    tokio::time::sleep(WAIT).await;
                }
                200 if answer["statusCode"].as_u64().is_none_or(|status| status < 500) => counts.answered += 1,
                _ => {
                    eprintln!("{}: {status} {answer}", function.binary);
                    counts.failed += 1;
                }
            }
        }
        counts
    }))
    .await;
    counts.into_iter().fold(Counts::default(), |sum, counts| Counts {
        answered: sum.answered + counts.answered,
        refused: sum.refused + counts.refused,
        failed: sum.failed + counts.failed,
    })
}

/// Something to do for a function that makes it ask MongoDB, if it can be made to.
fn work(function: &Function, token: &str) -> Value {
    let id = uuid::Uuid::now_v7().to_string();
    match function.binary.as_str() {
        "write-events" => {
            let record =
                json!({"kind": "affiliate_click", "id": id, "linkId": "l", "occurredAt": "2026-01-01T00:00:00Z"});
            json!({"Records": [{"messageId": "m", "body": json!({"records": [record]}).to_string()}]})
        }
        "send-notifications" => {
            let channel = json!({"kind": "email", "to": "saturation@example.com"});
            let notification = json!({"id": id, "channel": channel, "template": {"kind": "mfa_enabled"}});
            json!({"Records": [{"messageId": "m", "body": notification.to_string()}]})
        }
        name => {
            let by_preference = || function.routes.iter().find(|route| route.starts_with("GET "));
            let Some(route) = by_preference().or_else(|| function.routes.first()) else { return json!({}) };
            let (method, path) = route.split_once(' ').unwrap();
            // An id that no cache knows.
            let path: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { &id } else { part })
                .fold(String::new(), |path, part| if part.is_empty() { path } else { format!("{path}/{part}") });
            let body = match name {
                "auth-login" => json!({"email": format!("{id}@example.com"), "password": PASSWORD}),
                "auth-signup" => newcomer(),
                _ => json!({}),
            };
            let authorization = format!("Bearer {token}");
            let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
            event(method, &path, &headers, (method != "GET").then(|| body.to_string()).as_deref(), &address())
        }
    }
}

/// Limits by address are not what is measured.
fn address() -> String {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    format!("198.51.{a}.{b}")
}

/// As many clients as there are callers, each with the driver's defaults, for a third of the time.
async fn old_way(uri: &str, database: &Database, callers: u64) -> Curve {
    let deadline = Instant::now() + LOAD / 3;
    let environments = join_all((0..callers).map(async |_| {
        let options = ClientOptions::parse(uri).await.unwrap();
        let client = Client::with_options(options).unwrap();
        let old = client.database(database.name());
        let (events, users) = (old.collection::<Document>("old_events"), old.collection::<Document>("users"));
        while Instant::now() < deadline {
            let request = users.find_one(doc! {"_id": "nobody"});
            let event = events.insert_one(doc! {"event": "view", "at": bson::DateTime::now()});
            let (request, event) = join(request.into_future(), event.into_future()).await;
            request.unwrap();
            event.unwrap();
            tokio::time::sleep(SAMPLE).await;
        }
        client.shutdown().immediate(true).await;
    }));
    join(environments, watch(database, deadline)).await.1
}

async fn watch(database: &Database, deadline: Instant) -> Curve {
    let (started, before) = (Instant::now(), connections(database).await);
    let mut curve = Vec::new();
    while Instant::now() < deadline {
        curve.push((started.elapsed().as_secs_f64(), connections(database).await - before));
        tokio::time::sleep(SAMPLE).await;
    }
    curve
}

fn peak(curve: &Curve) -> i64 {
    curve.iter().map(|(_, connections)| *connections).max().unwrap_or_default()
}

fn draw(file: &str, ours: &Curve, before: &Curve, budget: u64) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (800, 400)).into_drawing_area();
    let end = LOAD.as_secs_f64();
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .caption(
            "Connections at the server: this bundle (blue), default clients (red), what the caps allow (grey)",
            ("sans-serif", 14),
        )
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..end, 0..peak(before).max(peak(ours)).max(i64::try_from(budget)?) + 20)?;
    chart.configure_mesh().x_desc("seconds").draw()?;
    let limit = i64::try_from(budget)?;
    for (curve, color) in
        [(ours.clone(), BLUE), (before.clone(), RED), (vec![(0.0, limit), (end, limit)], RGBColor(160, 160, 160))]
    {
        chart.draw_series(LineSeries::new(curve, color))?;
    }
    Ok(area.present()?)
}
