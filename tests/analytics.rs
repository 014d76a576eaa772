//! What is told of use: counts of prompts, and figures of the platform.

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    content::starter_prompts,
    host::{Function, Outcome},
    proxy::Proxy,
    stack::stack,
    test_env::TestEnv,
    wiretap::Wiretap,
};

#[tokio::test]
async fn counts_are_told_of_a_prompt_by_id_or_slug_and_of_the_ten_that_were_run_most() {
    let wiretap = Wiretap::to(stack().mongodb_address()).await;
    let uri = wiretap.uri();
    // Without the cache server, whose counts of the ten are everybody's.
    let env = TestEnv::with("", &uri).await;
    let prompt = &starter_prompts()[0];
    let (id, slug) = (prompt["id"].as_str().unwrap(), prompt["slug"].as_str().unwrap());
    let day = |day: &str, prompt: &str, counts: Document| {
        doc! {"_id": format!("{day}/{prompt}"), "day": day, "promptId": prompt, "counts": counts}
    };
    let mut days: Vec<Document> =
        (0..12).map(|n| day("2028-02-28", &format!("other-{n:02}"), doc! {"execute": n, "view": 100})).collect();
    days.push(day("2028-02-28", id, doc! {"execute": 5, "view": 7, "copy": 1_i64}));
    days.push(day("2028-02-29", id, doc! {"execute": 6, "share": 2, "favorite": 3}));
    days.push(day("imported", id, doc! {"view": 40}));
    env.database.collection("prompt_daily").insert_many(days).await.unwrap();
    let route = env.function("analytics-counts").await;

    let counts = json!({"views": 47, "copies": 1, "executions": 11, "favorites": 3, "shares": 2});
    for wanted in [id, slug] {
        let answer = route.get(&format!("/api/analytics/track?promptId={wanted}")).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"stats": counts})), "{wanted}: {}", answer.text);
    }
    assert_eq!(wiretap.take().values().sum::<u64>(), 1, "the second time from memory, by whichever name");
    let top = route.get("/api/analytics/track").await;
    let top: Vec<_> = top.body["topPrompts"].as_array().unwrap().iter().map(|prompt| &prompt["promptId"]).collect();
    let mut expected = vec![json!(id)];
    expected.extend((0..12).rev().map(|n| json!(format!("other-{n:02}"))));
    // As often run as another, and less often opened.
    expected.swap(0, 1);
    assert_eq!(top, expected[..10].iter().collect::<Vec<_>>());

    wiretap.take();
    for unknown in ["nobody-knows-it", "other-01", "", "%00"] {
        let answer = route.get(&format!("/api/analytics/track?promptId={unknown}")).await;
        assert_eq!(answer.status, 404, "{unknown}: {}", answer.text);
    }
    assert!(wiretap.take().is_empty(), "the store is not asked for what readers do not know");
}

#[tokio::test]
async fn a_category_that_is_no_text_leaves_the_figures_whole() {
    // Without the cache server, whose figures are everybody's.
    let env = TestEnv::with("", &stack().mongodb_uri).await;
    let prompts = [
        doc! {"_id": "a", "slug": "a", "category": "c", "role": "r"},
        doc! {"_id": "b", "slug": "b", "category": 7, "role": ["r"]},
        doc! {"_id": "c", "slug": "c", "category": {"name": "c"}, "role": null},
    ];
    env.database.collection("prompts").insert_many(prompts).await.unwrap();
    let answer = env.function("stats").await.get("/api/stats").await;
    let expected = json!({"total": 3, "byCategory": {"c": 1}, "byRole": {"r": 1}});
    assert_eq!((answer.status, &answer.body["prompts"]), (200, &expected), "{}", answer.text);
}

async fn prompts(function: &Function) -> (Value, Value, Value) {
    let answer = function.get("/api/stats").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    (answer.body["prompts"]["total"].clone(), answer.body["cached"].clone(), answer.body["stale"].clone())
}

#[tokio::test]
async fn figures_are_computed_anew_when_they_are_invalidated_and_by_the_job_whatever_their_age() {
    let Some(redis) = stack().own_redis().await else { return };
    let proxy = Proxy::to(stack().mongodb_address()).await;
    let uri = proxy.uri();
    let env = TestEnv::with(&redis, &uri).await;
    let add = async |id: &str| {
        env.database.collection("prompts").insert_one(doc! {"_id": id, "slug": id}).await.unwrap();
    };
    let (stats, root) = (env.function("stats").await, env.person(Role::SuperAdmin, None).await);
    let invalidate = async || stats.post_as(&root.token, "/api/stats/invalidate", &json!({})).await.status;
    let figures = |total: u64, cached: bool, stale: bool| (json!(total), json!(cached), json!(stale));

    add("a").await;
    assert_eq!(prompts(&stats).await, figures(1, false, false));
    add("b").await;
    assert_eq!(prompts(&stats).await, figures(1, true, false), "for an hour");
    assert_eq!(invalidate().await, 204);
    assert_eq!(prompts(&stats).await, figures(2, false, false));

    add("c").await;
    let job = env.function("refresh-stats").await;
    let Outcome::Response(summary) = job.invoke(json!({})).await else { panic!("{:?}", job.logs()) };
    assert_eq!(summary["prompts"]["total"], 3, "{summary}");
    assert_eq!(prompts(&stats).await, figures(3, true, false), "whatever the age of those before");

    let date = stats.get("/api/stats").await.body["lastUpdated"].clone();
    assert_eq!(invalidate().await, 204);
    proxy.cut();
    let answer = stats.get("/api/stats").await;
    assert_eq!((answer.status, &answer.body["stale"], &answer.body["lastUpdated"]), (200, &json!(true), &date));
    let started = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(prompts(&stats).await, figures(3, true, true), "at once: the outage is known");
    }
    assert!(started.elapsed() < std::time::Duration::from_millis(500), "{:?}", started.elapsed());
    proxy.restore();
    let other = env.function("stats").await;
    assert_eq!(prompts(&other).await, figures(3, true, true), "to everybody");
    job.invoke(json!({})).await;
    assert_eq!(prompts(&other).await, figures(3, true, false));
}
