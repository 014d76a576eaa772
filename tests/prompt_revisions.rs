//! Revisions of a prompt: one for each change, of two editors one wins, and nothing that was is lost.

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{
    clock,
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
    prompts::revisions::{follow, keep_imported},
    roles::Role,
};
use tests::test_env::TestEnv;

use crate::prompts::{made, path};

#[tokio::test]
async fn of_two_editors_who_read_the_same_one_wins() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::OrgMember, Some("org")).await, env.person(Role::OrgMember, Some("org")).await);
    let (one, two) = (env.function("prompt-edit").await, env.function("prompt-edit").await);
    let path = path(&made(&env.function("prompt-create").await, &ada).await);
    for round in 1..=10 {
        let etag = format!("\"{round}\"");
        let (first, second) =
            (json!({"description": format!("a {round}")}), json!({"description": format!("b {round}")}));
        let (a, b) = tokio::join!(
            one.patch_as(&ada.token, &path, &etag, &first),
            two.patch_as(&eve.token, &path, &etag, &second)
        );
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}: {} {}", a.text, b.text);
    }
    for (etag, status) in [("", 428), ("*", 400), ("w/\"11\"", 400), ("11", 400), ("\"1\"", 412), ("\"99\"", 412)] {
        let answer = one.patch_as(&ada.token, &path, etag, &json!({"description": "c"})).await;
        assert_eq!(answer.status, status, "{etag}: {}", answer.text);
    }
}

#[tokio::test]
async fn fifty_patches_at_once_leave_fifty_revisions_without_a_gap() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::OrgMember, Some("org")).await;
    let (read, revisions) = (env.function("prompt").await, env.function("prompt-revisions").await);
    let path = path(&made(&env.function("prompt-create").await, &ada).await);
    let editors = join_all((0..5).map(async |_| env.function("prompt-edit").await)).await;
    // Each has 60 edits an hour, and comes second to each of the others once at most.
    let people = join_all((0..50).map(async |_| env.person(Role::OrgMember, Some("org")).await)).await;
    let lost = join_all(people.iter().enumerate().map(async |(n, person)| {
        let mut lost = 0;
        loop {
            let seen = read.get_as(&person.token, &path).await;
            let body = json!({"description": format!("by {n}")});
            let answer = editors[n % 5].patch_as(&person.token, &path, seen.header("etag"), &body).await;
            match answer.status {
                200 => return lost,
                412 => lost += 1,
                status => panic!("{status}: {}", answer.text),
            }
        }
    }))
    .await;
    println!("50 patches, and {} that came second", lost.iter().sum::<u32>());

    let (mut seen, mut next) = (Vec::new(), format!("{path}/revisions?limit=20"));
    loop {
        let page = revisions.get_as(&ada.token, &next).await;
        seen.extend(page.body["revisions"].as_array().unwrap().iter().map(|r| r["revisionNumber"].as_i64().unwrap()));
        let Some(cursor) = page.body["nextCursor"].as_str() else { break };
        next = format!("{path}/revisions?limit=20&cursor={cursor}");
    }
    assert_eq!(seen, (1..=51).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_imported_prompt_has_its_first_revision_before_its_second() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let item = json!({"id": "old", "slug": "old", "title": "Old", "content": "c", "unknown": {"deep": [1, {"$date": 1, "x": null}]}, "views": 7});
    let file = json!({"totalPrompts": 1, "prompts": [item]});
    let store = Store::new(Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse));
    store.import(Kind::Prompts, &parse(Kind::Prompts, file.to_string().as_bytes()).unwrap()).await.unwrap();
    let (edit, revisions) = (env.function("prompt-edit").await, env.function("prompt-revisions").await);
    let changed = edit.patch_as(&root.token, "/api/prompts/old", "\"1\"", &json!({"title": "New"})).await;
    assert_eq!((changed.status, &changed.body["unknown"]), (200, &item["unknown"]), "{}", changed.text);
    assert_eq!(changed.body["views"], 7);
    let again = edit.patch_as(&root.token, "/api/prompts/old", "\"1\"", &json!({"title": "Newer"})).await;
    assert_eq!(again.status, 412);
    let list = revisions.get_as(&root.token, "/api/prompts/old/revisions").await;
    let kept = list.body["revisions"].as_array().unwrap();
    let told: Vec<_> =
        kept.iter().map(|r| (r["revisionNumber"].as_i64().unwrap(), r["snapshot"]["title"].as_str())).collect();
    assert_eq!(told, [(2, Some("New")), (1, Some("Old"))], "{}", list.text);

    // The file is imported again: whoever read the second revision must not overwrite it.
    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    let mut items = parse(Kind::Prompts, file.to_string().as_bytes()).unwrap();
    let followed = follow(&mongo, &mut items).await.unwrap();
    store.import(Kind::Prompts, &items).await.unwrap();
    for _ in 0..2 {
        keep_imported(&mongo, &followed).await.unwrap();
    }
    let late = edit.patch_as(&root.token, "/api/prompts/old", "\"2\"", &json!({"title": "Late"})).await;
    assert_eq!(late.status, 412);
    let next = edit.patch_as(&root.token, "/api/prompts/old", "\"3\"", &json!({"title": "Next"})).await;
    assert_eq!((next.status, &next.body["title"]), (200, &json!("Next")), "{}", next.text);
    let list = revisions.get_as(&root.token, "/api/prompts/old/revisions").await;
    let reasons: Vec<_> =
        list.body["revisions"].as_array().unwrap().iter().map(|r| r["changeReason"].as_str()).collect();
    assert_eq!(reasons, [None, Some("imported"), None, None], "{}", list.text);
}

