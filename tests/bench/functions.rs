//! What every function costs, against one that does nothing: its zip, its start, its first and its later requests,
//! with MongoDB and without, its memory and its sockets.

use std::time::Duration;

use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
};
use tests::{
    figures::{Effort, Figures, measure},
    requests::Scene,
    root,
    template::{Function, functions},
    test_env::TestEnv,
};

use super::{Bench, folder, millis};

const ROUTE: Effort = Effort { starts: 7, requests: 100 };
const JOB: Effort = Effort { starts: 7, requests: 1 };
const PEOPLE: usize = 10;
/// See `functions/routes/examples/minimal.rs`.
const MINIMAL: &str = "minimal";

pub(crate) async fn print(bench: &Bench) {
    seed(&bench.env).await;
    let scene = Scene::of_env(&bench.env, PEOPLE, "prompt-7").await;
    let least = figures(bench, &scene, MINIMAL, false, ROUTE).await;
    println!("\nin brackets: by that of a function that does nothing");
    let (routes, jobs): (Vec<_>, Vec<_>) = functions().into_iter().partition(|function| !function.routes.is_empty());
    let mut too_large = Vec::new();
    println!(
        "\n| route | zip, KB | start to ready, ms | first request, ms | MongoDB away, ms | p50, ms | p99, ms | memory, MB | sockets opened, kept |\n|---|---|---|---|---|---|---|---|---|"
    );
    line(MINIMAL, &least, &least, true);
    for function in &routes {
        let figures = figures(bench, &scene, &function.binary, has_database(function), ROUTE).await;
        line(&function.binary, &figures, &least, true);
        too_large.extend(above_budget(function, &figures));
    }
    println!(
        "\n| consumer, job | zip, KB | start to ready, ms | first invocation, ms | MongoDB away, ms | second, ms | memory, MB | sockets opened, kept |\n|---|---|---|---|---|---|---|---|"
    );
    for function in &jobs {
        let figures = figures(bench, &scene, &function.binary, has_database(function), JOB).await;
        line(&function.binary, &figures, &least, false);
        too_large.extend(above_budget(function, &figures));
    }
    assert!(too_large.is_empty(), "larger than the template's Budget allows: {too_large:#?}");
}

/// Content for the jobs that read it.
pub(crate) async fn seed(env: &TestEnv) {
    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    for kind in Kind::ALL {
        let file = std::fs::read(root().join("public-data").join(kind.file_name())).unwrap();
        Store::new(mongo.clone()).import(kind, &parse(kind, &file).unwrap()).await.unwrap();
    }
}

fn has_database(function: &Function) -> bool {
    function.variables.iter().any(|name| name == "MONGODB_URI")
}

fn above_budget(function: &Function, figures: &Figures) -> Option<String> {
    let above = figures.zip_kb > function.zip_kb;
    above.then(|| format!("{}: {} KB, allowed {}", function.binary, figures.zip_kb, function.zip_kb))
}

async fn figures(bench: &Bench, scene: &Scene, name: &str, has_database: bool, effort: Effort) -> Figures {
    // What is exported must not take the place of what is served.
    let folder_of_its_own = tempfile::tempdir().unwrap();
    let target = format!("file://{}", folder_of_its_own.path().display());
    let start = async |more: &[(&str, &str)]| {
        let mut more = more.to_vec();
        if name == "export-content" {
            more.push(("CONTENT_URL", &target));
        }
        bench.start(name, &more).await
    };
    let zip = folder(name).join("bootstrap.zip");
    measure(&bench.env, &zip, effort, start, has_database, |n| scene.work(name, n).event()).await
}

fn line(name: &str, figures: &Figures, least: &Figures, is_route: bool) {
    let time = |of: fn(&Figures) -> Duration| {
        let (ours, theirs) = (millis(of(figures)), millis(of(least)));
        format!("{ours:.1} ({:.1})", ours / theirs)
    };
    let count = |of: fn(&Figures) -> u64| format!("{} ({:.1})", of(figures), of(figures) as f64 / of(least) as f64);
    let away = figures.away.map_or_else(|| "–".into(), |away| format!("{:.0}", millis(away)));
    let p99 = if is_route { format!(" {} |", time(|figures| figures.p99)) } else { String::new() };
    println!(
        "| `{name}` | {} | {} | {} | {away} | {} |{p99} {} | {}, {} |",
        count(|figures| figures.zip_kb),
        time(|figures| figures.ready),
        time(|figures| figures.first),
        time(|figures| figures.p50),
        count(|figures| figures.memory_mb),
        figures.opened,
        figures.kept,
    );
}
