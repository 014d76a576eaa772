//! How many users fit: their calls meet caps. Simulated, from service times measured here, and tried with as many
//! real environments as the caps allow.
//!
//! Drawn into `target/bench/contention.svg`.

use std::{
    error::Error,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bson::Document;
use futures_util::future::join_all;
use plotters::prelude::*;
use serde_json::{Value, json};
use shared::accounts::Role;
use tests::{
    host::{Function, Outcome},
    http_event::event,
    people::{PASSWORD, Person, account, newcomer},
    proxy::{Proxy, Way},
    template,
    wiretap::Wiretap,
};

use super::{
    Bench,
    requests::cpu,
    simulation::{Counts, Kind, RETRIES, RETRY_WAIT, THINK, choose, exponential, simulate},
};

const USERS: [u64; 13] = [1, 3, 10, 30, 100, 200, 300, 500, 700, 1000, 2000, 3000, 5000];
/// With real environments, as far as this machine's processors suffice.
const REAL_USERS: [u64; 4] = [10, 100, 300, 1000];
const REAL_TIME: Duration = Duration::from_secs(20);
const MEASURED: usize = 100;
/// From a function to MongoDB, one way: Atlas in the same region.
const WAY: Duration = Duration::from_millis(2);
/// The memory that buys one whole processor. Source: AWS's documentation of Lambda's memory setting.
const MB_PER_PROCESSOR: f64 = 1769.0;
/// How often the store is asked who a user is, whatever they do.
const LOOK_UP: Duration = Duration::from_mins(5);
/// More refused than this, and users notice.
const TOLERABLE: f64 = 0.01;
/// What M0 takes. Source: Atlas's page on the limits of its free tier.
const M0_OPERATIONS: f64 = 100.0;

/// What users do, in parts of a hundred.
struct Action {
    function: &'static str,
    share: f64,
    call: fn(&Person) -> Value,
}

const ACTIONS: [Action; 9] = [
    Action { function: "prompts", share: 28.0, call: |who| get(who, "/api/prompts?limit=50") },
    Action { function: "prompt", share: 25.0, call: |who| get(who, "/api/prompts/prompt-7") },
    Action {
        function: "prompt-view",
        share: 15.0,
        call: |who| send(who, "POST", "/api/prompts/prompt-7/view", &json!({})),
    },
    Action { function: "auth-session", share: 14.0, call: |who| get(who, "/api/auth/session") },
    Action { function: "stats", share: 5.0, call: |who| get(who, "/api/stats") },
    Action { function: "usage-alerts", share: 5.0, call: |who| get(who, "/api/usage-alerts") },
    Action { function: "workbench-runs", share: 5.0, call: |who| get(who, "/api/workbench/runs") },
    Action {
        function: "user-preferences",
        share: 2.0,
        call: |who| send(who, "PUT", "/api/user/notification-preferences", &json!({"emailEnabled": false})),
    },
    Action {
        function: "auth-login",
        share: 1.0,
        call: |who| send(who, "POST", "/api/auth/login", &json!({"email": &who.email, "password": PASSWORD})),
    },
];

fn get(who: &Person, path: &str) -> Value {
    send(who, "GET", path, &Value::Null)
}

/// From an address of the user's own: limits by address are not what is measured.
fn send(who: &Person, method: &str, path: &str, body: &Value) -> Value {
    let authorization = format!("Bearer {}", who.token);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let body = (!body.is_null()).then(|| body.to_string());
    event(method, path, &headers, body.as_deref(), &format!("address of {}", who.id))
}

/// So many users, and what became of their calls.
struct Point {
    users: u64,
    operations_per_second: f64,
    refused_on_m0: f64,
    refused_on_m10: f64,
}

/// An action's function as it was measured.
struct Measured {
    service: Duration,
    operations: f64,
    /// By tier; none without MongoDB.
    cap: [Option<u64>; template::TIERS.len()],
}

pub(crate) async fn print(bench: &Bench) {
    let people = people(bench, *REAL_USERS.iter().max().unwrap()).await;
    println!(
        "\n| function | share, % | environment kept, ms | operations a call | cap on M0 | M10 |\n|---|---|---|---|---|---|"
    );
    let none = || "none".to_owned();
    let mut measured = Vec::new();
    for action in &ACTIONS {
        let figures = measure(bench, action, &people).await;
        println!(
            "| `{}` | {} | {:.1} | {:.2} | {} | {} |",
            action.function,
            action.share,
            figures.service.as_secs_f64() * 1000.0,
            figures.operations,
            figures.cap[0].map_or_else(none, |cap| cap.to_string()),
            figures.cap[1].map_or_else(none, |cap| cap.to_string()),
        );
        measured.push(figures);
    }

    println!(
        "\n| users | calls/s | operations/s | refused on M0, % | then given up, % | refused on M10, % |\n|---|---|---|---|---|---|"
    );
    let per_call: f64 =
        ACTIONS.iter().zip(&measured).map(|(action, kind)| action.share / 100.0 * kind.operations).sum();
    let mut simulated = Vec::new();
    for users in USERS {
        let [(rate, m0), (_, m10)] = [0, 1].map(|tier| simulate(&kinds(&measured, tier), users));
        let operations = rate * per_call + users as f64 / LOOK_UP.as_secs_f64();
        println!(
            "| {users} | {rate:.1} | {:.1} | {:.3} | {:.3} | {:.3} |",
            operations,
            100.0 * m0.refused_share(),
            100.0 * m0.given_up as f64 / (m0.answered + m0.given_up).max(1) as f64,
            100.0 * m10.refused_share(),
        );
        simulated.push(Point {
            users,
            operations_per_second: operations,
            refused_on_m0: m0.refused_share(),
            refused_on_m10: m10.refused_share(),
        });
    }
    let first = |is_end: fn(&Point) -> bool| {
        let end = simulated.iter().find(|point| is_end(point));
        end.map_or_else(|| "not with these users".to_owned(), |point| format!("at {} users", point.users))
    };
    println!("\nM0's caps refuse more than 1 %: {}", first(|point| point.refused_on_m0 > TOLERABLE));
    println!(
        "M0's 100 operations a second are used up: {}",
        first(|point| point.operations_per_second > M0_OPERATIONS)
    );
    println!("M10's caps refuse more than 1 %: {}", first(|point| point.refused_on_m10 > TOLERABLE));

    println!("\n| users, real environments on this machine | calls/s | refused, % |\n|---|---|---|");
    let environments = environments(bench, &measured).await;
    let mut real = Vec::new();
    for users in REAL_USERS {
        let (rate, counts) = run(&environments, &kinds(&measured, 0), &people[..usize::try_from(users).unwrap()]).await;
        println!("| {users} | {rate:.1} | {:.3} |", 100.0 * counts.refused_share());
        real.push((users, counts.refused_share()));
    }
    draw(&simulated, &real).unwrap();
    println!("drawn: target/bench/contention.svg");
}

/// Accounts with a password, in the store.
async fn people(bench: &Bench, number: u64) -> Vec<Person> {
    let ada = newcomer();
    bench.start("auth-signup", &[]).await.post("/api/auth/signup", &ada).await;
    let users = bench.town.users();
    let ada = users.find_one(bson::doc! {"email": ada["email"].as_str()}).await.unwrap().unwrap();
    let (people, documents): (Vec<Person>, Vec<Document>) = (0..number)
        .map(|_| {
            let (person, mut user) = account(Role::User, None);
            user.insert("passwordHash", ada.get_str("passwordHash").unwrap());
            (person, user)
        })
        .unzip();
    users.insert_many(documents).await.unwrap();
    people
}

/// One warm environment with MongoDB as far away as Atlas is. Its time is what the function waits, and its work as
/// slow as its share of a processor makes it.
async fn measure(bench: &Bench, action: &Action, people: &[Person]) -> Measured {
    let function = template::Function::named(action.function);
    let wiretap = Wiretap::to(bench.town.stack.mongodb_address()).await;
    let proxy = Proxy::to(format!("127.0.0.1:{}", wiretap.port)).await;
    proxy.set(Way::Late(WAY));
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port);
    let environment = bench.start(action.function, &[("MONGODB_URI", &uri)]).await;
    // The first calls make what the environment and the cache keep.
    for who in &people[..MEASURED] {
        answered(&environment, action, who).await;
    }
    wiretap.take();
    let (before, started) = (cpu(&environment), Instant::now());
    for who in &people[..MEASURED] {
        answered(&environment, action, who).await;
    }
    let (worked, took) = (cpu(&environment).saturating_sub(before), started.elapsed());
    let slower = (MB_PER_PROCESSOR / function.memory_mb as f64).max(1.0);
    let calls = u32::try_from(MEASURED).unwrap();
    Measured {
        service: (took.saturating_sub(worked) + worked.mul_f64(slower)) / calls,
        operations: wiretap.take().values().sum::<u64>() as f64 / f64::from(calls),
        cap: template::TIERS.map(|(tier, _)| function.cap[tier]),
    }
}

