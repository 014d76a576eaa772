//! Many environments that miss the same copy at once.

use futures_util::future::join_all;
use tests::{host::Function, stack::stack, wiretap::Wiretap};

#[tokio::test]
async fn a_hundred_who_miss_at_once_cost_one_computation() {
    let stack = stack();
    let Some(redis) = stack.own_redis().await else { return };
    let wiretap = Wiretap::to(stack.mongodb_address()).await;
    let uri = wiretap.uri();
    let database = stack.scratch().await;
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", database.name()), ("REDIS_URL", redis.as_str())];
    // An environment serves one request at a time: a hundred at once are a hundred environments.
    let environments = join_all((0..100).map(|_| Function::start("stats", &variables))).await;
    let answers = join_all(environments.iter().map(|environment| environment.get("/api/stats"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let computed = answers.iter().filter(|answer| answer.body["cached"] == false).count();
    // Where a hundred processes share two processors, the cache may be too late for some: those compute for themselves.
    let is_alone = |environment: &&Function| environment.logs().iter().any(|line| line.contains("the cache is away"));
    let alone = environments.iter().filter(is_alone).count();
    let operations = wiretap.take();
    println!("100 misses at once: {computed} computation, at the server {operations:?}; {alone} without the cache");
    assert!((1..=1 + alone).contains(&computed) && alone < 50, "{computed} computed, {alone} without the cache");
    assert_eq!(operations.values().sum::<u64>(), 4 * computed as u64);
}
