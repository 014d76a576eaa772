//! From the database to the reader: what is published is seen, and what is refused changes nothing.

use std::{path::Path, time::Instant};

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
};
use tempfile::TempDir;
use tests::{
    content::items,
    eventually,
    host::{Function, Outcome},
    root,
    stack::stack,
    test_env::TestEnv,
    wiretap::Wiretap,
};

use crate::usage_costs::fits;

/// The starter content in a env's database, and in a folder.
async fn published(env: &TestEnv) -> TempDir {
    let store = Store::new(Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse));
    let folder = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let bytes = std::fs::read(root().join("public-data").join(kind.file_name())).unwrap();
        store.import(kind, &parse(kind, &bytes).unwrap()).await.unwrap();
        std::fs::write(folder.path().join(kind.file_name()), bytes).unwrap();
    }
    folder
}

fn url(folder: &TempDir) -> String {
    format!("file://{}", folder.path().display())
}

async fn run(job: &Function) -> Outcome {
    job.invoke(json!({})).await
}

fn prompts(folder: &Path) -> Vec<Value> {
    let file: Value = serde_json::from_slice(&std::fs::read(folder.join("prompts.json")).unwrap()).unwrap();
    items(&file).clone()
}

#[tokio::test]
async fn a_warm_route_shows_what_is_published_within_a_minute_and_keeps_it_when_an_export_is_refused() {
    let env = TestEnv::new().await;
    let folder = published(&env).await;
    let url = url(&folder);
    let (job, route) = (
        env.function_with("export-content", &[("CONTENT_URL", &url)]).await,
        env.function_with("prompt", &[("CONTENT_URL", &url)]).await,
    );
    let before = prompts(folder.path());
    let first = before.iter().find(|prompt| prompt["isPremium"] != true && prompt["requiresAuth"] != true).unwrap();
    let (id, path) = (first["id"].as_str().unwrap(), format!("/api/prompts/{}", first["id"].as_str().unwrap()));
    assert_eq!(route.get(&path).await.body["title"], first["title"]);

    let in_database = env.database.collection::<Document>("prompts");
    in_database.update_one(doc! {"_id": id}, doc! {"$set": {"title": "A new title"}}).await.unwrap();
    let Outcome::Response(summary) = run(&job).await else { panic!("{:?}", job.logs()) };
    assert_eq!(summary["prompts"], json!({"outcome": "published", "items": before.len()}));
    fits("export-content", &job);
    let started = Instant::now();
    eventually("the warm route shows it", 65, async || {
        (route.get(&path).await.body["title"] == "A new title").then_some(())
    })
    .await;
    println!("published, and shown by a warm route after {:?}", started.elapsed());

    // Most of them vanish from the database.
    let hidden = doc! {"$set": {"active": false}};
    in_database.update_many(doc! {"_id": {"$ne": "nothing"}}, hidden).await.unwrap();
    in_database.update_one(doc! {"_id": id}, doc! {"$set": {"active": true, "title": "Alone"}}).await.unwrap();
    let Outcome::Error(error) = run(&job).await else { panic!("that is a loss") };
    assert!(error["errorMessage"].as_str().unwrap().contains("more than a fifth fewer"), "{error}");
    for route in [&route, &env.function_with("prompt", &[("CONTENT_URL", &url)]).await] {
        for prompt in before.iter().filter(|prompt| prompt["isPremium"] != true && prompt["requiresAuth"] != true) {
            let answer = route.get(&format!("/api/prompts/{}", prompt["id"].as_str().unwrap())).await;
            assert_eq!((answer.status, answer.header("x-content-source")), (200, "json"), "{}", prompt["id"]);
        }
        assert_eq!(route.get(&path).await.body["title"], "A new title");
    }
}

#[tokio::test]
async fn without_a_usable_file_a_loss_is_told_by_the_backup() {
    let env = TestEnv::new().await;
    let folder = published(&env).await;
    let url = url(&folder);
    let job = env.function_with("export-content", &[("CONTENT_URL", &url)]).await;
    let all = prompts(folder.path()).len();
    let few = i64::try_from(all / 2).unwrap();
    let prompt_ids: Vec<String> =
        prompts(folder.path())[..all / 2].iter().map(|prompt| prompt["id"].as_str().unwrap().to_owned()).collect();
    env.database.collection::<Document>("prompts").delete_many(doc! {"_id": {"$in": prompt_ids}}).await.unwrap();
    for broken in [None, Some("not JSON")] {
        let file = folder.path().join("prompts.json");
        match broken {
            None => std::fs::remove_file(&file).unwrap(),
            Some(text) => std::fs::write(&file, text).unwrap(),
        }
        let Outcome::Error(error) = run(&job).await else { panic!("{few} of {all} are a loss") };
        assert!(error["errorMessage"].as_str().unwrap().contains("more than a fifth fewer"), "{error}");
    }
    let Outcome::Response(summary) = job.invoke(json!({"allowShrink": true})).await else { panic!("{:?}", job.logs()) };
    assert_eq!(summary["prompts"]["outcome"], "published");
}

#[tokio::test]
async fn an_export_that_stops_half_way_leaves_whole_files_and_is_made_good_by_its_next_run() {
    let wiretap = Wiretap::to(stack().mongodb_address()).await;
    let uri = wiretap.uri();
    let env = TestEnv::with("", &uri).await;
    let folder = published(&env).await;
    let url = url(&folder);
    let job = env.function_with("export-content", &[("CONTENT_URL", &url)]).await;
    // A kind is read by one command.
    for commands in 0..3 {
        let title = format!("After {commands} commands");
        for kind in Kind::ALL {
            let set = doc! {"$set": {"title": &title, "name": &title}};
            let collection = env.database.collection::<Document>(kind.collection());
            collection.update_many(doc! {}, set).await.unwrap();
        }
        wiretap.end_after(commands);
        assert!(matches!(run(&job).await, Outcome::Error(_)), "after {commands} commands");
        for kind in Kind::ALL {
            let bytes = std::fs::read(folder.path().join(kind.file_name())).unwrap();
            assert!(parse(kind, &bytes).is_ok(), "{kind:?} after {commands} commands");
        }
        wiretap.end_after(i64::MAX);
        let Outcome::Response(summary) = run(&job).await else { panic!("{:?}", job.logs()) };
        assert!(!summary.to_string().contains("refused"), "{summary}");
        assert!(
            prompts(folder.path()).iter().all(|prompt| prompt["title"] == title.as_str()),
            "after {commands} commands"
        );
    }
    let Outcome::Response(again) = run(&job).await else { panic!("{:?}", job.logs()) };
    assert!(Kind::ALL.iter().all(|kind| again[kind.name()]["outcome"] == "unchanged"), "{again}");
}
