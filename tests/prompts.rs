//! Prompts in the making: whose they are, what is kept of them, and who sees them when.

use std::collections::BTreeSet;

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{
    content::{Kind, Store, parse},
    mongo::{Lifetime, Mongo},
    roles::Role,
};
use tests::{
    host::Function,
    proxy::Proxy,
    template::functions,
    test_env::{Person, TestEnv},
    wiretap::Wiretap,
};

use crate::bad_input::odd_ids;

/// A prompt that is like no other.
pub(crate) fn draft() -> Value {
    let words = uuid::Uuid::now_v7().simple().to_string();
    json!({"title": format!("{} {}", &words[..16], &words[16..]), "content": format!("Say {words} and nothing else.")})
}

pub(crate) async fn made(create: &Function, person: &Person) -> Value {
    let answer = create.post_as(&person.token, "/api/prompts", &draft()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body
}

pub(crate) fn path(prompt: &Value) -> String {
    format!("/api/prompts/{}", prompt["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_prompt_is_its_authors_and_each_edit_is_seen_at_once() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    let (create, edit, read, revisions) = (
        env.function("prompt-create").await,
        env.function("prompt-edit").await,
        env.function("prompt").await,
        env.function("prompt-revisions").await,
    );
    let answer = create.post_as(&ada.token, "/api/prompts", &draft()).await;
    assert_eq!((answer.status, answer.header("etag")), (201, "\"1\""), "{}", answer.text);
    let prompt = answer.body;
    assert_eq!((&prompt["isPublic"], &prompt["authorId"]), (&json!(false), &json!(ada.id)));
    let path = path(&prompt);
    let slug = format!("/api/prompts/{}", prompt["slug"].as_str().unwrap());

    let change = json!({"title": "Another title", "role": "engineer", "changeReason": "because"});
    let changed = edit.patch_as(&ada.token, &path, "\"1\"", &change).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.text);
    for path in [&path, &slug] {
        let seen = read.get_as(&ada.token, path).await;
        assert_eq!((seen.status, seen.header("etag"), seen.header("cache-control")), (200, "\"2\"", "no-store"));
        assert_eq!((&seen.body["title"], &seen.body["role"]), (&json!("Another title"), &json!("engineer")));
        assert!(seen.body.get("changeReason").is_none(), "the reason is the revision's, not the prompt's");
        assert_eq!(read.get(path).await.status, 404, "nobody else's");
        assert_eq!(read.get_as(&eve.token, path).await.status, 404, "nor that of somebody signed in");
    }
    let removed = edit.patch_as(&ada.token, &path, "\"2\"", &json!({"role": null})).await;
    assert!(removed.body.get("role").is_none(), "null removes: {}", removed.text);
    for field in ["title", "content", "category", "isPublic", "isFeatured"] {
        let refused = edit.patch_as(&ada.token, &path, "\"3\"", &json!({field: null})).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "every prompt has it: {}", refused.text);
    }
    let same = json!({"title": "Another title", "isPublic": false, "isFeatured": false});
    let same = edit.patch_as(&ada.token, &path, "\"3\"", &same).await;
    assert_eq!((same.status, same.header("etag")), (200, "\"3\""), "what changes nothing is no revision");

    let list = revisions.get_as(&ada.token, &format!("{path}/revisions")).await;
    let kept = list.body["revisions"].as_array().unwrap();
    assert_eq!(
        kept.iter().map(|r| r["revisionNumber"].as_i64().unwrap()).collect::<Vec<_>>(),
        [3, 2, 1],
        "{}",
        list.text
    );
    assert_eq!((&kept[1]["changeReason"], &kept[1]["changedBy"]), (&json!("because"), &json!(ada.id)));
    let changes = [
        json!({"field": "title", "changeType": "updated", "oldValue": prompt["title"], "newValue": "Another title"}),
        json!({"field": "role", "changeType": "created", "oldValue": null, "newValue": "engineer"}),
    ];
    assert_eq!(kept[1]["changes"], json!(changes));
    assert_eq!(kept[2]["snapshot"]["content"], prompt["content"], "a snapshot is whole");

    assert_eq!(edit.delete_as(&eve.token, &path).await.status, 404);
    assert_eq!(edit.delete_as(&ada.token, &path).await.status, 204);
    assert_eq!(edit.delete_as(&ada.token, &path).await.status, 404, "it is gone");
    assert_eq!(read.get_as(&ada.token, &path).await.status, 404);
    assert_eq!(
        revisions.get_as(&ada.token, &format!("{path}/revisions")).await.status,
        404,
        "and so are its revisions"
    );
    let stored = env.database.collection::<Document>("prompts").find_one(doc! {"_id": prompt["id"].as_str()}).await;
    let stored = stored.unwrap().expect("it is kept");
    assert_eq!(
        (stored.get_bool("active").ok(), stored.get_str("deletedBy").ok()),
        (Some(false), Some(ada.id.as_str()))
    );
    assert_eq!(env.audited("data.prompt.deleted").await, 1);
}

