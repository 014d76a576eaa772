//! All functions together cannot exceed the cluster's connection limit: arithmetic on the template,
//! and on the binaries that it deploys.

use tests::{
    host::binary,
    root,
    simulation::erlang_b,
    template::{Function, TIERS, functions, functions_of},
};

/// Sockets of a warm environment at the primary: its monitor and its one pooled connection.
const AT_PRIMARY: u64 = 2;
/// Sockets of a warm environment at all three nodes.
const AT_ALL_NODES: u64 = 4;
/// A deploy replaces environments while the old ones still live. This leaves room, too, for those that Lambda starts ahead
/// of calls.
const DEPLOY: u64 = 2;
/// Left free, of 500: Atlas's own connections, and an operator's shell.
const RESERVE: u64 = 50;

/// What an interactive route has at least: with 2, of ten calls a second of 20 ms each, 1.6 % are refused.
const INTERACTIVE: u64 = 3;
/// Peaks from which a route counts as interactive, calls a second: below, it is administration.
const SELDOM: f64 = 1.0;
/// The largest share of calls that a cap may refuse at the stated peak.
const REFUSED: f64 = 0.01;

/// Any part of the driver's handshake betrays that it is linked.
const DRIVER: &[u8] = b"mongo-rust-driver";

/// What is wrong with a set of functions on a tier, if anything.
fn violations(functions: &[Function], tier: &str, limit: u64, links_driver: impl Fn(&Function) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for function in functions {
        if function.cap[tier].is_none() {
            found.push(format!("{} has no cap", function.name));
        }
        if let (Some(cap), Some((rate, ms))) = (function.cap[tier], function.budget) {
            let share = erlang_b(rate * ms / 1000.0, cap);
            if !function.routes.is_empty() && (share > REFUSED || (rate >= SELDOM && cap < INTERACTIVE)) {
                found.push(format!("{} has a cap of {cap}, which refuses {:.1} %", function.name, 100.0 * share));
            }
        }
        if links_driver(function) != function.uses_mongodb() {
            found.push(format!("{} links the driver and has no MONGODB_URI, or the other way round", function.name));
        }
    }
    let reserved = reserved(functions, tier);
    let worst = DEPLOY * AT_PRIMARY * reserved;
    if worst > limit - RESERVE * limit / 500 {
        found.push(format!("{reserved} reserved environments hold {worst} sockets at the primary during a deploy"));
    }
    found
}

/// Environments that may hold sockets to MongoDB.
fn reserved(functions: &[Function], tier: &str) -> u64 {
    functions.iter().filter(|function| function.uses_mongodb()).filter_map(|function| function.cap[tier]).sum()
}

fn links_driver(function: &Function) -> bool {
    let bytes = std::fs::read(binary(&function.binary)).unwrap();
    bytes.windows(DRIVER.len()).any(|window| window == DRIVER)
}

#[test]
fn all_functions_together_stay_within_the_limit_on_every_tier() {
    let functions = functions();
    let linked: Vec<String> = functions.iter().filter(|one| links_driver(one)).map(|one| one.binary.clone()).collect();
    for (tier, limit) in TIERS {
        println!(
            "\n{tier}: {limit} connections\n{:<22}{:>6}{:>12}{:>11}{:>10}{:>8}{:>10}",
            "function", "cap", "at primary", "all nodes", "peak/s", "ms", "refused"
        );
        for function in functions.iter().filter(|function| function.uses_mongodb()) {
            let cap = function.cap[tier].unwrap();
            let (rate, ms) = function.budget.unwrap_or_else(|| panic!("{} states no Budget", function.name));
            println!(
                "{:<22}{cap:>6}{:>12}{:>11}{rate:>10}{ms:>8}{:>9.4}%",
                function.binary,
                AT_PRIMARY * cap,
                AT_ALL_NODES * cap,
                100.0 * erlang_b(rate * ms / 1000.0, cap)
            );
        }
        let reserved = reserved(&functions, tier);
        println!(
            "reserved {reserved}: at the primary {} steady, {} during a deploy",
            AT_PRIMARY * reserved,
            DEPLOY * AT_PRIMARY * reserved
        );
        let strict = DEPLOY * AT_ALL_NODES * reserved;
        println!(
            "all nodes added up, during a deploy: {strict}{}",
            if strict > limit { "  WARNING: above the limit, if it counts so" } else { "" }
        );
        let found = violations(&functions, tier, limit, |function| linked.contains(&function.binary));
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn a_function_without_a_cap_or_one_too_many_is_found() {
    let template = |cap: &str| {
        format!(
            "Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: ../target/lambda/a/bootstrap.zip\n{cap}      Environment:\n        Variables: {{MONGODB_URI: x}}\n"
        )
    };
    let route = "      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /a}}}\n";
    let busy = "    Metadata: {Budget: {PeakPerSecond: 10, ServiceMs: 20}}\n";
    let functions = |text: &str| functions_of(&serde_norway::from_str(text).unwrap());
    let check = |cap: &str| violations(&functions(&template(cap)), "M0", 500, |_| true).len();
    assert_eq!(check("      ReservedConcurrentExecutions: 112\n"), 0);
    assert_eq!(check("      ReservedConcurrentExecutions: 113\n"), 1);
    assert_eq!(check(""), 1);
    for (cap, found) in [(2, 1), (3, 0)] {
        let cap = template(&format!("{route}      ReservedConcurrentExecutions: {cap}\n"));
        let busy = cap.replace("    Properties:\n", &format!("{busy}    Properties:\n"));
        assert_eq!(violations(&functions(&busy), "M0", 500, |_| true).len(), found);
    }
    let unlinked = violations(&functions(&template("      ReservedConcurrentExecutions: 1\n")), "M0", 500, |_| false);
    assert_eq!(unlinked.len(), 1);
}

#[test]
fn every_binary_is_deployed_and_every_function_has_a_binary() {
    let mut deployed: Vec<_> = functions().into_iter().map(|function| function.binary).collect();
    deployed.sort();
    assert_eq!(local::deploy::functions().unwrap(), deployed);
}

#[test]
fn the_local_router_of_cargo_lambda_watch_is_the_templates() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().unwrap();
    let mut watched = Vec::new();
    for (path, targets) in router {
        for target in targets.as_array().unwrap() {
            watched.push(format!(
                "{} {path} {}",
                target["method"].as_str().unwrap(),
                target["function"].as_str().unwrap()
            ));
        }
    }
    let mut deployed: Vec<_> = functions()
        .iter()
        .flat_map(|function| function.routes.iter().map(|route| format!("{route} {}", function.binary)))
        .collect();
    watched.sort();
    deployed.sort();
    assert_eq!(watched, deployed);
}
