//! Prompts that are there already: by which rule, and who is told of which.

use serde_json::{Value, json};
use shared::{
    content::{Kind, Store},
    mongo::{Lifetime, Mongo},
    roles::Role,
};
use tests::{content::starter_prompts, test_env::TestEnv, wiretap::Wiretap};

use crate::prompts::draft;

#[tokio::test]
async fn a_prompt_that_is_there_already_is_told_by_the_first_rule_that_holds() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    let (create, other) = (env.function("prompt-create").await, env.function("prompt-create").await);
    let published = &starter_prompts()[0];
    let shouted = format!("  {}!! ", published["title"].as_str().unwrap().to_uppercase());
    let refused = create.post_as(&ada.token, "/api/prompts", &json!({"title": shouted, "content": "x"})).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("duplicate")), "{}", refused.text);
    assert_eq!(refused.body["matches"][0]["id"], published["id"]);
    assert_eq!(refused.body["matches"][0]["kind"], "exact");

    let opening = "Compare two drafts of a letter to the harbour office and name what differs, line by line.";
    let own = json!({"title": "zebra yak xylophone walrus vole", "content": opening, "category": "animals", "pattern": "persona"});
    assert_eq!(create.post_as(&ada.token, "/api/prompts", &own).await.status, 201);
    for (title, content, category, kind) in [
        ("Zebra, yak: xylophone; walrus. VOLE", "x", "general", Some("exact")),
        ("zebra yak xylophone walrus vole urchin", "x", "general", Some("similar")),
        ("quite another title", &*opening.to_uppercase(), "general", Some("content-match")),
        ("zebra yak xylophone", "x", "animals", Some("metadata-match")),
        ("zebra yak xylophone", "x", "minerals", None),
    ] {
        let body = json!({"title": title, "content": content, "category": category, "pattern": "persona"});
        let answer = create.post_as(&ada.token, "/api/prompts", &body).await;
        assert_eq!(answer.body["matches"][0]["kind"].as_str(), kind, "{title}: {}", answer.text);
        assert_eq!(answer.status, if kind.is_some() { 409 } else { 201 });
    }
    let answer = create.post_as(&eve.token, "/api/prompts", &own).await;
    assert_eq!(answer.status, 201, "another's private prompt is not told of: {}", answer.text);
    let slug = answer.body["slug"].as_str().unwrap();
    assert!(slug.starts_with("zebra-yak-xylophone-walrus-vole-"), "nor by its slug: {slug}");

    let twin = draft();
    let (a, b) = tokio::join!(
        create.post_as(&ada.token, "/api/prompts", &twin),
        other.post_as(&ada.token, "/api/prompts", &twin)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "at once, too: {} {}", a.text, b.text);
}

/// A published file with these prompts, and its URL.
fn publish(prompts: &Value) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = json!({"totalPrompts": prompts.as_array().unwrap().len(), "prompts": prompts});
    std::fs::write(folder.path().join("prompts.json"), file.to_string()).unwrap();
    let url = format!("file://{}", folder.path().display());
    (folder, url)
}

#[tokio::test]
async fn a_match_is_told_to_those_alone_who_may_see_it() {
    let env = TestEnv::new().await;
    let (_folder, url) = publish(&json!([
        {"id": "paid", "title": "Lemurs weigh their options", "content": "c", "isPremium": true},
        {"id": "members", "title": "Otters settle their accounts", "content": "c", "requiresAuth": true},
        {"id": "draft", "title": "Badgers draw their plans", "content": "c", "isPublic": false},
    ]));
    let create = env.function_with("prompt-create", &[("CONTENT_URL", &url)]).await;
    for (role, title, told) in [
        (Role::User, "Lemurs weigh their options", None),
        (Role::Pro, "Lemurs weigh their options", Some("paid")),
        (Role::User, "Otters settle their accounts", Some("members")),
        (Role::SuperAdmin, "Badgers draw their plans", None),
    ] {
        let person = env.person(role, None).await;
        let answer = create.post_as(&person.token, "/api/prompts", &json!({"title": title, "content": "x"})).await;
        assert_eq!(answer.status, if told.is_some() { 409 } else { 201 }, "{title} by {role:?}: {}", answer.text);
        assert_eq!(answer.body["matches"][0]["id"].as_str(), told);
    }
}

#[tokio::test]
async fn what_was_removed_can_be_made_again_before_the_next_export() {
    let env = TestEnv::new().await;
    let (ada, root) = (env.person(Role::User, None).await, env.person(Role::SuperAdmin, None).await);
    let prompts = json!([{"id": "gone", "slug": "gone", "title": "Herons wade at dawn", "content": "c"}]);
    let (_folder, url) = publish(&prompts);
    let store = Store::new(Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse));
    store.import(Kind::Prompts, &[prompts[0].as_object().unwrap().clone()]).await.unwrap();
    let tap = Wiretap::to(env.stack.mongodb_address()).await;
    let uri = tap.uri();
    let create = env.function_with("prompt-create", &[("CONTENT_URL", &url), ("MONGODB_URI", &uri)]).await;
    let again = json!({"title": "Herons wade at dawn", "content": "x"});
    assert_eq!(create.post_as(&ada.token, "/api/prompts", &again).await.status, 409, "it is there");
    tap.take();
    assert_eq!(create.post_as(&ada.token, "/api/prompts", &again).await.status, 409);
    assert_eq!(tap.take().into_values().sum::<u64>(), 1, "one look tells whether it still is");
    let edit = env.function("prompt-edit").await;
    assert_eq!(edit.delete_as(&root.token, "/api/prompts/gone").await.status, 204);
    let made = create.post_as(&ada.token, "/api/prompts", &again).await;
    assert_eq!(made.status, 201, "published content still has it: {}", made.text);
}
