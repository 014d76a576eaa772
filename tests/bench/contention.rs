//! How many users fit: their calls meet the API's throttle and caps. Simulated, from service times measured here, with
//! a cache that all environments share and without one; and tried with as many real environments as the caps allow.
//!
//! Drawn into `target/bench/contention.svg`.

use plotters::{
    coord::combinators::IntoLogRange,
    style::{BLACK, BLUE, CYAN, GREEN, MAGENTA, RED, RGBColor},
};
use shared::roles::Role;
use tests::{
    requests::people,
    simulation::{Counts, RETRIES, Throttle, simulate},
};

use super::{
    Bench,
    chart::{self, Line, Panel},
    real_users,
    service_times::{Measured, kinds, measured, operations},
};

const USERS: [u64; 15] = [1, 3, 10, 30, 100, 200, 300, 500, 700, 1000, 1500, 2000, 2500, 3000, 5000];
/// More refused than this, and users notice.
const TOLERABLE: f64 = 0.01;
/// What M0 takes. Source: Atlas's page on the limits of its free tier.
const M0_OPERATIONS: f64 = 100.0;

/// So many users, and what became of their calls.
struct Point {
    users: u64,
    /// With the shared cache on M0, without it on M0, with it on M10.
    counts: [Counts; 3],
    /// Operations a second, with the shared cache and without.
    operations: [f64; 2],
}

pub(crate) async fn print(bench: &Bench) {
    let people = people(&bench.env, usize::try_from(real_users::MOST).unwrap(), Role::User).await;
    let [shared, own] = [measured(bench, &people, true).await, measured(bench, &people, false).await];
    let simulated = simulated(&shared, &own);
    let real = real_users::print(bench, &kinds(&shared, 0, true), &people).await;
    draw(&simulated, &real);
}

fn simulated(shared: &[Measured], own: &[Measured]) -> Vec<Point> {
    let throttle = Throttle::of_template();
    let Throttle { rate, burst } = throttle;
    println!(
        "\nthe API lets {rate} calls a second through on each route, and {burst} at once; retries count as calls\n\n\
         | users | calls/s | throttled by the API, % | refused on M0, % | without Valkey, % | given up, % | refused on M10, % | operations/s | without Valkey |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    let scenes = [(shared, 0, true), (own, 0, false), (shared, 1, true)];
    let a_call = [(shared, true), (own, false)].map(|(measured, shared)| operations(measured, shared));
    let mut points = Vec::new();
    for users in USERS {
        let counts =
            scenes.map(|(measured, tier, shared)| simulate(&kinds(measured, tier, shared), users, RETRIES, throttle));
        let operations = [counts[0].operations(&a_call[0]), counts[1].operations(&a_call[1])];
        let percent = |share: f64| 100.0 * share;
        println!(
            "| {users} | {:.1} | {:.2} | {:.3} | {:.3} | {:.3} | {:.3} | {:.1} | {:.1} |",
            counts[0].rate(),
            percent(counts[0].throttled_share()),
            percent(counts[0].refused_share()),
            percent(counts[1].refused_share()),
            percent(counts[0].given_up_share()),
            percent(counts[2].refused_share()),
            operations[0],
            operations[1],
        );
        points.push(Point { users, counts, operations });
    }
    let at = |end: Option<&Point>| end.map_or("not with these".to_owned(), |point| point.users.to_string());
    let first = |is: &dyn Fn(&Point) -> bool| at(points.iter().find(|point| is(point)));
    let refused = |of: usize| first(&|point| point.counts[of].refused_share() > TOLERABLE);
    let operations = |of: usize| first(&|point| point.operations[of] > M0_OPERATIONS);
    println!("\nmore than 1 % above M0's caps, at users: {}; without Valkey: {}", refused(0), refused(1));
    println!("more than M0's 100 operations a second: {}; without Valkey: {}", operations(0), operations(1));
    println!("more than 1 % above M10's caps: {}", refused(2));
    println!(
        "more than 1 % throttled by the API, on any tier: {}",
        first(&|point| point.counts[0].throttled_share() > TOLERABLE)
    );
    println!("M0 ends, and M10 is due: {}", at(end_of_m0(&points)));
    points
}

fn end_of_m0(points: &[Point]) -> Option<&Point> {
    let ends = |point: &&Point| point.counts[0].refused_share() > TOLERABLE || point.operations[0] > M0_OPERATIONS;
    points.iter().find(ends)
}

fn draw(points: &[Point], real: &[(u64, f64)]) {
    let of = |value: &dyn Fn(&Point) -> f64| points.iter().map(|point| (point.users as f64, value(point))).collect();
    let refused = |of_scene: usize| of(&|point| 100.0 * point.counts[of_scene].refused_share());
    let real = real.iter().map(|(users, share)| (*users as f64, 100.0 * share)).collect();
    let most = *USERS.last().unwrap() as f64;
    let refusals = vec![
        Line::new("by M0's caps", BLUE, refused(0)),
        Line::new("by M0's caps, without Valkey", CYAN, refused(1)),
        Line::new("by M10's caps", GREEN, refused(2)),
        Line::new("by the API's throttle", RED, of(&|point| 100.0 * point.counts[0].throttled_share())),
        Line { dots: true, ..Line::new("by M0's caps, real environments", BLUE, real) },
    ];
    let rates = vec![
        Line::new("calls answered on M0", MAGENTA, of(&|point| point.counts[0].rate())),
        Line::new("operations", BLUE, of(&|point| point.operations[0])),
        Line::new("operations without Valkey", CYAN, of(&|point| point.operations[1])),
        Line::new("M0's 100 operations", RGBColor(160, 160, 160), vec![(1.0, M0_OPERATIONS), (most, M0_OPERATIONS)]),
    ];
    let titles = [("Calls refused", "%", refusals), ("Throughput", "a second", rates)];
    let panels = titles.map(|(title, y, mut lines)| {
        if let Some(end) = end_of_m0(points) {
            let name = format!("M0 ends and M10 is due, at {} users", end.users);
            lines.push(Line::upright(name, BLACK, end.users as f64, chart::top(&lines)));
        }
        Panel { title: title.into(), x: "users who are active at once", y, lines }
    });
    chart::draw("contention.svg", &(1.0..most).log_scale(), &panels);
}
