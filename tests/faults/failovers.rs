//! What callers and the queue see of a failover: the real functions, each with its sockets to a scripted set.

use std::time::{Duration, Instant};

use bson::Document;
use futures_util::future::{join_all, join3};
use shared::roles::Role;
use tests::{
    host::Function,
    replica_set::{Condition, ReplicaSet},
    test_env::{Person, account},
};

use super::{
    COLLECTIONS, PER_COLLECTION, batch, check_answer, check_next, deliver, replace_preferences, seconds, seen_by_queue,
};

#[derive(Clone, Copy, Debug)]
enum Strike {
    StepDown,
    /// The primary's process ends.
    Kill,
    /// The primary's host falls silent.
    Lose,
}

struct Case {
    strike: Strike,
    election: Duration,
    /// The first answer to a route that writes, to one that reads, and to the queue. `None` where either will do.
    first: [Option<&'static str>; 3],
}

/// A client looks for a primary for 2.5 s: longer than the short election takes, and less long than Atlas's 5 s.
const CASES: [Case; 6] = {
    const SHORT: Duration = Duration::from_secs(1);
    const LIKE_ATLAS: Duration = Duration::from_secs(5);
    const SERVED: [Option<&str>; 3] = [Some("200"), Some("200"), Some("stored")];
    const REFUSED: [Option<&str>; 3] = [Some("503"), Some("503"), Some("invocation error")];
    [
        Case { strike: Strike::StepDown, election: SHORT, first: SERVED },
        Case { strike: Strike::StepDown, election: LIKE_ATLAS, first: REFUSED },
        Case { strike: Strike::Kill, election: SHORT, first: SERVED },
        Case { strike: Strike::Kill, election: LIKE_ATLAS, first: REFUSED },
        // Who asks by a socket that fell silent waits in vain: a request for 3 s, a batch until the driver finds out.
        Case { strike: Strike::Lose, election: SHORT, first: [Some("503"), Some("503"), None] },
        Case { strike: Strike::Lose, election: LIKE_ATLAS, first: [Some("503"), Some("503"), None] },
    ]
};
/// How much later than the new primary the first success may be: an attempt that waited in vain, and a busy machine.
const AFTER_ELECTION: Duration = Duration::from_secs(5);
const PEOPLE: usize = 30;

/// How it went for one of the functions.
struct Course {
    first: String,
    took: Duration,
    /// The first that was served: which attempt, and how long after the fault.
    served: usize,
    back: Duration,
    next: Duration,
}

fn is_served(outcome: &str) -> bool {
    matches!(outcome, "200" | "stored")
}

/// Calls until a call is served, and once more.
async fn follow(case: &str, limit: Duration, call: impl AsyncFn(usize) -> (String, Duration)) -> Course {
    let struck = Instant::now();
    let (first, took) = call(0).await;
    let (mut served, mut outcome) = (0, first.clone());
    while !is_served(&outcome) {
        assert!(struck.elapsed() < limit, "{case}: not served again: {outcome}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        served += 1;
        outcome = call(served).await.0;
    }
    let back = struck.elapsed();
    assert!(back < limit, "{case}: served again after {back:?}");
    let (outcome, next) = call(served + 1).await;
    check_next(case, is_served(&outcome), next);
    Course { first, took, served, back, next }
}

impl Course {
    fn cells(&self) -> String {
        format!("{} | {} | {} | {}", self.first, seconds(self.took), seconds(self.back), seconds(self.next))
    }
}

/// Who is signed in: an account that the function has not looked up yet.
async fn read(route: &Function, person: &Person) -> (String, Duration) {
    let started = Instant::now();
    let answer = route.get_as(&person.token, "/api/auth/session").await;
    check_answer("a read", &answer, started.elapsed());
    (answer.status.to_string(), started.elapsed())
}

async fn write(route: &Function, person: &Person) -> (String, Duration) {
    let (answer, took) = replace_preferences(route, person).await;
    check_answer("a write", &answer, took);
    (answer.status.to_string(), took)
}

async fn through(case: &Case) -> String {
    let Case { strike, election, first } = case;
    let name = format!("{strike:?}, election of {} s", election.as_secs());
    let nodes = ReplicaSet::start().await;
    let (people, accounts): (Vec<_>, Vec<_>) = (0..PEOPLE).map(|_| account(Role::User, None)).unzip();
    nodes.put("users", &accounts);
    let uri = nodes.uri();
    let variables = [("MONGODB_URI", uri.as_str()), ("DB_NAME", "test")];
    let start = |name| Function::start(name, &variables);
    let (writer, reader, consumer) =
        join3(start("user-preferences"), start("auth-session"), start("write-events")).await;
    let (warm, met) = (batch(), batch());
    let (written, seen, stored) =
        join3(write(&writer, &people[0]), read(&reader, &people[0]), deliver(&consumer, &warm)).await;
    assert!(is_served(&written.0) && is_served(&seen.0) && stored.0, "{name}: warm");
    let reads_before = nodes.reads().len();

    match strike {
        Strike::StepDown => nodes.step_down(*election),
        Strike::Kill => nodes.make(0, Condition::Gone, *election),
        Strike::Lose => nodes.make(0, Condition::Silent, *election),
    }
    let limit = *election + AFTER_ELECTION;
    let (by_writer, by_reader, by_consumer) = join3(
        follow(&name, limit, async |n| write(&writer, &people[1 + n]).await),
        follow(&name, limit, async |n| read(&reader, &people[1 + n]).await),
        // A bulk insert waits up to 25 s before it fails, and comes again.
        follow(&name, super::CONSUMER_TIMEOUT + limit, async |_| {
            let (done, took) = deliver(&consumer, &met).await;
            (seen_by_queue(done).to_owned(), took)
        }),
    )
    .await;
    let courses = [&by_writer, &by_reader, &by_consumer];
    for (course, expected) in courses.iter().zip(first) {
        assert!(
            expected.is_none_or(|expected| course.first == expected),
            "{name}: {}, {:?}",
            course.first,
            course.took
        );
    }
    let kept = |person: usize| -> Option<bool> {
        let user: &Document = &nodes.documents("users")[person];
        user.get_document("notificationPreferences").ok()?.get_bool("emailEnabled").ok()
    };
    for call in [by_writer.served, by_writer.served + 1] {
        assert_eq!(kept(1 + call), Some(false), "{name}: acknowledged and not stored");
    }
    let stored = COLLECTIONS.map(|collection| nodes.documents(collection).len());
    assert_eq!(stored, [2 * PER_COLLECTION; COLLECTIONS.len()], "{name}: each once");
    let reads = &nodes.reads()[reads_before..];
    assert!(reads.iter().all(|read| read.preference.is_none()), "{name}: {reads:?}");
    // Each of the two routes asks the one that it takes for the primary, and is refused, once.
    let refused = reads.iter().filter(|read| !read.at_primary).count();
    assert!(refused <= 2, "{name}: {reads:?}");
    format!("| {name} | {} | 0 |", courses.map(Course::cells).join(" | "))
}

#[tokio::test]
async fn failover_of_the_cluster_under_real_functions() {
    let lines = join_all(CASES.iter().map(through)).await;
    let columns = |who| format!("{who} | s | served after, s | the next, s");
    let [writes, reads, consumer] = ["a route that writes", "one that reads", "consumer"].map(columns);
    println!("\n| failover | {writes} | {reads} | {consumer} | lost |");
    println!("|{}", "---|".repeat(14));
    for line in lines {
        println!("{line}");
    }
}
