//! Who may call which route: a table, and every kind of caller against every route of the API's document.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bson::{Document, doc};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{
    auth::{AccessClaims, Tokens},
    clock,
    keys::Seed,
    roles::{Permission, Role},
};
use tests::{
    content::path_of_starter,
    host::{Function, told_once},
    http_event::Answer,
    template::functions,
    test_env::{Person, TestEnv, token, tokens},
};

use crate::permissions;

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Everybody; a token is not even looked at.
    Public,
    /// Everybody; but who brings a token brings one that counts.
    Optional,
    /// Whoever is signed in.
    SignedIn,
    /// Roles with the permission.
    With(Permission),
    /// Whoever is signed in, and keys with the scope `usage:read`.
    KeyWithUsageRead,
    /// Whoever is signed in, and keys with the scope `usage:write`.
    KeyWithUsageWrite,
    /// Keys that act for others alone: nobody in person, whatever their role.
    ServiceKey,
}

const ONE_RECORD: &str =
    r#"{"records":[{"provider":"p","model":"m","promptTokens":1,"completionTokens":1,"latencyMs":1,"success":true}]}"#;

const ONE_RUN: &str = r#"{"toolId":"prompt-tester","promptHash":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","provider":"p","model":"gpt-4o","promptTokens":1,"maxCompletionTokens":1}"#;

const ONE_LINK: &str = r#"{"type":"link","data":{"tool":"t","baseUrl":"https://tool.example/","status":"pending"}}"#;