async fn answered(environment: &Function, action: &Action, who: &Person) {
    let Outcome::Response(answer) = environment.invoke((action.call)(who)).await else { panic!("{}", action.function) };
    let status = answer["statusCode"].as_u64().unwrap();
    assert!((200..300).contains(&status), "{}: {answer}", action.function);
}

fn kinds(measured: &[Measured], tier: usize) -> Vec<Kind> {
    let kinds = ACTIONS.iter().zip(measured);
    kinds
        .map(|(action, kind)| Kind {
            share: action.share,
            service: kind.service,
            cap: kind.cap[tier].unwrap_or(u64::MAX),
        })
        .collect()
}

/// The environments that nobody keeps at the moment, by action.
type Free = Vec<Mutex<Vec<Function>>>;

/// As many as M0's caps allow.
async fn environments(bench: &Bench, measured: &[Measured]) -> Free {
    let proxy = Proxy::to(bench.town.stack.mongodb_address()).await;
    proxy.set(Way::Late(WAY));
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port);
    let at_atlas = [("MONGODB_URI", uri.as_str())];
    let mut free = Vec::new();
    for (action, kind) in ACTIONS.iter().zip(measured) {
        // Without a cap more than are ever busy at once.
        let number = kind.cap[0].unwrap_or(5);
        free.push(Mutex::new(join_all((0..number).map(|_| bench.start(action.function, &at_atlas))).await));
    }
    free
}