#[tokio::test]
async fn an_outage_of_the_queue_keeps_nobody_from_writing_and_loses_no_entry() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let away = ("EVENTS_QUEUE_URL", "http://127.0.0.1:1/000000000000/events");
    made(&env.function_with("prompt-create", &[away]).await, &ada).await;
    assert_eq!(env.audited("data.prompt.created").await, 1);
}

#[tokio::test]
async fn no_prompt_has_the_name_of_a_route() {
    let env = TestEnv::new().await;
    let boss = env.person(Role::OrgAdmin, Some("org")).await;
    let (create, read) = (env.function("prompt-create").await, env.function("prompt").await);
    let routes = functions().into_iter().flat_map(|function| function.routes);
    let names: BTreeSet<String> = routes
        .filter_map(|route| {
            route.split_once(" /api/prompts/").map(|(_, rest)| rest.split('/').next().unwrap().to_owned())
        })
        .filter(|name| !name.starts_with('{'))
        .collect();
    assert!(names.contains("collections"), "{names:?}");
    for name in names {
        let named = json!({"title": name, "content": format!("All about {name}."), "isPublic": true});
        let made = create.post_as(&boss.token, "/api/prompts", &named).await;
        let slug = made.body["slug"].as_str().unwrap_or_else(|| panic!("{}", made.text));
        assert!(slug.starts_with(&format!("{name}-")), "{slug}");
        assert_eq!(read.get_as(&boss.token, &format!("/api/prompts/{slug}")).await.body["id"], made.body["id"]);
    }
    let mut public = draft();
    public["isPublic"] = json!(true);
    let made = create.post_as(&boss.token, "/api/prompts", &public).await;
    assert_eq!(made.body["slug"], json!(public["title"].as_str().unwrap().replace(' ', "-")), "any other is its title");
}

#[tokio::test]
async fn nobody_writes_what_is_not_theirs_to_write() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (create, edit) = (env.function("prompt-create").await, env.function("prompt-edit").await);
    let private = made(&create, &ada).await;
    for field in
        ["id", "_id", "slug", "views", "rating", "authorId", "organizationId", "active", "currentRevision", "$set"]
    {
        let mut body = draft();
        body[field] = json!("x");
        let refused = create.post_as(&ada.token, "/api/prompts", &body).await;
        assert_eq!((refused.status, refused.fields()[0]), (422, field), "{}", refused.text);
        let refused = edit.patch_as(&ada.token, &path(&private), "\"1\"", &json!({field: 1})).await;
        assert_eq!((refused.status, refused.fields()[0]), (422, field), "{}", refused.text);
    }
    let long = |n: usize| "x".repeat(n);
    for (field, value) in [
        ("title", json!("")),
        ("title", json!(long(201))),
        ("title", json!("a\u{0}b")),
        ("content", json!(long(50_001))),
        ("content", json!("\u{8}")),
        ("tags", json!(vec!["t"; 21])),
        ("tags", json!([1])),
        ("description", json!({"$gt": ""})),
    ] {
        let mut body = draft();
        body[field] = value.clone();
        let refused = create.post_as(&ada.token, "/api/prompts", &body).await;
        assert_eq!(refused.status, 422, "{field} {value}: {}", refused.text);
        assert!(refused.fields()[0].starts_with(field), "{}", refused.text);
    }
    let missing = create.post_as(&ada.token, "/api/prompts", &json!({"title": "t"})).await;
    assert_eq!((missing.status, missing.fields()), (422, vec!["content"]));

    // Publishing is for organisation admins, putting in front for super admins; and what is public is no longer
    // its author's to change.
    let boss = env.person(Role::OrgAdmin, Some("org")).await;
    let member = env.person(Role::OrgMember, Some("org")).await;
    let root = env.person(Role::SuperAdmin, None).await;
    let path = path(&made(&create, &member).await);
    let publish = json!({"isPublic": true});
    let set =
        async |person: &Person, etag: &str, body: &Value| edit.patch_as(&person.token, &path, etag, body).await.status;
    assert_eq!(set(&ada, "\"1\"", &publish).await, 404, "it is private");
    assert_eq!(set(&member, "\"1\"", &publish).await, 403);
    assert_eq!(set(&boss, "\"1\"", &publish).await, 200);
    assert_eq!(set(&member, "\"2\"", &json!({"title": "sneaked in"})).await, 403);
    assert_eq!(set(&ada, "\"2\"", &json!({"title": "sneaked in"})).await, 403);
    assert_eq!(set(&boss, "\"2\"", &json!({"isFeatured": true})).await, 403);
    assert_eq!(set(&root, "\"2\"", &json!({"isFeatured": true})).await, 200);
    assert_eq!(edit.delete_as(&ada.token, &path).await.status, 403);
    assert_eq!(edit.delete_as(&member.token, &path).await.status, 403);
    assert_eq!(edit.delete_as(&boss.token, &path).await.status, 204);
    assert_eq!(env.audited("admin.prompt.published").await, 1);
    let mut body = draft();
    body["isPublic"] = json!(true);
    let refused = create.post_as(&ada.token, "/api/prompts", &body).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("publishing_not_allowed")));
}

