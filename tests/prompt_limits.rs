//! How much one account may put into the database, and what it costs.

use std::collections::BTreeSet;

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{
    clock,
    content::{Kind, Store},
    mongo::{Lifetime, Mongo},
    prompts::{OWN_LIMIT, collections},
    roles::Role,
};
use tests::{content::starter_prompt, test_env::TestEnv, wiretap::Wiretap};

use crate::prompts::{draft, made, path};

#[tokio::test]
async fn an_account_makes_500_prompts_removed_ones_included() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let create = env.function("prompt-create").await;
    let removed = (1..OWN_LIMIT).map(|n| {
        doc! {"_id": format!("p{n}"), "slug": format!("p{n}"), "title": format!("t{n}"), "content": "c",
        "authorId": &ada.id, "active": false}
    });
    env.database.collection::<Document>("prompts").insert_many(removed).await.unwrap();
    let last = made(&create, &ada).await;
    let edit = env.function("prompt-edit").await;
    assert_eq!(edit.delete_as(&ada.token, &path(&last)).await.status, 204);
    let refused = create.post_as(&ada.token, "/api/prompts", &draft()).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("too_many_prompts")), "{}", refused.text);
    let eve = env.person(Role::User, None).await;
    let twin = json!({"title": "t1", "content": "another"});
    assert_eq!(create.post_as(&eve.token, "/api/prompts", &twin).await.status, 201, "each has their own");
}

#[tokio::test]
async fn a_new_prompt_costs_the_same_however_many_there_are() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let tap = Wiretap::to(env.stack.mongodb_address()).await;
    let uri = tap.uri();
    let create = env.function_with("prompt-create", &[("MONGODB_URI", &uri)]).await;
    made(&create, &ada).await;
    tap.take();
    made(&create, &ada).await;
    let few = tap.take();
    println!("a new prompt: {few:?}");
    let others = (0..300).map(|n| {
        doc! {"_id": format!("p{n}"), "slug": format!("p{n}"), "title": format!("t{n}"), "content": "c", "authorId": "eve"}
    });
    env.database.collection::<Document>("prompts").insert_many(others).await.unwrap();
    made(&create, &ada).await;
    // What is read in one answer is counted once: more than a hundred would have to be asked for again.
    assert_eq!((tap.take(), few.contains_key("getMore")), (few, false));
}

#[tokio::test]
async fn a_copy_is_replaced_whole_and_500_are_kept() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Free, None).await;
    let store = Store::new(Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse));
    let original = json!({"id": "eng-001", "title": "T", "content": "c"});
    store.import(Kind::Prompts, &[original.as_object().unwrap().clone()]).await.unwrap();
    let kept = env.function("prompt-collections").await;
    let copy = |title: &str, content: &str, original: Value| json!({"promptId": "mine", "originalPromptId": "eng-001", "title": title, "content": content, "originalContent": original});
    let keep = async |body: Value| kept.post_as(&ada.token, "/api/prompts/collections", &body).await;
    let first = keep(copy("Mine", "first", json!("as it was"))).await;
    assert_eq!((first.status, &first.body["originalContent"]), (201, &json!("as it was")), "{}", first.text);
    for (content, original) in [("second", json!("as it is")), ("third", Value::Null)] {
        let again = keep(copy("Mine", content, original.clone())).await;
        assert_eq!((again.status, &again.body["id"]), (201, &first.body["id"]), "{}", again.text);
        assert_eq!((&again.body["content"], &again.body["originalContent"]), (&json!(content), &original));
    }
    for (field, length, status) in
        [("content", 50_000, 201), ("content", 50_001, 422), ("originalContent", 50_001, 422), ("title", 201, 422)]
    {
        let mut body = copy("Long", "c", json!("o"));
        body[field] = json!("x".repeat(length));
        let answer = keep(body).await;
        assert_eq!(answer.status, status, "{length} of {field}: {}", answer.text);
        assert!(status == 201 || answer.fields() == [field], "{}", answer.text);
    }

    let more = (2..collections::LIMIT).map(|n| {
        doc! {"_id": format!("k{n}"), "userId": &ada.id, "originalPromptId": "eng-001", "title": format!("t{n}")}
    });
    env.database.collection::<Document>("prompt_collections").insert_many(more).await.unwrap();
    let refused = keep(copy("One more", "c", Value::Null)).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("too_many_kept")), "{}", refused.text);
    assert_eq!(keep(copy("Mine", "fourth", Value::Null)).await.body["content"], "fourth", "what is there is replaced");
    let own = format!("/api/prompts/collections/{}", first.body["id"].as_str().unwrap());
    assert_eq!(kept.delete_as(&ada.token, &own).await.status, 204);
    assert_eq!(keep(copy("One more", "c", Value::Null)).await.status, 201, "there is room again");
}

#[tokio::test]
async fn long_copies_come_in_pages_that_an_answer_holds() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Free, None).await;
    // Each quote and line break is escaped twice on its way, in the answer and around it.
    let content = "\"so long\"\n".repeat(5_000);
    let at = clock::now();
    // As many as there may be, all kept at once.
    let copies = (0..collections::LIMIT).map(|n| {
        doc! {
            "_id": format!("k{n}"), "userId": &ada.id, "promptId": "mine", "originalPromptId": "eng-001",
            "title": format!("t{n}"), "content": &content, "originalContent": &content, "createdAt": at, "updatedAt": at,
        }
    });
    env.database.collection::<Document>("prompt_collections").insert_many(copies).await.unwrap();
    let kept = env.function("prompt-collections").await;
    let url = "/api/prompts/collections?limit=100";
    let (mut seen, mut next) = (BTreeSet::new(), url.to_owned());
    loop {
        let page = kept.get_as(&ada.token, &next).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(Value::from(page.text).to_string().len() < 6_000_000, "as Lambda is handed it");
        for copy in page.body["collections"].as_array().unwrap() {
            assert!(seen.insert(copy["id"].as_str().unwrap().to_owned()), "twice: {}", copy["id"]);
        }
        let Some(cursor) = page.body["nextCursor"].as_str() else { break };
        next = format!("{url}&cursor={cursor}");
    }
    assert_eq!(seen.len() as u64, collections::LIMIT);
}

/// Whatever a client says of itself: its address is the connection's.
#[tokio::test]
async fn a_forwarded_address_is_no_address_of_its_own() {
    let env = TestEnv::new().await;
    let view = env.function("prompt-view").await;
    let path = format!("/api/prompts/{}/view", starter_prompt());
    let answers = join_all((0..3).map(async |n| {
        let forwarded = format!("203.0.113.{n}");
        view.send("POST", &path, &[("x-forwarded-for", &forwarded), ("forwarded", &format!("for={forwarded}"))], None)
            .await
    }))
    .await;
    let mut left: Vec<u64> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 202, "{}", answer.text);
            let (_, rest) = answer.header("ratelimit").split_once(";r=").unwrap();
            rest.split(';').next().unwrap().parse().unwrap()
        })
        .collect();
    left.sort_unstable();
    assert_eq!([left[1] - left[0], left[2] - left[1]], [1, 1], "one count for all three: {left:?}");
}