/// The table. A route that is not here fails the test.
const TABLE: &[(&str, Rule, &str)] = &[
    ("GET /api/prompts", Rule::Public, ""),
    ("GET /api/prompts/{id}", Rule::Optional, ""),
    ("POST /api/prompts", Rule::With(Permission::PromptsWrite), r#"{"title":"t"}"#),
    // Who may change which prompt is a matter of the prompt: nobody here knows of this one.
    ("PATCH /api/prompts/{id}", Rule::With(Permission::PromptsWrite), "{}"),
    ("DELETE /api/prompts/{id}", Rule::With(Permission::PromptsWrite), ""),
    ("GET /api/prompts/{id}/revisions", Rule::Optional, ""),
    ("GET /api/prompts/{id}/audit", Rule::Optional, ""),
    ("POST /api/prompts/{id}/audit", Rule::With(Permission::PromptsDelete), r#"{"auditType":"full","overallScore":1}"#),
    ("GET /api/prompts/collections", Rule::SignedIn, ""),
    ("POST /api/prompts/collections", Rule::SignedIn, "{}"),
    ("DELETE /api/prompts/collections/{collectionId}", Rule::SignedIn, ""),
    ("POST /api/prompts/{id}/view", Rule::Public, ""),
    ("GET /api/patterns", Rule::Public, ""),
    ("GET /api/patterns/{id}", Rule::Public, ""),
    ("GET /api/learning", Rule::Public, ""),
    ("GET /api/learning/{slug}", Rule::Public, ""),
    ("POST /api/analytics/track", Rule::Public, r#"{"events":[]}"#),
    ("GET /api/stats", Rule::Public, ""),
    ("POST /api/stats/invalidate", Rule::With(Permission::SystemMaintenance), ""),
    ("GET /api/health", Rule::Public, ""),
    ("GET /api/health/ready", Rule::With(Permission::SystemMaintenance), ""),
    ("GET /api/bug-reports", Rule::SignedIn, ""),
    ("POST /api/bug-reports", Rule::Optional, "{}"),
    ("PATCH /api/bug-reports/{id}", Rule::With(Permission::OrgManageSettings), r#"{"status":"triaged"}"#),
    ("GET /api/admin/affiliate-links", Rule::With(Permission::SystemAdmin), ""),
    ("POST /api/admin/affiliate-links", Rule::With(Permission::SystemAdmin), ONE_LINK),
    ("DELETE /api/admin/affiliate-links", Rule::With(Permission::SystemAdmin), ""),
    ("GET /api/affiliate/{linkId}", Rule::Public, ""),
    ("GET /api/openapi.json", Rule::Public, ""),
    ("GET /.well-known/jwks.json", Rule::Public, ""),
    ("POST /api/auth/signup", Rule::Public, "{}"),
    ("POST /api/auth/signup/complete", Rule::Public, "{}"),
    // Its own 401 is about the password: a body that cannot be read shows that the door is open.
    ("POST /api/auth/login", Rule::Public, "{}"),
    ("GET /api/auth/session", Rule::SignedIn, ""),
    ("POST /api/auth/refresh", Rule::Public, "{}"),
    ("POST /api/auth/logout", Rule::SignedIn, ""),
    ("GET /api/auth/sessions", Rule::SignedIn, ""),
    ("DELETE /api/auth/sessions", Rule::SignedIn, ""),
    ("DELETE /api/auth/sessions/{id}", Rule::SignedIn, ""),
    ("DELETE /api/auth/account", Rule::SignedIn, ""),
    ("GET /api/auth/account/export", Rule::SignedIn, ""),
    ("POST /api/auth/account/export", Rule::SignedIn, ""),
    ("GET /api/auth/account/export/{part}", Rule::SignedIn, ""),
    ("GET /api/auth/mfa/status", Rule::SignedIn, ""),
    // Without a token they ask for the sign-in's challenge.
    ("POST /api/auth/mfa/send-code", Rule::SignedIn, "{}"),
    ("POST /api/auth/mfa/verify", Rule::SignedIn, r#"{"code":"000000"}"#),
    ("POST /api/auth/mfa/enable", Rule::SignedIn, "{}"),
    ("POST /api/auth/mfa/disable", Rule::SignedIn, r#"{"code":"000000"}"#),
    ("POST /api/auth/mfa/reset", Rule::Public, "{}"),
    ("POST /api/auth/mfa/reset/begin", Rule::Public, "{}"),
    ("POST /api/auth/mfa/reset/stop", Rule::Public, "{}"),
    ("POST /api/auth/verify-password", Rule::SignedIn, "{}"),
    ("POST /api/auth/verify-email/send", Rule::SignedIn, ""),
    ("POST /api/auth/verify-email", Rule::Public, "{}"),
    ("POST /api/auth/forgot-password", Rule::Public, "{}"),
    ("POST /api/auth/reset-password", Rule::Public, "{}"),
    (
        "POST /api/auth/change-password",
        Rule::SignedIn,
        r#"{"currentPassword":"a","newPassword":"Another123-green-kettle"}"#,
    ),
    ("GET /api/user/stats", Rule::SignedIn, ""),
    ("GET /api/user-stats", Rule::SignedIn, ""),
    ("POST /api/user/activity", Rule::SignedIn, ""),
    ("GET /api/api-keys", Rule::SignedIn, ""),
    ("POST /api/api-keys", Rule::SignedIn, r#"{"name":"k","scopes":["usage:read"]}"#),
    ("GET /api/api-keys/usage", Rule::KeyWithUsageRead, ""),
    ("POST /api/api-keys/{keyId}/rotate", Rule::SignedIn, ""),
    ("POST /api/api-keys/{keyId}/revoke", Rule::SignedIn, ""),
    ("GET /api/provider-keys", Rule::SignedIn, ""),
    ("POST /api/provider-keys", Rule::SignedIn, r#"{"provider":"groq","name":"k","apiKey":"0123456789abcdef"}"#),
    ("POST /api/provider-keys/{keyId}/rotate", Rule::SignedIn, r#"{"apiKey":"0123456789abcdef"}"#),
    ("POST /api/provider-keys/{keyId}/revoke", Rule::SignedIn, ""),
    ("POST /api/provider-keys/use", Rule::ServiceKey, r#"{"userId":"u","provider":"groq","model":"m"}"#),
    ("GET /api/v2/users/api-keys", Rule::SignedIn, ""),
    ("POST /api/v2/users/api-keys", Rule::SignedIn, r#"{"provider":"groq","keyName":"k","apiKey":"0123456789abcdef"}"#),
    ("POST /api/v2/users/api-keys/{keyId}/rotate", Rule::SignedIn, r#"{"apiKey":"0123456789abcdef"}"#),
    ("POST /api/v2/users/api-keys/{keyId}/revoke", Rule::SignedIn, ""),
    ("GET /api/v2/users/api-keys/usage", Rule::SignedIn, ""),
    ("POST /api/ai/usage", Rule::KeyWithUsageWrite, ONE_RECORD),
    ("GET /api/ai/usage", Rule::SignedIn, ""),
    ("GET /api/ai/usage/limits", Rule::SignedIn, ""),
    ("POST /api/workbench/runs", Rule::With(Permission::WorkbenchBasic), ONE_RUN),
    ("GET /api/workbench/runs", Rule::With(Permission::WorkbenchBasic), ""),
    ("GET /api/workbench/runs/{runId}", Rule::SignedIn, ""),
    ("POST /api/workbench/runs/{runId}/complete", Rule::SignedIn, "{}"),
    ("GET /api/usage-alerts", Rule::SignedIn, ""),
    ("POST /api/usage-alerts", Rule::SignedIn, r#"{"metric":"cost","period":"daily","threshold":1}"#),
    ("PATCH /api/usage-alerts/{id}", Rule::SignedIn, "{}"),
    ("DELETE /api/usage-alerts/{id}", Rule::SignedIn, ""),
    ("GET /api/user/notification-preferences", Rule::SignedIn, ""),
    ("PUT /api/user/notification-preferences", Rule::SignedIn, "{}"),
    ("POST /api/user/notification-preferences/send-code", Rule::SignedIn, ""),
    ("POST /api/user/notification-preferences/verify", Rule::SignedIn, r#"{"code":"000000"}"#),
    ("GET /api/admin/usage-reports/daily/{date}", Rule::With(Permission::SystemAdmin), ""),
    ("GET /api/admin/usage-reports/monthly/{month}", Rule::With(Permission::SystemAdmin), ""),
    ("GET /api/analytics/track", Rule::Public, ""),
    ("GET /api/admin/users", Rule::With(Permission::UsersRead), ""),
    ("PATCH /api/admin/users/{id}", Rule::With(Permission::UsersManageRoles), r#"{"status":"active"}"#),
    ("DELETE /api/admin/users/{id}/sessions", Rule::With(Permission::UsersManageRoles), ""),
    ("DELETE /api/admin/users/{id}/mfa", Rule::With(Permission::UsersManageRoles), ""),
    ("GET /api/admin/audit", Rule::With(Permission::SystemLogs), ""),
];

/// The functions behind the routes, each started at its first call.
pub(crate) struct Api {
    pub(crate) env: TestEnv,
    binaries: BTreeMap<String, String>,
    running: BTreeMap<String, Function>,
}

impl Api {
    pub(crate) async fn new() -> Self {
        let routes = functions().into_iter().flat_map(|function| {
            function.routes.into_iter().map(move |route| (route, function.binary.clone())).collect::<Vec<_>>()
        });
        Self { env: TestEnv::new().await, binaries: routes.collect(), running: BTreeMap::new() }
    }

    /// The status of one call, for what nobody knows of.
    async fn call(&mut self, route: &str, body: &str, bearer: Option<&str>) -> u64 {
        let id = if route.contains("{date}") { "2026-01-01" } else { "2026-01" };
        self.call_for(route, id, body, bearer).await.status
    }

    /// One call for the thing with this id, as it was first made.
    pub(crate) async fn call_for(&mut self, route: &str, id: &str, body: &str, bearer: Option<&str>) -> Answer {
        let binary = &self.binaries[route];
        if !self.running.contains_key(binary) {
            self.running.insert(binary.clone(), self.env.function(binary).await);
        }
        let (method, path) = route.split_once(' ').unwrap();
        let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json"), ("if-match", "\"1\"")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        self.running[binary].send(method, &path.join("/"), &headers, Some(body)).await
    }
}

fn is_let_in(status: u64) -> bool {
    status != 401 && status != 403
}

/// The API's document.
pub(crate) async fn document() -> Value {
    Function::start("openapi", &[]).await.get("/api/openapi.json").await.body
}

/// Every route of the API's document.
pub(crate) async fn documented() -> BTreeSet<String> {
    let document = document().await;
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_route_of_the_document_has_a_row() {
    let listed: BTreeSet<String> = TABLE.iter().map(|(route, ..)| (*route).to_owned()).collect();
    assert_eq!(listed, documented().await);
}

#[tokio::test]
async fn the_document_says_who_may_call_what() {
    let document = document().await;
    for (route, rule, _) in TABLE {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &document["paths"][path][method.to_lowercase()];
        let (security, scopes) = match rule {
            // The challenge of a sign-in stands for a token.
            _ if ["/api/auth/mfa/send-code", "/api/auth/mfa/verify"].contains(&path) => {
                (json!([{}, {"bearer": []}]), Value::Null)
            }
            Rule::Public => (json!([]), Value::Null),
            Rule::Optional => (json!([{}, {"bearer": []}]), Value::Null),
            Rule::SignedIn | Rule::With(_) => (json!([{"bearer": []}]), Value::Null),
            Rule::KeyWithUsageRead => (json!([{"bearer": []}]), json!(["usage:read"])),
            Rule::KeyWithUsageWrite => (json!([{"bearer": []}]), json!(["usage:write", "service:usage"])),
            Rule::ServiceKey => (json!([{"bearer": []}]), json!(["service:provider-keys"])),
        };
        assert_eq!((&operation["security"], &operation["x-platform-key-scopes"]), (&security, &scopes), "{route}");
    }
}

#[tokio::test]
async fn every_role_is_let_in_where_the_table_says_so() {
    let mut api = Api::new().await;
    for (route, rule, body) in TABLE {
        for role in Role::ALL {
            // Somebody new each time: signing out, say, ends what comes after.
            let person = api.env.person(role, Some("org")).await;
            let status = api.call(route, body, Some(&person.token)).await;
            let allowed = match rule {
                Rule::With(permission) => permissions::has(role, *permission),
                Rule::ServiceKey => false,
                _ => true,
            };
            assert_eq!(is_let_in(status), allowed, "{route} as {role:?}: {status}");
            assert!(allowed || status == 403, "{route} as {role:?}: {status}");
            assert!(status < 500, "{route} as {role:?}: {status}");
        }
    }
}

#[tokio::test]
async fn a_token_or_a_key_that_does_not_count_lets_nobody_in() {
    let mut api = Api::new().await;
    let mut callers = bad_tokens(&api.env).await;
    callers.extend(keys(&api.env).await);
    for (route, rule, body) in TABLE {
        let status = api.call(route, body, None).await;
        let open = matches!(rule, Rule::Public | Rule::Optional);
        assert_eq!(is_let_in(status), open, "{route} without a token: {status}");
        for ClientInfo { what, bearer, answered: [as_person, reading, writing] } in &callers {
            let status = api.call(route, body, Some(bearer)).await;
            let expected = match rule {
                Rule::Public => {
                    assert!(is_let_in(status), "{route} with {what}: {status}");
                    continue;
                }
                Rule::KeyWithUsageRead => reading,
                // A key that counts, and acts for its owner alone.
                Rule::ServiceKey if *reading == 200 || *writing == 202 => &403,
                Rule::KeyWithUsageWrite | Rule::ServiceKey => writing,
                _ => as_person,
            };
            assert_eq!(status, *expected, "{route} with {what}");
        }
    }
}

/// Somebody with a token or a key, and how they are answered.
struct ClientInfo {
    what: &'static str,
    bearer: String,
    /// Where people alone are let in; where keys are that may read usage; where keys are that may write it.
    answered: [u64; 3],
}

/// Tokens that do not count anywhere.
async fn bad_tokens(env: &TestEnv) -> Vec<ClientInfo> {
    let person = env.person(Role::SuperAdmin, None).await;
    let claims = |id: &str, sid: &str| AccessClaims {
        sub: id.to_owned(),
        sid: sid.to_owned(),
        role: Role::SuperAdmin,
        org: None,
        mfa: None,
        auth_time: None,
        ver: 0,
    };
    let hour_ago = clock::now() - SignedDuration::from_hours(1);
    let (header, rest) = person.token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let mut said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    said["exp"] = json!(9_999_999_999_u64);
    let longer = URL_SAFE_NO_PAD.encode(said.to_string());
    let mut unsigned: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    unsigned["alg"] = "none".into();
    let none = URL_SAFE_NO_PAD.encode(unsigned.to_string());

    let someone = async |update: Document| {
        let someone = env.person(Role::SuperAdmin, None).await;
        env.users().update_one(doc! {"_id": &someone.id}, doc! {"$set": update}).await.unwrap();
        someone
    };
    let changed = someone(doc! {"sessionVersion": 1}).await;
    let suspended = someone(doc! {"status": "suspended"}).await;
    let gone = env.person(Role::SuperAdmin, None).await;
    let ended = doc! {"id": format!("session of {}", gone.id), "at": clock::now()};
    env.users().update_one(doc! {"_id": &gone.id}, doc! {"$set": {"endedSessions": [ended]}}).await.unwrap();
    let other_seed = Tokens::new(&Seed::from("a seed that is not ours, 32 or more"), None);
    let row = |what, bearer, status| ClientInfo { what, bearer, answered: [status; 3] };
    vec![
        row("an expired token", tokens().access(claims(&person.id, "s"), hour_ago), 401),
        row("a token with other claims", format!("{header}.{longer}.{signature}"), 401),
        row("a token that says alg none", format!("{none}.{payload}."), 401),
        row("alg none with a signature", format!("{none}.{longer}.{signature}"), 401),
        row("another key's token", other_seed.access(claims(&person.id, "s"), clock::now()), 401),
        row("an ended session's", gone.token, 401),
        row("an older session version's", changed.token, 401),
        row("a suspended account's", suspended.token, 403),
        row("nobody's", token("nobody", Role::SuperAdmin, 0), 401),
        row("no token at all", "x".into(), 401),
    ]
}

/// Keys: two that count for their scope, and those that do not count.
async fn keys(env: &TestEnv) -> Vec<ClientInfo> {
    let (person, suspended) = (env.person(Role::SuperAdmin, None).await, env.person(Role::User, None).await);
    let (list, change) = (env.function("api-keys").await, env.function("api-key").await);
    let key = async |owner: &Person, scopes: &[&str]| {
        let body = json!({"name": "k", "scopes": scopes, "expiresInDays": 1});
        let made = list.post_as(&owner.token, "/api/api-keys", &body).await;
        let (key, id) = (made.body["key"].as_str().unwrap(), made.body["id"].as_str().unwrap());
        told_once(key);
        (key.to_owned(), id.to_owned())
    };
    let both = ["usage:read", "usage:write"];
    let ((reads, _), (writes, _)) = (key(&person, &both[..1]).await, key(&person, &both[1..]).await);
    let (revoked, id) = key(&person, &both).await;
    let path = format!("/api/api-keys/{id}/revoke");
    assert_eq!(change.post_as(&person.token, &path, &json!({})).await.status, 200);
    let (expired, id) = key(&person, &both).await;
    let past = doc! {"$set": {"expiresAt": clock::now() - SignedDuration::from_secs(1)}};
    env.database.collection::<Document>("api_keys").update_one(doc! {"_id": id}, past).await.unwrap();
    let (orphaned, _) = key(&suspended, &both).await;
    let set = doc! {"$set": {"status": "suspended"}};
    env.users().update_one(doc! {"_id": &suspended.id}, set).await.unwrap();
    env.forget(&suspended.id).await;
    let row = |what, bearer, answered| ClientInfo { what, bearer, answered };
    vec![
        row("a key that may read", reads.clone(), [401, 200, 403]),
        row("a key that may write", writes, [401, 403, 202]),
        row("a revoked key", revoked, [401; 3]),
        row("an expired key", expired, [401; 3]),
        row("a suspended owner's key", orphaned, [401, 403, 403]),
        row("a damaged key", reads[..reads.len() - 1].to_owned(), [401; 3]),
        row("a made-up key", format!("pk_{}_{}_00000000", "0".repeat(16), "0".repeat(64)), [401; 3]),
    ]
}

#[tokio::test]
async fn an_organisation_is_a_wall() {
    let env = TestEnv::new().await;
    let boss = env.person(Role::OrgAdmin, Some("ours")).await;
    let (mine, theirs) =
        (env.person(Role::OrgMember, Some("ours")).await, env.person(Role::OrgMember, Some("theirs")).await);
    let (peer, root) =
        (env.person(Role::OrgAdmin, Some("ours")).await, env.person(Role::SuperAdmin, Some("ours")).await);
    let admin = env.function("users-admin").await;
    let page = admin.get_as(&boss.token, "/api/admin/users?limit=100&organizationId=theirs").await;
    let seen: BTreeSet<&str> =
        page.body["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(seen, [&boss, &mine, &peer, &root].map(|person| person.id.as_str()).into(), "{}", page.text);
    let change = async |id: &str, body: Value| {
        admin.patch_as(&boss.token, &format!("/api/admin/users/{id}"), "", &body).await.status
    };
    assert_eq!(change(&theirs.id, json!({"role": "org_manager"})).await, 404, "another organisation's");
    assert_eq!(change(&mine.id, json!({"role": "super_admin"})).await, 403, "nobody grants above themselves");
    assert_eq!(change(&mine.id, json!({"role": "org_admin"})).await, 403, "nor beside themselves");
    assert_eq!(change(&peer.id, json!({"status": "suspended"})).await, 403, "nor touches a peer");
    assert_eq!(change(&root.id, json!({"role": "org_member"})).await, 403, "or a super admin");
    assert_eq!(change(&mine.id, json!({"role": "engineer"})).await, 422, "that is no role");
    assert_eq!(change(&boss.id, json!({"role": "org_manager"})).await, 403, "nor their own");
    assert_eq!(change(&mine.id, json!({"role": "org_manager"})).await, 200);
    let (suspend, lift) = (json!({"status": "suspended"}), json!({"status": "active"}));
    let path = format!("/api/admin/users/{}", mine.id);
    assert_eq!(admin.patch_as(&root.token, &path, "", &suspend).await.status, 200);
    assert_eq!(change(&mine.id, lift.clone()).await, 403, "nor lifts what a super admin imposed");
    assert_eq!(change(&mine.id, suspend.clone()).await, 200);
    assert_eq!(change(&mine.id, lift.clone()).await, 403, "nor makes it their own");
    assert_eq!(admin.patch_as(&root.token, &path, "", &lift).await.status, 200);
    assert_eq!((change(&mine.id, suspend).await, change(&mine.id, lift).await), (200, 200));
    let pages = admin.get_as(&boss.token, "/api/admin/users?limit=3").await;
    let cursor = pages.body["nextCursor"].as_str().unwrap();
    let rest = admin.get_as(&boss.token, &format!("/api/admin/users?limit=3&cursor={cursor}")).await;
    assert_eq!((rest.body["users"].as_array().map(Vec::len), &rest.body["nextCursor"]), (Some(1), &Value::Null));
}

#[tokio::test]
async fn premium_prompts_open_for_premium_roles() {
    let env = TestEnv::new().await;
    let (premium, signed_in) = (path_of_starter("isPremium"), path_of_starter("requiresAuth"));
    let prompt = env.function("prompt").await;
    assert_eq!((prompt.get(&premium).await.status, prompt.get(&signed_in).await.status), (403, 401));
    for role in Role::ALL {
        let person = env.person(role, None).await;
        let answer = prompt.get_as(&person.token, &premium).await;
        assert_eq!(answer.status == 200, !matches!(role, Role::User | Role::Free), "{role:?}: {}", answer.status);
        let answer = prompt.get_as(&person.token, &signed_in).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    }
}