#[tokio::test]
async fn what_an_imported_prompt_was_is_kept_whatever_its_number() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let store = Store::new(Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse));
    let item = json!({"id": "old", "slug": "old", "title": "Old", "content": "c", "currentRevision": 5});
    store.import(Kind::Prompts, &[item.as_object().unwrap().clone()]).await.unwrap();
    let (edit, revisions) = (env.function("prompt-edit").await, env.function("prompt-revisions").await);
    for (etag, title) in [("\"5\"", "New"), ("\"6\"", "Newer")] {
        let changed = edit.patch_as(&root.token, "/api/prompts/old", etag, &json!({"title": title})).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    }
    let list = revisions.get_as(&root.token, "/api/prompts/old/revisions").await;
    let kept = list.body["revisions"].as_array().unwrap();
    let told: Vec<_> =
        kept.iter().map(|r| (r["revisionNumber"].as_i64().unwrap(), r["snapshot"]["title"].as_str())).collect();
    assert_eq!(told, [(7, Some("Newer")), (6, Some("New")), (5, Some("Old"))], "{}", list.text);
}

#[tokio::test]
async fn an_import_that_is_refused_keeps_nobody_from_changing_the_prompt() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    let store = Store::new(mongo.clone());
    let (edit, revisions) = (env.function("prompt-edit").await, env.function("prompt-revisions").await);
    let item = |slug: &str| {
        let Value::Object(item) = json!({"id": "old", "slug": slug, "title": "Old", "content": "c"}) else { panic!() };
        vec![item]
    };
    let change = async |etag: &str, title: &str| {
        let changed = edit.patch_as(&root.token, "/api/prompts/old", etag, &json!({"title": title})).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    };
    store.import(Kind::Prompts, &item("old")).await.unwrap();
    change("\"1\"", "New").await;

    let another = doc! {"_id": "another", "slug": "taken", "title": "t", "content": "c"};
    env.database.collection::<Document>("prompts").insert_one(another).await.unwrap();
    let mut refused = item("taken");
    follow(&mongo, &mut refused).await.unwrap();
    assert!(store.import(Kind::Prompts, &refused).await.is_err(), "the slug is another prompt's");
    change("\"2\"", "Newer").await;

    let mut mended = item("old");
    let followed = follow(&mongo, &mut mended).await.unwrap();
    store.import(Kind::Prompts, &mended).await.unwrap();
    keep_imported(&mongo, &followed).await.unwrap();
    change("\"4\"", "Newest").await;
    let list = revisions.get_as(&root.token, "/api/prompts/old/revisions").await;
    let kept = list.body["revisions"].as_array().unwrap();
    let told: Vec<_> =
        kept.iter().map(|r| (r["revisionNumber"].as_i64().unwrap(), r["changeReason"].as_str())).collect();
    assert_eq!(told, [(5, None), (4, Some("imported")), (3, None), (2, None), (1, None)], "{}", list.text);
}

#[tokio::test]
async fn long_revisions_come_in_pages_that_an_answer_holds() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let prompt = made(&env.function("prompt-create").await, &ada).await;
    // Each quote and line break is escaped twice on its way, in the answer and around it.
    let content = "\"so long\"\n".repeat(10_000);
    let long = (2..=80_i64).map(|revision| {
        doc! {
            "_id": revision.to_string(), "promptId": prompt["id"].as_str(), "revision": revision, "changes": [],
            "snapshot": {"content": &content}, "changedBy": &ada.id, "createdAt": clock::now(),
        }
    });
    env.database.collection::<Document>("prompt_revisions").insert_many(long).await.unwrap();
    let revisions = env.function("prompt-revisions").await;
    let url = format!("{}/revisions?limit=100", path(&prompt));
    let (mut seen, mut next) = (Vec::new(), url.clone());
    loop {
        let page = revisions.get_as(&ada.token, &next).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(Value::from(page.text).to_string().len() < 6_000_000, "as Lambda is handed it");
        seen.extend(page.body["revisions"].as_array().unwrap().iter().map(|r| r["revisionNumber"].as_i64().unwrap()));
        let Some(cursor) = page.body["nextCursor"].as_str() else { break };
        next = format!("{url}&cursor={cursor}");
    }
    assert_eq!(seen, (1..=80).rev().collect::<Vec<_>>());
}
