//! How many users fit: their calls meet the caps. Simulated, from service times measured here, with a cache that all
//! environments share and without one; and tried with as many real environments as the caps allow.

use shared::roles::Role;
use tests::{
    requests::people,
    simulation::{RETRIES, simulate},
    template::api,
};

use super::{
    Bench, real_users,
    service_times::{kinds, measured, operations},
};

const USERS: [u64; 8] = [100, 300, 700, 1000, 1500, 2000, 3000, 5000];
/// More refused than this, and users notice.
const TOLERABLE: f64 = 0.01;
/// What M0 takes. Source: Atlas's page on the limits of its free tier.
const M0_OPERATIONS: f64 = 100.0;

pub(crate) async fn print(bench: &Bench) {
    let people = people(&bench.env, usize::try_from(real_users::MOST).unwrap(), Role::User).await;
    let [shared, own] = [measured(bench, &people, true).await, measured(bench, &people, false).await];
    let real = real_users::refused(bench, &kinds(&shared, 0, true), &people).await;
    println!(
        "\n| users | calls/s | operations/s | refused on M0, % | given up after retries, % | refused on M10, % | by \
         real environments, % | without a cache: operations/s | refused on M0, % |\n|---|---|---|---|---|---|---|---|---|"
    );
    let mut ends = Vec::new();
    for users in USERS {
        let run = |measured, tier, shared| simulate(&kinds(measured, tier, shared), users, RETRIES);
        let (m0, m10, alone) = (run(&shared, 0, true), run(&shared, 1, true), run(&own, 0, false));
        let [asked, asked_alone] =
            [m0.operations(&operations(&shared, true)), alone.operations(&operations(&own, false))];
        let tried = real.iter().find(|(of, _)| *of == users).map_or(String::new(), |(_, share)| percent(*share));
        println!(
            "| {users} | {:.1} | {asked:.1} | {} | {} | {} | {tried} | {asked_alone:.1} | {} |",
            m0.rate(),
            percent(m0.refused_share()),
            percent(m0.given_up_share()),
            percent(m10.refused_share()),
            percent(alone.refused_share()),
        );
        if m0.refused_share() > TOLERABLE || asked > M0_OPERATIONS {
            ends.push((users, m0.busiest_rate()));
        }
    }
    if let Some((users, busiest)) = ends.first() {
        println!(
            "\nM0 ends, and M10 is due, at {users} users. They call one route {busiest:.0} times a second at most;"
        );
        println!("the API's throttle lets {:?} through.", api()["DefaultRouteSettings"]["ThrottlingRateLimit"]);
    }
}

fn percent(share: f64) -> String {
    format!("{:.3}", 100.0 * share)
}
