//! What a failover does to each kind of write that the bundle makes, and to the sockets: three scripted nodes, and a
//! client with the bundle's settings. (Real functions under one: `faults::failovers`.)
//! `cargo local test -- failover --nocapture` prints the figures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bson::{Document, doc};
use futures_util::future::join_all;
use mongodb::{
    Client, Database,
    options::{ClientOptions, ServerMonitoringMode},
};
use shared::{
    connection::Connection,
    mongo::{Error, Lifetime, Mongo, MongoSettings, REQUEST_TIMEOUT},
};
use tests::{
    eventually,
    replica_set::{Condition, Fault, ReplicaSet},
};

/// Shorter than Atlas's, which take some 5 s; what counts is the time after it.
const ELECTION: Duration = Duration::from_secs(1);
/// How much later than the new primary the first write may be: the limit of a write that waited in vain (3 s),
/// the driver's half second between two looks at a node, and a busy machine.
const AFTER_ELECTION: Duration = Duration::from_secs(5);
/// The longest that a write takes once one has succeeded.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(1);

fn mongo(set: &ReplicaSet) -> Mongo {
    Mongo::new(MongoSettings::new(set.uri(), "test"), Lifetime::FromFirstUse)
}

async fn insert(mongo: &Mongo, id: i32) -> Result<(), Error> {
    let work = async |database: Database| {
        database.collection::<Document>("events").insert_many([doc! {"_id": id}]).ordered(false).await
    };
    match mongo.run(REQUEST_TIMEOUT, work).await {
        // As in the consumer: what is there already was stored by an attempt whose answer was lost.
        Err(Error::Refused(error)) if error.to_string().contains("11000") => Ok(()),
        outcome => outcome.map(drop),
    }
}

async fn set(mongo: &Mongo, value: i32) -> Result<(), Error> {
    let update = doc! {"$set": {"value": value}};
    let work = async |database: Database| {
        database.collection::<Document>("records").update_one(doc! {"_id": "set"}, update).await
    };
    mongo.run(REQUEST_TIMEOUT, work).await.map(drop)
}

/// Takes effect on the version that was read, and on no other.
async fn guarded(mongo: &Mongo, version: i32) -> Result<(), Error> {
    let filter = doc! {"_id": "guarded", "version": version};
    let update = doc! {"$set": {"version": version + 1}, "$inc": {"taken": 1}};
    let work = async |database: Database| database.collection::<Document>("records").update_one(filter, update).await;
    mongo.run(REQUEST_TIMEOUT, work).await.map(drop)
}

/// What a client that writes without a pause saw of a fault.
#[derive(Debug, Default)]
struct Seen {
    /// Rounds of three writes that were acknowledged.
    rounds: i32,
    /// Attempts that failed.
    failed: u32,
    longest_attempt: Duration,
    /// The longest time without an acknowledged write.
    gap: Duration,
    /// How long the write took that came after it.
    next: Duration,
}