#[tokio::test]
async fn text_comes_back_letter_by_letter_and_is_published_by_the_next_export() {
    let env = TestEnv::new().await;
    let boss = env.person(Role::OrgAdmin, Some("org")).await;
    let (create, edit) = (env.function("prompt-create").await, env.function("prompt-edit").await);
    let odd = "<script>alert('x')</script> &lt;script&gt; Vec<String> {{name}} (a+b)*[^\\] $where \u{202e}rtl 日本語 🏳️‍🌈\r\n\t";
    let mut content = odd.repeat(10_000 / odd.chars().count() + 1);
    content = content.chars().take(10_000).collect();
    let mut body = draft();
    body["content"] = json!(content);
    body["tags"] = json!(["<b>", "a|b"]);
    body["isPublic"] = json!(true);
    let made = create.post_as(&boss.token, "/api/prompts", &body).await;
    assert_eq!((made.status, &made.body["content"], &made.body["tags"]), (201, &body["content"], &body["tags"]));

    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let job = env.function_with("export-content", &[("CONTENT_URL", &url)]).await;
    // Patterns and learning resources are empty here, which fails the run, but not the prompts' part of it.
    job.invoke(json!({"allowShrink": true})).await;
    let list = env.function_with("prompts", &[("CONTENT_URL", &url), ("MONGODB_URI", "mongodb://127.0.0.1:1")]).await;
    let read = env.function_with("prompt", &[("CONTENT_URL", &url)]).await;
    let public = read.get(&path(&made.body)).await;
    assert_eq!((public.status, &public.body["content"]), (200, &body["content"]), "{}", public.text);
    for internal in ["authorId", "organizationId", "lastRevisedBy"] {
        assert!(public.body.get(internal).is_none(), "{internal} is not for readers");
    }
    for (search, total) in
        [("vec%3Cstring%3E", 1), ("(a%2Bb)*%5B%5E", 1), (".*", 0), ("%5B", 1), ("%24where", 1), ("%3Cscript%3E", 1)]
    {
        let found = list.get(&format!("/api/prompts?search={search}")).await;
        assert_eq!((found.status, &found.body["total"]), (200, &json!(total)), "{search}: {}", found.text);
        assert_eq!(found.header("x-content-source"), "json");
    }

    // An edit: its editor sees it at once, everybody else not before the next export.
    let title = json!({"title": "Edited after the export"});
    assert_eq!(edit.patch_as(&boss.token, &path(&made.body), "\"1\"", &title).await.status, 200);
    assert_eq!(read.get_as(&boss.token, &path(&made.body)).await.body["title"], title["title"]);
    assert_eq!(read.get(&path(&made.body)).await.body["title"], body["title"]);
    job.invoke(json!({"allowShrink": true})).await;
    let later = env.function_with("prompt", &[("CONTENT_URL", &url)]).await;
    assert_eq!(later.get(&path(&made.body)).await.body["title"], title["title"]);
}

