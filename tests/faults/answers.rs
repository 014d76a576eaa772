//! Answers that a real server cannot be made to give: a full disk, a quota that is used up, too many
//! connections. The nodes are scripted ([`ReplicaSet`]); the functions are the real ones.

use std::time::Duration;

use futures_util::future::join_all;
use shared::roles::Role;
use tests::{
    host::Function,
    replica_set::{Condition, Fault, ReplicaSet},
    test_env::{Person, account},
};

use super::{
    COLLECTIONS, PER_COLLECTION, batch, check_answer, check_next, deliver, replace_preferences, seconds, seen_by_queue,
};

/// A set with somebody in it.
async fn inhabited() -> (ReplicaSet, Person) {
    let nodes = ReplicaSet::start().await;
    let (person, document) = account(Role::User, None);
    nodes.put("users", &[document]);
    (nodes, person)
}

/// What a route and a consumer make of what the cluster says to them, and that it is forgotten afterwards.
async fn told(fault: &str, strike: impl Fn(&ReplicaSet)) -> String {
    let (nodes, person) = inhabited().await;
    let uri = nodes.uri();
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", "test")];
    // Before the start, which connects: who has its sockets does not notice that there are no more.
    strike(&nodes);
    let route = Function::start("user-preferences", &variables).await;
    let (answer, took) = replace_preferences(&route, &person).await;
    check_answer(fault, &answer, took);
    assert_eq!(answer.status, 503, "{fault}: {}", answer.text);
    mend(&nodes);
    let (after, recovered) = replace_preferences(&route, &person).await;
    check_next(fault, after.status == 200, recovered);
    let kept = nodes.documents("users")[0].get_document("notificationPreferences").unwrap().clone();
    assert_eq!(kept.get_bool("emailEnabled").ok(), Some(false));
    let by_route = format!("503 | {} | {}", seconds(took), seconds(recovered));

    strike(&nodes);
    let (consumer, batch) = (Function::start("write-events", &variables).await, batch());
    let (done, took) = deliver(&consumer, &batch).await;
    assert!(!done, "{fault}: the batch must come again");
    let longest = consumer.logs().iter().map(String::len).max();
    assert!(longest < Some(3000), "{fault}: a line for the batch, not for its documents: {longest:?}");
    mend(&nodes);
    let (again, recovered) = deliver(&consumer, &batch).await;
    check_next(fault, again, recovered);
    assert_eq!(COLLECTIONS.map(|name| nodes.documents(name).len()), [PER_COLLECTION; COLLECTIONS.len()], "{fault}");
    format!("| {fault} | {by_route} | {} | {} | {} | 0 |", seen_by_queue(done), seconds(took), seconds(recovered))
}

fn mend(nodes: &ReplicaSet) {
    nodes.behave();
    nodes.make_all(Condition::Up);
}

/// Every write gets this answer.
fn refuse(nodes: &ReplicaSet, fault: &Fault) {
    for command in ["insert", "update"] {
        nodes.script(command, vec![fault.clone(); 20]);
    }
}

#[tokio::test]
async fn from_the_cluster() {
    let full_disk =
        Fault::Refuse(14031, "Available disk space of 100 bytes is less than required minimum of 524288000");
    let in_mid_batch = Fault::RefuseHalf(14031);
    let quota = Fault::Refuse(8000, "you are over your space quota, using 513 MB of 512 MB");
    // Atlas documents that it throttles, and no code for it; 8000 is what it answers of its own.
    let throttled = Fault::Refuse(8000, "you are over the limit of operations per second of this tier");
    let refusals = [
        ("disk full (OutOfDiskSpace)", full_disk),
        ("disk full within a bulk insert", in_mid_batch),
        ("M0's storage used up (AtlasError)", quota),
        ("M0's throttling as a refusal (AtlasError)", throttled),
        ("the write is done, and its answer lost each time", Fault::LoseAnswer),
        ("the write is done, and never answered", Fault::Hang),
    ];
    let refused = join_all(refusals.iter().map(|(name, fault)| told(name, |nodes| refuse(nodes, fault)))).await;
    let full = told("no connection left at any node", |nodes| nodes.make_all(Condition::Full)).await;
    println!("\n| from the cluster | route | s | the next, s | consumer | s | the next, s | lost |");
    println!("|---|---|---|---|---|---|---|---|");
    for line in refused.iter().chain([&full]) {
        println!("{line}");
    }
}

/// What is open lives on: an environment that has its sockets goes on while others get none.
#[tokio::test]
async fn an_environment_with_sockets_works_while_no_other_gets_one() {
    let nodes = ReplicaSet::start().await;
    let uri = nodes.uri();
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", "test")];
    let warm = Function::start("write-events", &variables).await;
    assert!(deliver(&warm, &batch()).await.0);
    // The sockets of the other nodes' monitors come a moment later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    nodes.make_all(Condition::Full);
    let (done, took) = deliver(&warm, &batch()).await;
    assert!(done);
    println!("| no connection left, consumer warm | stored | {} | 0 |", seconds(took));
}

/// M0 does not refuse what is too much, it answers late: a second for each operation that comes too soon.
#[tokio::test]
async fn throttled_by_delay_it_takes_longer_and_is_done() {
    let late = Duration::from_secs(1);
    let (nodes, person) = inhabited().await;
    let uri = nodes.uri();
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", "test")];
    let (route, consumer) =
        (Function::start("user-preferences", &variables).await, Function::start("write-events", &variables).await);
    for command in ["find", "insert", "update"] {
        nodes.script(command, vec![Fault::Late(late); 10]);
    }
    let (answer, by_route) = replace_preferences(&route, &person).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (done, by_consumer) = deliver(&consumer, &batch()).await;
    assert!(
        done && by_route >= 2 * late && by_consumer >= 4 * late,
        "{by_route:?}, {by_consumer:?}: an operation each, and one for the day's sum of bytes"
    );
    assert!(by_route < 3 * late && by_consumer < 5 * late, "{by_route:?}, {by_consumer:?}: nothing is done again");
    assert_eq!(COLLECTIONS.map(|name| nodes.documents(name).len()), [PER_COLLECTION; COLLECTIONS.len()]);
    nodes.behave();
    let (after, next) = replace_preferences(&route, &person).await;
    check_next("M0's throttling as a delay", after.status == 200, next);
    let (again, next_batch) = deliver(&consumer, &batch()).await;
    check_next("M0's throttling as a delay", again, next_batch);
    let [by_route, next, by_consumer, next_batch] = [by_route, next, by_consumer, next_batch].map(seconds);
    println!(
        "| M0's throttling as a delay of 1 s | 200 | {by_route} | {next} | stored | {by_consumer} | {next_batch} | 0 |"
    );
}
