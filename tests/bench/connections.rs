//! Every function with a cap driven above it at once on the deployed stack; and the same callers written as the
//! application was before: a client with the driver's defaults each, an insert per event, a look-up per request.
//!
//! The curves are drawn into `infra/connections.svg`.

use std::{fs, time::Duration};

use bson::{Document, doc};
use futures_util::future::join_all;
use mongodb::{Client, Database};
use tests::{
    callers::{Callers, Fate},
    root,
    saturation::{Curve, Saturation, capped, peak, saturate, size, volleys, watched, without_limits},
    stack::connections,
};

use super::{
    Bench,
    chart::{Line, svg},
};

const LOAD: Duration = Duration::from_mins(1);
/// What M0 allows.
const M0: f64 = 500.0;

pub(crate) async fn print(bench: &Bench) {
    let stack = &bench.env.stack;
    let load = async { saturate(&Callers::new(stack).await, LOAD).await };
    let saturation = Box::pin(without_limits(stack, load)).await;
    saturation.print();
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
    let points = |curve: &Curve| curve.iter().map(|(at, connections)| (*at, *connections as f64)).collect::<Vec<_>>();
    let (ours, theirs) = (points(&saturation.curve), points(before));
    let end = [&ours, &theirs].iter().filter_map(|curve| Some(curve.last()?.0)).fold(0.0, f64::max);
    let level = |height: f64| vec![(0.0, height), (end, height)];
    let line = |name: &str, color, points| Line { name: name.to_owned(), color, points };
    let lines = [
        line("before: a client for each caller", "#dc2626", theirs),
        line("the limit of M0: 500", "black", level(M0)),
        line(&format!("allowed by the caps: {}", saturation.budget), "#9ca3af", level(saturation.budget as f64)),
        line("these functions", "#2663eb", ours),
    ];
    let title = "Connections to MongoDB while every function is called above its cap";
    let drawn = svg(title, &lines, &[0, 200, 400, 600, 800, 1000], &[0, 20, 40, 60, 80, 100, 120]);
    fs::write(root().join("infra/connections.svg"), drawn).unwrap();
    println!("\ndrawn: infra/connections.svg");
}