#[tokio::test]
async fn ids_of_every_kind_are_answered_for_what_they_are() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let (read, edit, revisions, audit, collections) = (
        env.function("prompt").await,
        env.function("prompt-edit").await,
        env.function("prompt-revisions").await,
        env.function("prompt-audit").await,
        env.function("prompt-collections").await,
    );
    let root = env.person(Role::SuperAdmin, None).await;
    let found = json!({"auditType": "full", "overallScore": 1});
    for id in odd_ids() {
        let path = format!("/api/prompts/{id}");
        let answers = [
            read.get_as(&ada.token, &path).await,
            edit.patch_as(&ada.token, &path, "\"1\"", &json!({"title": "t"})).await,
            edit.delete_as(&ada.token, &path).await,
            revisions.get_as(&ada.token, &format!("{path}/revisions")).await,
            audit.get(&format!("{path}/audit")).await,
            audit.post_as(&root.token, &format!("{path}/audit"), &found).await,
            collections.delete_as(&ada.token, &format!("/api/prompts/collections/{id}")).await,
        ];
        for answer in answers {
            assert_eq!(answer.status, 404, "{id}: {}", answer.text);
        }
    }
    for id in ["%ff", "%C3%28"] {
        assert_eq!(edit.delete_as(&ada.token, &format!("/api/prompts/{id}")).await.status, 400, "{id} is not text");
    }
}

#[tokio::test]
async fn audits_are_numbered_without_a_gap_and_seen_with_their_prompt() {
    let env = TestEnv::new().await;
    let (boss, ada) = (env.person(Role::OrgAdmin, Some("org")).await, env.person(Role::User, None).await);
    let (create, edit) = (env.function("prompt-create").await, env.function("prompt-edit").await);
    let prompt = made(&create, &boss).await;
    let path = path(&prompt);
    let audits = join_all((0..4).map(async |_| env.function("prompt-audit").await)).await;
    let found = json!({
        "auditType": "quick", "overallScore": 7.5, "categoryScores": {"clarity": 8, "examples": 2.5},
        "issues": ["<none> & \"all\""], "needsFix": true,
    });
    let none = audits[0].get_as(&boss.token, &format!("{path}/audit")).await;
    assert_eq!((none.status, &none.body["hasAudit"]), (200, &json!(false)), "{}", none.text);
    let versions = join_all((0..20).map(async |n: usize| {
        let answer = audits[n % 4].post_as(&boss.token, &format!("{path}/audit"), &found).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["auditVersion"].as_i64().unwrap()
    }))
    .await;
    assert_eq!(versions.into_iter().collect::<BTreeSet<_>>(), (1..=20).collect());

    let refused = audits[0].post_as(&ada.token, &format!("{path}/audit"), &found).await;
    assert_eq!(refused.status, 403, "an audit is no visitor's to add");
    let bad = json!({"auditType": "full", "overallScore": 11});
    let refused = audits[0].post_as(&boss.token, &format!("{path}/audit"), &bad).await;
    assert_eq!((refused.status, refused.fields()), (422, vec!["overallScore"]));
    assert_eq!(audits[0].get(&format!("{path}/audit")).await.status, 404, "of a private prompt");
    assert_eq!(edit.patch_as(&boss.token, &path, "\"1\"", &json!({"isPublic": true})).await.status, 200);
    let last = audits[0].get(&format!("{path}/audit")).await;
    assert_eq!(
        (&last.body["hasAudit"], &last.body["auditResult"]["auditVersion"]),
        (&json!(true), &json!(20)),
        "{}",
        last.text
    );
    assert_eq!(last.body["auditResult"]["issues"], found["issues"]);
    assert!(last.body["auditResult"].get("auditedBy").is_none(), "who made it is not for everybody");
}

