//! Routes that make something new at each call, when it is made and the answer is lost: the caller is told 503, sends
//! the same again, and may have two.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    host::Function,
    stack::stack,
    test_env::{Person, TestEnv},
    wiretap::Wiretap,
};

use super::{check_answer, check_next, seconds};

struct Case {
    function: &'static str,
    path: &'static str,
    body: Value,
    collection: &'static str,
    /// How many there are in the end.
    kept: u64,
}

fn cases() -> [Case; 2] {
    [
        Case {
            function: "usage-alerts",
            path: "/api/usage-alerts",
            body: json!({"metric": "tokens", "period": "daily", "threshold": 1000}),
            collection: "usage_alerts",
            kept: 2,
        },
        // The same words of the same person about the same page within a day are one report.
        Case {
            function: "bug-reports",
            path: "/api/bug-reports",
            body: json!({"intent": "Copy a prompt", "description": "The button does nothing when pressed twice.",
                "pageUrl": "https://app.example.com/prompts/1"}),
            collection: "bug_reports",
            kept: 1,
        },
    ]
}

async fn post(case: &Case, route: &Function, who: &Person) -> (u64, Duration) {
    let started = Instant::now();
    let answer = route.post_as(&who.token, case.path, &case.body).await;
    check_answer(case.path, &answer, started.elapsed());
    (answer.status, started.elapsed())
}

async fn through(case: Case) -> String {
    let wiretap = Wiretap::to(stack().mongodb_address()).await;
    let uri = wiretap.uri();
    let env = TestEnv::new().await;
    let who = env.person(Role::User, None).await;
    let route = env.function_with(case.function, &[("MONGODB_URI", &uri)]).await;
    let stored = async || {
        let made = env.database.collection::<Document>(case.collection);
        made.count_documents(doc! {"userId": &who.id}).await.unwrap()
    };
    // With bytes at hand in the cache, the thing itself is the first that is written.
    if let Some(redis) = &env.stack.redis_url {
        let mut redis = redis::Client::open(redis.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
        let slice = format!("promptlib:bytes:account:{}:{}", who.id, clock::day(clock::now()));
        redis::cmd("SET").arg(slice).arg(16_000).arg("EX").arg(3_600).query_async::<()>(&mut redis).await.unwrap();
    }
    wiretap.lose_answers(true);
    let (status, took) = post(&case, &route, &who).await;
    assert_eq!(status, 503, "{}: its answer was not lost", case.path);
    assert_eq!(stored().await, 1, "{}: made once, however often the driver sent it", case.path);
    wiretap.lose_answers(false);
    let (again, next) = post(&case, &route, &who).await;
    check_next(case.path, matches!(again, 200 | 201), next);
    assert_eq!(stored().await, case.kept, "{}: after the caller's repeat", case.path);
    format!("| POST {} | {status} | {} | {again} | {} | {} |", case.path, seconds(took), seconds(next), case.kept)
}

#[tokio::test]
async fn what_is_made_and_not_told_is_made_again_by_the_callers_repeat_or_found() {
    let lines = join_all(cases().map(through)).await;
    println!(
        "\n| made, and the answer lost | answer | s | to the repeat | s | there are then |\n|---|---|---|---|---|---|"
    );
    for line in lines {
        println!("{line}");
    }
}
