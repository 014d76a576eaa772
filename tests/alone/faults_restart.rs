//! MongoDB restarted: a route and a consumer that are called before, while it is away, and afterwards.

use std::time::Instant;

use bson::doc;
use shared::roles::Role;
use tests::{eventually, host::Function, test_env::TestEnv};
use tokio::task::spawn_blocking;

use crate::faults::{
    COLLECTIONS, PER_COLLECTION, batch, check_answer, check_next, deliver, seconds, seen_by_queue, stored,
};

#[tokio::test]
async fn mongodb_restarted_is_a_503_and_a_batch_that_comes_again() {
    let env = TestEnv::new().await;
    let route = Function::start("auth-session", &env.variables()).await;
    let consumer = Function::start("write-events", &env.variables()).await;
    let (first, second) = (batch(), batch());
    // Somebody new each time: who is known already needs no server.
    let mut people = Vec::new();
    for _ in 0..3 {
        people.push(env.person(Role::User, None).await);
    }
    let mut strangers = people.iter();
    let mut session = async || {
        let started = Instant::now();
        let answer = route.get_as(&strangers.next().unwrap().token, "/api/auth/session").await;
        check_answer("MongoDB restarted", &answer, started.elapsed());
        (answer.status, started.elapsed())
    };
    assert_eq!(session().await.0, 200);
    assert!(deliver(&consumer, &first).await.0);

    let stopped = Instant::now();
    spawn_blocking(|| local::stack::stop_server("mongodb").unwrap()).await.unwrap();
    let (refused, took) = session().await;
    let (done, took_batch) = deliver(&consumer, &second).await;
    spawn_blocking(|| local::stack::start_server("mongodb").unwrap()).await.unwrap();
    eventually("MongoDB is back", 30, async || env.database.run_command(doc! {"ping": 1}).await.ok()).await;
    let away = stopped.elapsed();
    assert!(refused == 503 && !done, "{refused}, {}", seen_by_queue(done));

    let (status, next) = session().await;
    check_next("MongoDB restarted, a route", status == 200, next);
    let (again, next_batch) = deliver(&consumer, &second).await;
    check_next("MongoDB restarted, a batch", again, next_batch);
    assert_eq!(stored(&env.database).await, [2 * PER_COLLECTION; COLLECTIONS.len()], "each once");
    println!("\n| MongoDB restarted | route | s | the next, s | consumer | s | the next, s | lost |");
    println!(
        "| away for {} s | 503 | {} | {} | {} | {} | {} | 0 |",
        seconds(away),
        seconds(took),
        seconds(next),
        seen_by_queue(done),
        seconds(took_batch),
        seconds(next_batch),
    );
}