#[tokio::test]
async fn a_copy_is_kept_once_by_its_owner_alone() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::Free, None).await, env.person(Role::User, None).await);
    let create = env.function("prompt-create").await;
    let hidden = made(&create, &eve).await;
    let original =
        json!({"id": "eng-001", "slug": "a-public-one", "title": "T", "content": "c", "category": "general"});
    let file = json!({"totalPrompts": 1, "prompts": [original]});
    let store = Store::new(Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse));
    store.import(Kind::Prompts, &parse(Kind::Prompts, file.to_string().as_bytes()).unwrap()).await.unwrap();

    let kept = join_all((0..4).map(async |_| env.function("prompt-collections").await)).await;
    let copy = |original: &str, content: &str| json!({"promptId": "mine", "originalPromptId": original, "title": "Mine", "content": content});
    let url = "/api/prompts/collections";
    let answers = join_all((0..20).map(async |n: usize| {
        let answer = kept[n % 4].post_as(&ada.token, url, &copy("a-public-one", "<b>Vec<u8></b>")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["id"].as_str().unwrap().to_owned()
    }))
    .await;
    assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), 1, "one, however often at once");
    let again = kept[0].post_as(&ada.token, url, &copy("eng-001", "newer")).await;
    assert_eq!((&again.body["id"], &again.body["content"]), (&json!(answers[0]), &json!("newer")), "{}", again.text);
    let list = kept[0].get_as(&ada.token, url).await;
    assert_eq!(list.body["collections"].as_array().unwrap().len(), 1, "{}", list.text);
    assert_eq!(list.body["collections"][0]["originalPromptId"], "eng-001");

    let private = hidden["id"].as_str().unwrap();
    assert_eq!(kept[0].post_as(&ada.token, url, &copy(private, "c")).await.status, 404, "a private original");
    assert_eq!(kept[0].post_as(&ada.token, url, &copy("none", "c")).await.status, 404, "or none");
    assert_eq!(kept[0].get_as(&eve.token, url).await.body["collections"], json!([]));
    let one = format!("{url}/{}", answers[0]);
    assert_eq!(kept[0].delete_as(&eve.token, &one).await.status, 404);
    assert_eq!(kept[0].delete_as(&ada.token, &one).await.status, 204);
    assert_eq!(kept[0].delete_as(&ada.token, &one).await.status, 404);
}

#[tokio::test]
async fn readers_open_no_connection_and_editors_one() {
    let env = TestEnv::new().await;
    let proxy = Proxy::to(env.stack.mongodb_address()).await;
    let uri = proxy.uri();
    let read = env.function_with("prompt", &[("MONGODB_URI", &uri)]).await;
    let known = format!("/api/prompts/{}", tests::content::starter_prompt());
    for path in [&known, "/api/prompts/none"] {
        for _ in 0..5 {
            assert!(matches!(read.get(path).await.status, 200 | 404));
        }
    }
    assert_eq!(proxy.total(), 0, "who is not signed in needs no database");
    let ada = env.person(Role::User, None).await;
    assert_eq!(read.get_as(&ada.token, &known).await.status, 200);
    let opened = proxy.total();
    for _ in 0..5 {
        assert_eq!(read.get_as(&ada.token, &known).await.status, 200);
    }
    assert_eq!(proxy.total(), opened, "nor who is, once it is known who that is");
    let prompt = made(&env.function("prompt-create").await, &ada).await;
    assert_eq!(read.get_as(&ada.token, &path(&prompt)).await.status, 200);
    assert!(
        read.get_as(&ada.token, &path(&prompt)).await.status == 200 && proxy.total() == opened,
        "by the same client"
    );
    proxy.cut();
    assert_eq!(read.get_as(&ada.token, &known).await.status, 200, "published content outlasts the database");
    assert_eq!(read.get_as(&ada.token, &path(&prompt)).await.status, 503, "a draft does not, and is not denied");
}

#[tokio::test]
async fn a_lost_database_is_told_and_nothing_is_half_done() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let path = path(&made(&env.function("prompt-create").await, &ada).await);
    // After any number of commands the way may end: the prompt and its revisions still agree.
    for commands in 0..9 {
        let tap = Wiretap::to(env.stack.mongodb_address()).await;
        let uri = tap.uri();
        let shaky = env.function_with("prompt-edit", &[("MONGODB_URI", &uri)]).await;
        tap.end_after(commands);
        let revisions = env.database.collection::<Document>("prompt_revisions");
        let current = async || revisions.count_documents(doc! {}).await.unwrap();
        let etag = format!("\"{}\"", current().await);
        let answer = shaky.patch_as(&ada.token, &path, &etag, &json!({"description": format!("{commands}")})).await;
        assert!(matches!(answer.status, 200 | 503), "{commands}: {}", answer.text);
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), "5");
        }
        let stored = env.database.collection::<Document>("prompts").find_one(doc! {}).await.unwrap().unwrap();
        let revision = stored.get("currentRevision").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))).unwrap();
        assert_eq!(u64::try_from(revision).unwrap(), current().await, "after {commands} commands");
    }
}
