//! Every function with a cap driven above it at once on the deployed stack; the same functions at the rates of their
//! budgets; and the callers of the first written as the application was before: a client with the driver's defaults
//! each, an insert per event, a look-up per request.
//!
//! The curves are drawn into `target/bench/connections.svg`.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::future::join_all;
use mongodb::{Client, Database};
use plotters::style::{BLACK, BLUE, RED, RGBColor};
use tests::{
    callers::{Callers, Fate},
    saturation::{Curve, Saturation, capped, peak, saturate, size, volleys, watched, without_limits},
    stack::connections,
};

use super::{
    Bench, arrivals,
    chart::{self, Line, Panel},
};

const LOAD: Duration = Duration::from_mins(1);
/// What M0 allows.
const M0: f64 = 500.0;

pub(crate) async fn print(bench: &Bench) {
    let stack = &bench.env.stack;
    let load = async {
        let callers = Callers::new(stack).await;
        let saturation = saturate(&callers, LOAD).await;
        saturation.print();
        arrivals::print(&callers).await;
        saturation
    };
    let saturation = Box::pin(without_limits(stack, load)).await;
    let before = old_way(bench).await;
    draw(&saturation, &before);
    saturation.check();
}

/// The same callers, in the same volleys for the same time, without caps: so each has an environment, and a client.
async fn old_way(bench: &Bench) -> Curve {
    let (uri, database) = (&bench.env.stack.mongodb_uri, &bench.env.database);
    // What is open already: the harness's, and those of the bundle's idle environments.
    let before = connections(database).await;
    let (mut all, mut loads) = (Vec::new(), Vec::new());
    for function in capped() {
        let size = size(&function);
        let clients = join_all((0..size).map(async |_| Client::with_uri_str(uri).await.unwrap())).await;
        all.extend(clients.clone());
        loads.push((size, async move |n: usize| request(&clients[n % size].database(database.name())).await));
    }
    let theirs = async || connections(database).await - before;
    let (counts, curve) = watched(volleys(&loads, LOAD), theirs).await;
    let callers = all.len();
    for client in all {
        client.shutdown().immediate(true).await;
    }
    let failed: usize = counts.iter().map(|counts| counts.failed.len()).sum();
    let answered: u32 = counts.iter().map(|counts| counts.answered).sum();
    println!(
        "\nthe same {callers} callers without caps, each with a client of the driver's defaults, a look-up and two \
         inserts at once: {answered} answered, {failed} failed, at most {} connections besides the {before} before",
        peak(&curve)
    );
    curve
}

/// Who is calling is looked up, and what happened is written, an insert each.
async fn request(database: &Database) -> Fate {
    let (users, events) = (database.collection::<Document>("users"), database.collection::<Document>("old_events"));
    let insert = |event: &str| events.insert_one(doc! {"event": event, "at": bson::DateTime::now()}).into_future();
    let user = users.find_one(doc! {"_id": "nobody"}).into_future();
    match tokio::try_join!(user, insert("view"), insert("usage")) {
        Ok(_) => Fate::Answered,
        Err(error) => Fate::Failed(error.to_string()),
    }
}

fn draw(saturation: &Saturation, before: &Curve) {
    let grey = RGBColor(160, 160, 160);
    let end = [&saturation.curve, before]
        .map(|curve| curve.last().map_or(0.0, |(at, _)| *at))
        .into_iter()
        .fold(0.0, f64::max);
    let curve = |curve: &Curve| curve.iter().map(|(at, connections)| (*at, *connections as f64)).collect();
    let level = |connections: f64| vec![(0.0, connections), (end, connections)];
    let panel = Panel {
        title: "Connections at the server, every function called above its cap".into(),
        x: "seconds",
        y: "connections",
        lines: vec![
            Line::new("this bundle", BLUE, curve(&saturation.curve)),
            Line::new("the same callers with default clients", RED, curve(before)),
            Line::new("what the caps allow", grey, level(saturation.budget as f64)),
            Line::new("M0's limit", BLACK, level(M0)),
        ],
    };
    chart::draw("connections.svg", &(0.0..end), &[panel]);
}
