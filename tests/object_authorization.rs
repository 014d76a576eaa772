//! Whose is what: every route that names a thing, called for another user's and for another organisation's.

use std::collections::BTreeSet;

use bson::doc;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::test_env::{Person, TestEnv};

use crate::route_authorization::{Api, documented};

/// What the id in a route's path names.
enum Named {
    /// What is nobody's in particular: published content, a report on everybody's use, a link.
    Nobodys,
    /// A thing of its owner's, and how each of [`CALLERS`] is answered who asks for it.
    Owned(Thing, [u64; 4]),
}

/// Things that belong to somebody. What is made for each test run is made through the API.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Prompt,
    KeptPrompt,
    BugReport,
    ApiKey,
    ProviderKey,
    Run,
    Alert,
    Session,
    Member,
}

/// Who asks for what is not theirs. The owner runs the organisation `ours`, and so does the colleague: whoever is
/// refused is not refused for want of a permission.
const CALLERS: [(&str, Role, Option<&str>); 4] = [
    ("another user", Role::User, None),
    ("a colleague", Role::OrgAdmin, Some("ours")),
    ("another organisation's admin", Role::OrgAdmin, Some("theirs")),
    ("a super admin", Role::SuperAdmin, None),
];

/// Its owner's alone: everybody else is told that there is no such thing.
const PRIVATE: [u64; 4] = [404; 4];

