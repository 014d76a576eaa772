//! Who may read and change which prompt, and what the audit log says of it.

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    content::{path_of_starter, starter_prompt},
    host::Function,
    test_env::{Person, TestEnv},
};

use crate::prompts::{draft, made, path};

/// A queue that nobody listens at: entries that may wait go straight into the test's own database.
const NO_QUEUE: (&str, &str) = ("EVENTS_QUEUE_URL", "http://127.0.0.1:1/000000000000/events");

const FOUND: &str = r#"{"auditType":"full","overallScore":1}"#;

/// The functions that serve one prompt.
struct PromptEditor {
    create: Function,
    edit: Function,
    revisions: Function,
    audit: Function,
}

impl PromptEditor {
    async fn new(env: &TestEnv, more: &[(&str, &str)]) -> Self {
        Self {
            create: env.function_with("prompt-create", more).await,
            edit: env.function_with("prompt-edit", more).await,
            revisions: env.function_with("prompt-revisions", more).await,
            audit: env.function_with("prompt-audit", more).await,
        }
    }

    async fn public(&self, author: &Person) -> String {
        let mut body = draft();
        body["isPublic"] = json!(true);
        let made = self.create.post_as(&author.token, "/api/prompts", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        path(&made.body)
    }

    /// What the person gets for changing the prompt, removing it, adding an audit, and reading its revisions and its
    /// last audit.
    async fn answers(&self, person: &Person, path: &str) -> [u64; 5] {
        let (token, found) = (&person.token, serde_json::from_str(FOUND).unwrap());
        let (audit, revisions) = (format!("{path}/audit"), format!("{path}/revisions"));
        [
            self.edit.patch_as(token, path, "\"1\"", &json!({"description": "d"})).await.status,
            self.edit.delete_as(token, path).await.status,
            self.audit.post_as(token, &audit, &found).await.status,
            self.revisions.get_as(token, &revisions).await.status,
            self.audit.get_as(token, &audit).await.status,
        ]
    }
}

#[tokio::test]
async fn another_organisations_admin_reads_what_is_public_and_changes_nothing() {
    let env = TestEnv::new().await;
    let editor = PromptEditor::new(&env, &[]).await;
    let boss = env.person(Role::OrgAdmin, Some("ours")).await;
    let (public, private) = (editor.public(&boss).await, path(&made(&editor.create, &boss).await));
    for (role, organization) in [
        (Role::OrgAdmin, Some("theirs")),
        (Role::OrgAdmin, None),
        (Role::OrgMember, Some("theirs")),
        (Role::User, None),
    ] {
        let person = env.person(role, organization).await;
        let who = format!("{role:?} of {organization:?}");
        assert_eq!(editor.answers(&person, &public).await, [403, 403, 403, 200, 200], "{who}");
        // Audits are added by who may publish: who may not is told so before the prompt is looked for.
        let audit = if role == Role::OrgAdmin { 404 } else { 403 };
        assert_eq!(editor.answers(&person, &private).await, [404, 404, audit, 404, 404], "{who}");
    }
    assert_eq!(editor.answers(&boss, &public).await, [200, 204, 404, 404, 404], "their own's, until it is removed");
}

#[tokio::test]
async fn an_audit_is_read_by_who_may_read_its_prompt() {
    let env = TestEnv::new().await;
    let (free, pro, root) = (
        env.person(Role::Free, None).await,
        env.person(Role::Pro, None).await,
        env.person(Role::SuperAdmin, None).await,
    );
    let prompts =
        [("public", doc! {}), ("members", doc! {"requiresAuth": true}), ("premium", doc! {"isPremium": true})];
    let prompts = prompts.into_iter().chain([("draft", doc! {"status": "draft"})]).map(|(id, flags)| {
        let mut prompt = doc! {"_id": id, "slug": id, "title": id, "content": "c"};
        prompt.extend(flags);
        prompt
    });
    env.database.collection::<Document>("prompts").insert_many(prompts).await.unwrap();
    let audit = env.function("prompt-audit").await;
    for (id, expected) in [
        ("public", [200, 200, 200, 200]),
        ("members", [404, 200, 200, 200]),
        ("premium", [404, 404, 200, 200]),
        ("draft", [404, 404, 404, 200]),
    ] {
        let path = format!("/api/prompts/{id}/audit");
        let mut told = vec![audit.get(&path).await.status];
        for person in [&free, &pro, &root] {
            told.push(audit.get_as(&person.token, &path).await.status);
        }
        assert_eq!(told, expected, "{id}");
    }
}

#[tokio::test]
async fn what_was_published_meanwhile_is_not_its_authors_to_remove() {
    let env = TestEnv::new().await;
    let (boss, member) =
        (env.person(Role::OrgAdmin, Some("org")).await, env.person(Role::OrgMember, Some("org")).await);
    let editor = PromptEditor::new(&env, &[]).await;
    let second = env.function("prompt-edit").await;
    for round in 0..20 {
        let path = path(&made(&editor.create, &member).await);
        let publish = json!({"isPublic": true});
        let (removed, published) = tokio::join!(
            editor.edit.delete_as(&member.token, &path),
            second.patch_as(&boss.token, &path, "\"1\"", &publish)
        );
        let statuses = (removed.status, published.status);
        assert!(matches!(statuses, (403, 200) | (204, 404 | 412)), "round {round}: {statuses:?}");
    }
}

#[tokio::test]
async fn the_audit_log_tells_what_became_of_a_prompt() {
    let env = TestEnv::new().await;
    let boss = env.person(Role::OrgAdmin, Some("org")).await;
    let editor = PromptEditor::new(&env, &[NO_QUEUE]).await;
    let own = path(&made(&editor.create, &boss).await);
    let change = async |etag: &str, body: Value| {
        let changed = editor.edit.patch_as(&boss.token, &own, etag, &body).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    };
    change("\"1\"", json!({"description": "d"})).await;
    change("\"2\"", json!({"description": "d"})).await;
    change("\"2\"", json!({"isPublic": true})).await;
    let found = serde_json::from_str(FOUND).unwrap();
    assert_eq!(editor.audit.post_as(&boss.token, &format!("{own}/audit"), &found).await.status, 201);
    assert_eq!(editor.edit.delete_as(&boss.token, &own).await.status, 204);
    let public = editor.public(&boss).await;

    let resource = |path: &str| path.replace("/api/prompts/", "prompt/");
    let expected = [
        ("data.prompt.created", &own, Some(("revision", 1))),
        ("data.prompt.changed", &own, Some(("revision", 2))),
        ("admin.prompt.published", &own, Some(("revision", 3))),
        ("data.prompt.audited", &own, Some(("version", 1))),
        ("data.prompt.deleted", &own, None),
        ("admin.prompt.published", &public, Some(("revision", 1))),
    ];
    let audit_log = env.audit_log().await;
    assert_eq!(audit_log.len(), expected.len(), "what changes nothing is no entry: {audit_log:?}");
    for (entry, (action, path, detail)) in audit_log.iter().zip(expected) {
        let told = |field: &str| entry.get_str(field).ok();
        assert_eq!(
            (told("action"), told("actorId"), told("resource")),
            (Some(action), Some(boss.id.as_str()), Some(resource(path).as_str()))
        );
        assert_eq!(entry.get_document("details").ok().and_then(number), detail, "{action}");
    }
}

/// The one detail of an entry.
fn number(details: &Document) -> Option<(&str, i64)> {
    let (name, value) = details.iter().next()?;
    Some((name, value.as_i64().or(value.as_i32().map(i64::from))?))
}

#[tokio::test]
async fn while_nobody_can_tell_who_asks_everybody_reads_what_is_public() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Pro, None).await;
    let away = [("MONGODB_URI", "mongodb://127.0.0.1:1"), ("REDIS_URL", "")];
    let read = env.function_with("prompt", &away).await;
    let known = format!("/api/prompts/{}", starter_prompt());
    let as_anybody = read.get(&known).await;
    let signed_in = read.get_as(&ada.token, &known).await;
    for answer in [&as_anybody, &signed_in] {
        assert_eq!((answer.status, answer.header("vary")), (200, "authorization"), "{}", answer.text);
        assert!(answer.header("cache-control").starts_with("public, "), "{}", answer.headers);
    }
    assert_eq!(signed_in.body, as_anybody.body);
    assert_eq!(read.get_as("x", &known).await.status, 401, "an invalid token");
    for path in [path_of_starter("isPremium"), "/api/prompts/none".to_owned()] {
        let answer = read.get_as(&ada.token, &path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn no_cache_keeps_a_premium_prompt() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::Pro, None).await;
    let answer = env.function("prompt").await.get_as(&ada.token, &path_of_starter("isPremium")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text);
}