/// Writes until told to stop; what fails is tried again, as a queue or a caller does.
async fn write(mongo: Mongo, stop: Arc<AtomicBool>) -> Seen {
    let (mut seen, mut last, mut back) = (Seen::default(), Instant::now(), false);
    while !stop.load(Ordering::SeqCst) {
        for kind in 0..3 {
            let took = loop {
                let started = Instant::now();
                let outcome = match kind {
                    0 => insert(&mongo, seen.rounds).await,
                    1 => set(&mongo, seen.rounds).await,
                    _ => guarded(&mongo, seen.rounds).await,
                };
                seen.longest_attempt = seen.longest_attempt.max(started.elapsed());
                match outcome {
                    Ok(()) => break started.elapsed(),
                    Err(Error::Refused(error)) => panic!("a fault of the cluster must be Unavailable: {error}"),
                    Err(Error::Unavailable(_)) => seen.failed += 1,
                }
                assert!(last.elapsed() < ELECTION + AFTER_ELECTION, "no write succeeds any more");
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            if back {
                seen.next = took;
            }
            back = last.elapsed() > seen.gap;
            seen.gap = seen.gap.max(last.elapsed());
            last = Instant::now();
        }
        seen.rounds += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    seen
}

/// Lets a fault happen under a client that writes, and checks what is stored in the end.
async fn through(name: &str, fault: impl AsyncFnOnce(&ReplicaSet)) -> (String, Seen) {
    let nodes = ReplicaSet::start().await;
    let mongo = mongo(&nodes);
    nodes.put("records", &[doc! {"_id": "set"}, doc! {"_id": "guarded", "version": 0, "taken": 0}]);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(mongo.clone(), Arc::clone(&stop)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let opened = nodes.opened();
    fault(&nodes).await;
    eventually("there is a primary", 10, async || nodes.primary()).await;
    tokio::time::sleep(AFTER_ELECTION).await;
    stop.store(true, Ordering::SeqCst);
    let seen = writer.await.unwrap();

    let rounds = usize::try_from(seen.rounds).unwrap();
    let mut ids: Vec<_> = nodes.documents("events").iter().map(|event| event.get_i32("_id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), nodes.documents("events").len()), (rounds, rounds), "{name}: lost or doubled");
    let records = nodes.documents("records");
    assert_eq!(records[0].get_i32("value").ok(), Some(seen.rounds - 1), "{name}: the last $set");
    let of_guarded = |field| records[1].get_i32(field).ok();
    let expected = Some(seen.rounds);
    assert_eq!((of_guarded("version"), of_guarded("taken")), (expected, expected), "{name}: guarded updates");
    let line = format!(
        "| {name} | {:.1} | {:.3} | {:.1} | {} | {} | {} |",
        seen.gap.as_secs_f64(),
        seen.next.as_secs_f64(),
        seen.longest_attempt.as_secs_f64(),
        seen.failed,
        nodes.opened() - opened,
        3 * seen.rounds,
    );
    mongo.close().await;
    (line, seen)
}

#[tokio::test]
async fn failover_loses_and_doubles_no_write() {
    let faults = join_all([
        Box::pin(through("nothing", async |_| {})) as std::pin::Pin<Box<dyn Future<Output = (String, Seen)>>>,
        Box::pin(through("step-down", async |nodes| nodes.step_down(ELECTION))),
        Box::pin(through("the primary's process killed, back after the election", async |nodes| {
            nodes.make(0, Condition::Gone, ELECTION);
            tokio::time::sleep(2 * ELECTION).await;
            nodes.make(0, Condition::Up, ELECTION);
        })),
        Box::pin(through("the primary silent (host lost)", async |nodes| {
            nodes.make(0, Condition::Silent, ELECTION);
        })),
        Box::pin(through("a secondary's process killed", async |nodes| nodes.make(1, Condition::Gone, ELECTION))),
        Box::pin(through("a secondary silent", async |nodes| nodes.make(2, Condition::Silent, ELECTION))),
        Box::pin(through("the connection ends before the write", async |nodes| {
            nodes.script("insert", [Fault::LoseRequest]);
            nodes.script("update", [Fault::LoseRequest, Fault::LoseRequest]);
        })),
        Box::pin(through("the connection ends before the answer, twice", async |nodes| {
            nodes.script("insert", [Fault::LoseAnswer, Fault::LoseAnswer]);
            nodes.script("update", [Fault::LoseAnswer, Fault::LoseAnswer]);
        })),
        Box::pin(through("a write is never answered", async |nodes| nodes.script("insert", [Fault::Hang]))),
    ])
    .await;
    println!("\nelection {:.0} s", ELECTION.as_secs_f64());
    println!(
        "| fault | without a write, s | the next, s | longest attempt, s | failed attempts | sockets opened | \
         writes, each stored once |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (line, seen) in faults {
        println!("{line}");
        assert!(seen.gap < ELECTION + AFTER_ELECTION && seen.next < RECOVERY_TIMEOUT, "{line}");
        assert!(seen.longest_attempt < REQUEST_TIMEOUT + Duration::from_millis(500), "{line}");
    }
}

#[tokio::test]
async fn failover_leaves_two_sockets_at_the_primary_and_one_at_each_other_node() {
    let nodes = ReplicaSet::start().await;
    let ours = mongo(&nodes);
    assert_eq!(nodes.sockets(), [0, 0, 0], "before the first operation");
    insert(&ours, 1).await.unwrap();
    let settled = async |what: &str, expected: [usize; 3]| {
        eventually(what, 5, async || (nodes.sockets() == expected).then_some(())).await;
    };
    settled("warm", [2, 1, 1]).await;
    nodes.step_down(Duration::ZERO);
    let mut id = 2;
    eventually("it writes to the new primary", 5, async || {
        id += 1;
        insert(&ours, id).await.ok()
    })
    .await;
    assert_eq!(nodes.primary(), Some(1));
    // The one that the old primary had for operations stays until it has been idle for a minute.
    settled("after a step-down, the new primary first and the old one last", [2, 1, 2]).await;
    println!("sockets after a step-down, the new primary first: {:?}", nodes.sockets());
    ours.close().await;
    settled("closed", [0, 0, 0]).await;
}

#[tokio::test]
async fn failover_baseline_the_drivers_own_defaults_hold_more_sockets() {
    let nodes = ReplicaSet::start().await;
    let mut defaults = ClientOptions::parse(nodes.uri()).await.unwrap();
    // As the driver decides for itself on Lambda.
    defaults.server_monitoring_mode = Some(ServerMonitoringMode::Poll);
    let client = Client::with_options(defaults).unwrap();
    let events = client.database("test").collection::<Document>("events");
    join_all((0..20).map(async |id| events.insert_one(doc! {"_id": id}).await.unwrap())).await;
    let defaults = nodes.sockets();
    println!("20 operations at once with the driver's defaults: {defaults:?} sockets, the primary first");
    assert!(defaults.iter().sum::<usize>() > 4);
    client.shutdown().immediate(true).await;
}

#[tokio::test]
async fn failover_never_turns_to_a_secondary_for_a_read() {
    let nodes = ReplicaSet::start().await;
    // Were the connection string heard, the secondaries would answer.
    let uri = format!("{}&readPreference=secondaryPreferred", nodes.uri());
    let mongo = Mongo::new(MongoSettings::new(uri, "test"), Lifetime::FromFirstUse);
    insert(&mongo, 1).await.unwrap();
    nodes.step_down(Duration::from_millis(300));
    let mut answered = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let work = async |database: Database| database.collection::<Document>("events").find_one(doc! {"_id": 1}).await;
        if mongo.run(REQUEST_TIMEOUT, work).await.is_ok_and(|found| found.is_some()) {
            answered += 1;
        }
    }
    assert!(answered > 10, "{answered}");
    let reads = nodes.reads();
    let preferences: Vec<_> = reads.iter().filter_map(|read| read.preference.as_deref()).collect();
    assert!(preferences.iter().all(|mode| *mode == "primary"), "{preferences:?}");
    // The old primary was asked as the primary that it was until it refused; once more if a look at it was under way.
    let strayed: Vec<_> = reads.iter().filter(|read| !read.at_primary).map(|read| read.node).collect();
    println!("reads: {answered} answered by the primary, refused by the node that had been it: {strayed:?}");
    assert!(strayed.len() <= 2 && strayed.iter().all(|node| *node == 0), "{strayed:?}");
    mongo.close().await;
}

/// A server that is not told keeps the locks of a transaction for up to a minute.
#[tokio::test]
async fn failover_or_not_a_transaction_whose_time_is_up_is_aborted() {
    let nodes = ReplicaSet::start().await;
    let mongo = mongo(&nodes);
    insert(&mongo, 1).await.unwrap();
    nodes.script("update", [Fault::Hang]);
    let work = async |database: Database| {
        let mut session = database.client().start_session().await?;
        session.start_transaction().await?;
        let events = database.collection::<Document>("events");
        events.insert_one(doc! {"_id": 2}).session(&mut session).await?;
        events.update_one(doc! {"_id": 2}, doc! {"$set": {"late": true}}).session(&mut session).await?;
        session.commit_transaction().await
    };
    let started = Instant::now();
    assert!(matches!(mongo.run(Duration::from_millis(300), work).await, Err(Error::Unavailable(_))));
    println!("a transaction whose time was up after 300 ms was over after {:?}", started.elapsed());
    assert_eq!((nodes.heard("commitTransaction"), nodes.heard("abortTransaction")), (0, 1));
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
    insert(&mongo, 3).await.unwrap();
    mongo.close().await;
}