/// The table. A route with a name in its path that is not here fails the test.
const TABLE: &[(&str, Named, &str)] = &[
    ("GET /api/prompts/{id}", Named::Owned(Thing::Prompt, [404, 200, 404, 200]), ""),
    ("PATCH /api/prompts/{id}", Named::Owned(Thing::Prompt, [404, 200, 404, 200]), r#"{"description":"d"}"#),
    ("DELETE /api/prompts/{id}", Named::Owned(Thing::Prompt, [404, 204, 404, 204]), ""),
    ("GET /api/prompts/{id}/revisions", Named::Owned(Thing::Prompt, [404, 200, 404, 200]), ""),
    ("GET /api/prompts/{id}/audit", Named::Owned(Thing::Prompt, [404, 200, 404, 200]), ""),
    (
        "POST /api/prompts/{id}/audit",
        Named::Owned(Thing::Prompt, [403, 201, 404, 201]),
        r#"{"auditType":"full","overallScore":1}"#,
    ),
    ("POST /api/prompts/{id}/view", Named::Nobodys, ""),
    ("DELETE /api/prompts/collections/{collectionId}", Named::Owned(Thing::KeptPrompt, PRIVATE), ""),
    ("GET /api/patterns/{id}", Named::Nobodys, ""),
    ("GET /api/learning/{slug}", Named::Nobodys, ""),
    ("GET /api/affiliate/{linkId}", Named::Nobodys, ""),
    ("GET /api/admin/usage-reports/daily/{date}", Named::Nobodys, ""),
    ("GET /api/admin/usage-reports/monthly/{month}", Named::Nobodys, ""),
    ("PATCH /api/bug-reports/{id}", Named::Owned(Thing::BugReport, [403, 200, 404, 200]), r#"{"status":"triaged"}"#),
    ("POST /api/api-keys/{keyId}/rotate", Named::Owned(Thing::ApiKey, PRIVATE), ""),
    ("POST /api/api-keys/{keyId}/revoke", Named::Owned(Thing::ApiKey, PRIVATE), ""),
    (
        "POST /api/provider-keys/{keyId}/rotate",
        Named::Owned(Thing::ProviderKey, PRIVATE),
        r#"{"apiKey":"fedcba9876543210"}"#,
    ),
    ("POST /api/provider-keys/{keyId}/revoke", Named::Owned(Thing::ProviderKey, PRIVATE), ""),
    (
        "POST /api/v2/users/api-keys/{keyId}/rotate",
        Named::Owned(Thing::ProviderKey, PRIVATE),
        r#"{"apiKey":"fedcba9876543210"}"#,
    ),
    ("POST /api/v2/users/api-keys/{keyId}/revoke", Named::Owned(Thing::ProviderKey, PRIVATE), ""),
    ("GET /api/workbench/runs/{runId}", Named::Owned(Thing::Run, PRIVATE), ""),
    (
        "POST /api/workbench/runs/{runId}/complete",
        Named::Owned(Thing::Run, PRIVATE),
        r#"{"status":"success","promptTokens":1,"completionTokens":1,"latencyMs":1}"#,
    ),
    ("PATCH /api/usage-alerts/{id}", Named::Owned(Thing::Alert, PRIVATE), r#"{"active":false}"#),
    ("DELETE /api/usage-alerts/{id}", Named::Owned(Thing::Alert, PRIVATE), ""),
    ("DELETE /api/auth/sessions/{id}", Named::Owned(Thing::Session, PRIVATE), ""),
    // A part of the caller's own export, whoever that is.
    ("GET /api/auth/account/export/{part}", Named::Nobodys, ""),
    ("DELETE /api/admin/users/{id}/sessions", Named::Owned(Thing::Member, [403, 204, 404, 204]), ""),
    ("DELETE /api/admin/users/{id}/mfa", Named::Owned(Thing::Member, [403, 204, 404, 204]), ""),
    ("PATCH /api/admin/users/{id}", Named::Owned(Thing::Member, [403, 200, 404, 200]), r#"{"status":"suspended"}"#),
];

/// Makes a thing of the owner's; returns its id.
async fn make(api: &mut Api, thing: Thing, owner: &Person) -> String {
    let word = uuid::Uuid::now_v7().simple().to_string();
    let (route, body, id) = match thing {
        Thing::Member => return api.env.person(Role::OrgMember, Some("ours")).await.id,
        // Of which somebody's token is: a sign-in's row in the store.
        Thing::Session => {
            let row = doc! {
                "_id": &word, "userId": &owner.id, "familyId": &word, "refreshHash": &word, "sessionVersion": 0_i64,
                "userAgent": "", "ip": "", "createdAt": clock::now(),
                "expiresAt": clock::now() + jiff::SignedDuration::from_hours(1),
            };
            api.env.database.collection("sessions").insert_one(row).await.unwrap();
            return word;
        }
        Thing::Prompt => ("POST /api/prompts", json!({"title": word, "content": format!("Say {word}.")}), "id"),
        Thing::KeptPrompt => {
            let original = Box::pin(make(api, Thing::Prompt, owner)).await;
            let kept = json!({"promptId": word, "originalPromptId": original, "title": "mine", "content": "As I say."});
            ("POST /api/prompts/collections", kept, "id")
        }
        Thing::BugReport => {
            let page = "https://app.example.com/";
            let report = json!({"intent": "Copy", "description": "Nothing happens at all.", "pageUrl": page});
            ("POST /api/bug-reports", report, "id")
        }
        Thing::ApiKey => ("POST /api/api-keys", json!({"name": "k", "scopes": ["usage:read"]}), "id"),
        Thing::ProviderKey => {
            let key = json!({"provider": "groq", "name": "k", "apiKey": word});
            ("POST /api/provider-keys", key, "id")
        }
        Thing::Run => {
            let run = json!({
                "runId": word, "toolId": "prompt-tester", "promptHash": "0".repeat(64), "provider": "openai",
                "model": "gpt-4o", "promptTokens": 1, "maxCompletionTokens": 1,
            });
            ("POST /api/workbench/runs", run, "runId")
        }
        Thing::Alert => ("POST /api/usage-alerts", json!({"metric": "cost", "period": "daily", "threshold": 1}), "id"),
    };
    let made = api.call_for(route, "", &body.to_string(), Some(&owner.token)).await;
    assert_eq!(made.status, 201, "{route}: {}", made.text);
    made.body[id].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_route_that_names_a_thing_has_a_row() {
    let listed: BTreeSet<String> = TABLE.iter().map(|(route, ..)| (*route).to_owned()).collect();
    let naming: BTreeSet<String> = documented().await.into_iter().filter(|route| route.contains('{')).collect();
    assert_eq!(listed, naming);
}

#[tokio::test]
async fn what_is_somebodys_is_served_to_whom_the_table_says_and_to_nobody_else() {
    let mut api = Api::new().await;
    for (route, named, body) in TABLE {
        let Named::Owned(thing, statuses) = named else { continue };
        for ((who, role, organization), expected) in CALLERS.iter().zip(statuses) {
            // Somebody new each time, with a thing that nobody has touched yet.
            let owner = api.env.person(Role::OrgAdmin, Some("ours")).await;
            let id = make(&mut api, *thing, &owner).await;
            let caller = api.env.person(*role, *organization).await;
            let answer = api.call_for(route, &id, body, Some(&caller.token)).await;
            assert_eq!(answer.status, *expected, "{route} by {who}: {}", answer.text);
            if *expected >= 400 {
                // It is there, and as it was: the refusal was about the caller.
                let answer = api.call_for(route, &id, body, Some(&owner.token)).await;
                assert!((200..300).contains(&answer.status), "{route} by its owner: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn lists_hold_what_is_ones_own() {
    let env = TestEnv::new().await;
    let (ada, eve) =
        (env.person(Role::OrgMember, Some("ours")).await, env.person(Role::SuperAdmin, Some("ours")).await);
    for (function, path, field, new) in [
        ("api-keys", "/api/api-keys", "keys", json!({"name": "k", "scopes": ["usage:read"]})),
        (
            "provider-keys",
            "/api/provider-keys",
            "keys",
            json!({"provider": "openai", "name": "k", "apiKey": "0123456789abcdef"}),
        ),
        ("usage-alerts", "/api/usage-alerts", "alerts", json!({"metric": "cost", "period": "daily", "threshold": 1})),
    ] {
        let function = env.function(function).await;
        let made = function.post_as(&ada.token, path, &new).await;
        assert_eq!(made.status, 201, "{path}: {}", made.text);
        let (own, others) = (function.get_as(&ada.token, path).await, function.get_as(&eve.token, path).await);
        let first = |list: &Value| list[field][0]["id"].clone();
        assert_eq!((first(&own.body), &others.body[field]), (made.body["id"].clone(), &json!([])), "{path}");
    }
}