/// Calls a second that were answered, and what became of all.
async fn run(free: &Free, kinds: &[Kind], people: &[Person]) -> (f64, Counts) {
    let [answered_calls, refused, given_up] = [const { AtomicU64::new(0) }; 3];
    let deadline = Instant::now() + REAL_TIME;
    join_all(people.iter().map(async |who| {
        let mut random = fastrand::Rng::new();
        loop {
            tokio::time::sleep(exponential(THINK, &mut random)).await;
            if Instant::now() > deadline {
                break;
            }
            let kind = choose(kinds, random.f64());
            for attempt in 0..=RETRIES {
                let environment = free[kind].lock().unwrap().pop();
                if let Some(environment) = environment {
                    answered(&environment, &ACTIONS[kind], who).await;
                    free[kind].lock().unwrap().push(environment);
                    answered_calls.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                refused.fetch_add(1, Ordering::Relaxed);
                if attempt == RETRIES {
                    given_up.fetch_add(1, Ordering::Relaxed);
                } else {
                    tokio::time::sleep(RETRY_WAIT.mul_f64(random.f64())).await;
                }
            }
        }
    }))
    .await;
    let [answered, refused, given_up] = [answered_calls, refused, given_up].map(AtomicU64::into_inner);
    (answered as f64 / REAL_TIME.as_secs_f64(), Counts { answered, refused, given_up })
}

fn draw(simulated: &[Point], real: &[(u64, f64)]) -> Result<(), Box<dyn Error>> {
    let file = template::root().join("target/bench/contention.svg");
    let area = SVGBackend::new(&file, (800, 400)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .caption(
            "Calls refused, %: M0 (blue; real environments: dots), M10 (green); grey: M0's 100 operations a second",
            ("sans-serif", 14),
        )
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d((1_f64..5000.0).log_scale(), 0_f64..10.0)?;
    chart.configure_mesh().x_desc("users").draw()?;
    let line = |refused: fn(&Point) -> f64| {
        simulated.iter().map(move |point| (point.users as f64, 100.0 * refused(point))).collect::<Vec<_>>()
    };
    chart.draw_series(LineSeries::new(line(|point| point.refused_on_m0), BLUE))?;
    chart.draw_series(LineSeries::new(line(|point| point.refused_on_m10), GREEN))?;
    let dots = real.iter().map(|(users, share)| Circle::new((*users as f64, 100.0 * share), 4, BLUE.filled()));
    chart.draw_series(dots)?;
    if let Some(end) = simulated.iter().find(|point| point.operations_per_second > M0_OPERATIONS) {
        let users = end.users as f64;
        chart.draw_series(LineSeries::new([(users, 0.0), (users, 10.0)], RGBColor(160, 160, 160)))?;
    }
    Ok(area.present()?)
}
