//! How many sockets a function holds, and when; and what is refused of loads above the caps.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::{clock, roles::Role};
use tests::{
    content::starter_prompt,
    eventually,
    host::{Function, Outcome},
    proxy::{NetworkFault, Proxy},
    simulation::{Kind, erlang_b, simulate},
    stack::stack,
    test_env::TestEnv,
};

/// One monitor for the one node of the test's server, and one pooled connection. On a cluster of three
/// nodes the same client has three monitors: 4 in all, and these 2 at the primary.
const PER_ENVIRONMENT: u32 = 2;

#[tokio::test]
async fn a_consumer_connects_while_it_starts_and_leaves_nothing_after_sigterm() {
    let stack = stack();
    let proxy = Proxy::to(stack.mongodb_address()).await;
    let uri = proxy.uri();
    let database = stack.scratch().await;
    // FUNCTION_NAME alone makes the driver stream, with a socket more per node, unless it is told not to.
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", database.name()), ("FUNCTION_NAME", "x")];
    let function = Function::start("write-events", &variables).await;
    let per_environment = PER_ENVIRONMENT as usize;
    assert_eq!((proxy.open(), proxy.total()), (per_environment, per_environment), "before the first invocation");

    let event = json!({"Records": [click("1")]});
    for _ in 0..10 {
        assert!(matches!(function.invoke(event.clone()).await, Outcome::Response(_)));
    }
    assert_eq!((proxy.open(), proxy.total()), (per_environment, per_environment), "warm");
    let counted = function.figure("mongo_sockets_open");
    assert_eq!(
        counted.last().map(|line| &line["mongo_sockets_open"]),
        Some(&json!(2)),
        "the ledger agrees: {counted:?}"
    );

    assert!(function.retire().await, "it ends by itself on SIGTERM");
    eventually("no socket is left", 1, async || (proxy.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_route_whose_answers_are_elsewhere_opens_nothing_until_it_asks() {
    let env = TestEnv::new().await;
    let proxy = Proxy::to(env.stack.mongodb_address()).await;
    let (uri, path) = (proxy.uri(), format!("/api/prompts/{}", starter_prompt()));
    let function = env.function_with("prompt", &[("MONGODB_URI", &uri)]).await;
    assert_eq!(function.get(&path).await.status, 200);
    assert_eq!(proxy.total(), 0, "nobody has to be looked up");
    let who = env.person(Role::User, None).await;
    assert_eq!(function.get_as(&who.token, &path).await.status, 200);
    assert_eq!(proxy.total(), PER_ENVIRONMENT as usize);
}

#[tokio::test]
async fn a_start_while_mongodb_is_silent_ends_in_time_and_the_first_request_connects() {
    let env = TestEnv::new().await;
    let who = env.person(Role::User, None).await;
    let proxy = Proxy::to(env.stack.mongodb_address()).await;
    let uri = proxy.uri();
    proxy.set(NetworkFault::Silent);
    let function = env.function_with("usage-alerts", &[("MONGODB_URI", &uri)]).await;
    // Its limit is in the log; the machine may be busy.
    assert!(function.init < Duration::from_secs(5), "{:?}", function.init);
    proxy.restore();
    let answer = function.get_as(&who.token, "/api/usage-alerts").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let logs = function.logs().join("\n");
    assert!(logs.contains("not connected to MongoDB while starting") && logs.contains("within 700 ms"), "{logs}");
}

#[tokio::test]
async fn a_client_whose_sockets_died_is_replaced_at_once() {
    let stack = stack();
    let proxy = Proxy::to(stack.mongodb_address()).await;
    let uri = proxy.uri();
    let database = stack.scratch().await;
    let function =
        Function::start("write-events", &[("MONGODB_URI", uri.as_str()), ("DB_NAME", database.name())]).await;
    let event = json!({"Records": []});
    assert!(matches!(function.invoke(event).await, Outcome::Response(_)));
    let write = |id: &str| json!({"Records": [click(id)]});
    assert!(matches!(function.invoke(write("1")).await, Outcome::Response(_)));
    proxy.cut();
    let Outcome::Error(error) = function.invoke(write("2")).await else { panic!("an outage must fail the invocation") };
    assert!(!error.to_string().contains("mongodb://"));
    proxy.restore();
    let started = Instant::now();
    assert!(matches!(function.invoke(write("2")).await, Outcome::Response(_)));
    println!("first write after an outage: {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// What a cap refuses, in the simulation of `cargo local bench contention`: as Erlang's formula has it.
#[test]
fn simulated_users_are_refused_as_often_as_erlangs_formula_says() {
    for (cap, service) in [(1, 2), (2, 8), (3, 12), (5, 20)] {
        let service = Duration::from_millis(service);
        let counts = simulate(&[Kind { share: 1.0, service, cap }], 500, 0);
        let calls = counts.rate() / (1.0 - counts.refused_share());
        let (refused, expected) = (counts.refused_share(), erlang_b(calls * service.as_secs_f64(), cap));
        println!("{calls:.0} calls a second of {service:?}, {cap} environments: {refused:.4}, Erlang B {expected:.4}");
        assert!((refused / expected - 1.0).abs() < 0.1, "{refused} is not {expected}");
    }
}

/// A queue message with one event.
fn click(id: &str) -> serde_json::Value {
    let record = json!({"kind": "affiliate_click", "id": id, "linkId": "l", "occurredAt": clock::now()});
    json!({"messageId": "m", "body": json!({"records": [record]}).to_string()})
}
