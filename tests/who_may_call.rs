//! Who may call which route: a table, and every kind of caller against every route of the API's document.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bson::doc;
use jiff::SignedDuration;
use serde_json::{Value, json};
use serial_test::parallel;
use shared::{
    accounts::{AccessClaims, Permission, Role, Tokens},
    clock,
    keys::Seed,
};
use tests::{
    host::Function,
    people::{Town, token, tokens},
    stack::stack,
    template::functions,
};

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
    ("GET /api/prompts/{id}/revisions", Rule::With(Permission::PromptsWrite), ""),
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
    ("POST /api/bug-reports", Rule::SignedIn, "{}"),
    ("PATCH /api/bug-reports/{id}", Rule::With(Permission::OrgManageSettings), r#"{"status":"triaged"}"#),
    ("GET /api/admin/affiliate-links", Rule::With(Permission::SystemAdmin), ""),
    ("POST /api/admin/affiliate-links", Rule::With(Permission::SystemAdmin), ONE_LINK),
    ("DELETE /api/admin/affiliate-links", Rule::With(Permission::SystemAdmin), ""),
    ("GET /api/affiliate/{linkId}", Rule::Public, ""),
    ("GET /api/openapi.json", Rule::Public, ""),
    ("GET /.well-known/jwks.json", Rule::Public, ""),
    ("POST /api/auth/signup", Rule::Public, "{}"),
    // Its own 401 is about the password: a body that cannot be read shows that the door is open.
    ("POST /api/auth/login", Rule::Public, "{}"),
    ("GET /api/auth/session", Rule::SignedIn, ""),
    ("POST /api/auth/refresh", Rule::Public, "{}"),
    ("POST /api/auth/logout", Rule::SignedIn, ""),
    ("GET /api/auth/mfa/status", Rule::SignedIn, ""),
    // Without a token they ask for the sign-in's challenge.
    ("POST /api/auth/mfa/send-code", Rule::SignedIn, "{}"),
    ("POST /api/auth/mfa/verify", Rule::SignedIn, r#"{"code":"000000"}"#),
    ("POST /api/auth/mfa/enable", Rule::SignedIn, r#"{"method":"totp"}"#),
    ("POST /api/auth/mfa/disable", Rule::SignedIn, r#"{"code":"000000"}"#),
    ("POST /api/auth/forgot-password", Rule::Public, "{}"),
    ("POST /api/auth/reset-password", Rule::Public, "{}"),
    ("POST /api/auth/change-password", Rule::SignedIn, r#"{"currentPassword":"a","newPassword":"Another123"}"#),
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
    ("GET /api/admin/usage-reports/daily/{date}", Rule::With(Permission::AnalyticsOrg), ""),
    ("GET /api/admin/usage-reports/monthly/{month}", Rule::With(Permission::AnalyticsOrg), ""),
    ("GET /api/analytics/track", Rule::Public, ""),
    ("GET /api/admin/users", Rule::With(Permission::UsersRead), ""),
    ("PATCH /api/admin/users/{id}", Rule::With(Permission::UsersManageRoles), r#"{"status":"active"}"#),
    ("GET /api/admin/audit", Rule::With(Permission::SystemLogs), ""),
];

/// The functions behind the routes, each started at its first call.
struct Api {
    town: Town,
    binaries: BTreeMap<String, String>,
    running: BTreeMap<String, Function>,
}

impl Api {
    async fn new() -> Self {
        let routes = functions().into_iter().flat_map(|function| {
            function.routes.into_iter().map(move |route| (route, function.binary.clone())).collect::<Vec<_>>()
        });
        Self { town: Town::new().await, binaries: routes.collect(), running: BTreeMap::new() }
    }

    /// The status of one call.
    async fn call(&mut self, route: &str, body: &str, bearer: Option<&str>) -> u64 {
        let binary = &self.binaries[route];
        if !self.running.contains_key(binary) {
            self.running.insert(binary.clone(), self.town.function(binary).await);
        }
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{date}", "2026-01-01").replace("{month}", "2026-01");
        let path = path.replace("{id}", "nobody").replace("{keyId}", "none").replace("{slug}", "none");
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        self.running[binary].send(method, &path, &headers, Some(body)).await.status
    }
}

fn is_let_in(status: u64) -> bool {
    status != 401 && status != 403
}

#[test]
fn every_route_of_the_document_has_a_row() {
    let listed: BTreeSet<String> = TABLE.iter().map(|(route, ..)| (*route).to_owned()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let documented = runtime.block_on(async {
        let function = Function::start("openapi", &[]).await;
        let document = function.get("/api/openapi.json").await.body;
        let paths = document["paths"].as_object().unwrap().clone();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        operations.collect::<BTreeSet<_>>()
    });
    assert_eq!(listed, documented);
}

#[tokio::test]
#[parallel(stack)]
async fn every_role_is_let_in_where_the_table_says_so() {
    let mut api = Api::new().await;
    for (route, rule, body) in TABLE {
        for role in Role::ALL {
            // Somebody new each time: signing out, say, ends what comes after.
            let person = api.town.person(role, Some("org")).await;
            let status = api.call(route, body, Some(&person.token)).await;
            let allowed = match rule {
                Rule::With(permission) => role.may(*permission),
                _ => true,
            };
            assert_eq!(is_let_in(status), allowed, "{route} as {role:?}: {status}");
            assert!(allowed || status == 403, "{route} as {role:?}: {status}");
            assert!(status < 500, "{route} as {role:?}: {status}");
        }
    }
}

#[tokio::test]
#[parallel(stack)]
async fn a_token_that_does_not_count_lets_nobody_in() {
    let mut api = Api::new().await;
    let bad = bad_tokens(&api.town).await;
    for (route, rule, body) in TABLE {
        let status = api.call(route, body, None).await;
        let open = matches!(rule, Rule::Public | Rule::Optional);
        assert_eq!(is_let_in(status), open, "{route} without a token: {status}");
        for (what, token) in &bad {
            let status = api.call(route, body, Some(token)).await;
            let expected = match rule {
                Rule::Public => is_let_in(status),
                _ if *what == "a suspended account's" => status == 403,
                Rule::KeyWithUsageRead if *what == "a key with the wrong scope" => status == 403,
                Rule::KeyWithUsageRead if *what == "a key with the scope" => status == 200,
                // What is wrong for reading is right for writing.
                Rule::KeyWithUsageWrite if *what == "a key with the wrong scope" => status == 202,
                Rule::KeyWithUsageWrite if *what == "a key with the scope" => status == 403,
                _ => status == 401,
            };
            assert!(expected, "{route} with {what}: {status}");
        }
    }
}

/// Tokens and keys that no route for people takes.
async fn bad_tokens(town: &Town) -> Vec<(&'static str, String)> {
    let person = town.person(Role::SuperAdmin, None).await;
    let claims = |id: &str, sid: &str| AccessClaims {
        sub: id.to_owned(),
        sid: sid.to_owned(),
        role: Role::SuperAdmin,
        org: None,
        mfa: None,
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

    let gone = town.person(Role::SuperAdmin, None).await;
    let ended = doc! {"id": format!("session of {}", gone.id), "at": clock::to_bson(clock::now())};
    town.users().update_one(doc! {"_id": &gone.id}, doc! {"$set": {"endedSessions": [ended]}}).await.unwrap();
    let suspended = town.person(Role::SuperAdmin, None).await;
    let set = doc! {"$set": {"status": "suspended"}};
    town.users().update_one(doc! {"_id": &suspended.id}, set).await.unwrap();
    let changed = town.person(Role::SuperAdmin, None).await;
    town.users().update_one(doc! {"_id": &changed.id}, doc! {"$set": {"sessionVersion": 1}}).await.unwrap();

    let keys = town.function("api-keys").await;
    let key = async |scope: &str| {
        let made = keys.post_as(&person.token, "/api/api-keys", &json!({"name": "k", "scopes": [scope]})).await;
        made.body["key"].as_str().unwrap().to_owned()
    };
    let (reads, writes) = (key("usage:read").await, key("usage:write").await);
    vec![
        ("an expired token", tokens().access(claims(&person.id, "s"), hour_ago)),
        ("a token with other claims", format!("{header}.{longer}.{signature}")),
        ("a token that says alg none", format!("{none}.{payload}.")),
        ("alg none with a signature", format!("{none}.{longer}.{signature}")),
        (
            "another key's token",
            Tokens::new(&Seed::from("a seed that is not ours, 32 or more"), None)
                .access(claims(&person.id, "s"), clock::now()),
        ),
        ("an ended session's", gone.token),
        ("an older session version's", changed.token),
        ("a suspended account's", suspended.token),
        ("nobody's", token("nobody", Role::SuperAdmin, 0)),
        ("no token at all", "x".into()),
        ("a key with the scope", reads.clone()),
        ("a key with the wrong scope", writes),
        ("a damaged key", reads[..reads.len() - 1].to_owned()),
        ("a made-up key", format!("pk_{}_{}_00000000", "0".repeat(16), "0".repeat(64))),
    ]
}

#[tokio::test]
#[parallel(stack)]
async fn an_organisation_is_a_wall() {
    let town = Town::new().await;
    let boss = town.person(Role::OrgAdmin, Some("ours")).await;
    let (mine, theirs) =
        (town.person(Role::OrgMember, Some("ours")).await, town.person(Role::OrgMember, Some("theirs")).await);
    let (peer, root) =
        (town.person(Role::OrgAdmin, Some("ours")).await, town.person(Role::SuperAdmin, Some("ours")).await);
    let admin = town.function("users-admin").await;
    let page = admin.get_as(&boss.token, "/api/admin/users?limit=100&organizationId=theirs").await;
    let seen: BTreeSet<&str> =
        page.body["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(seen, [&boss, &mine, &peer, &root].map(|person| person.id.as_str()).into(), "{}", page.text);
    let change = async |id: &str, body: Value| {
        let authorization = format!("Bearer {}", boss.token);
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        admin.send("PATCH", &format!("/api/admin/users/{id}"), &headers, Some(&body.to_string())).await.status
    };
    assert_eq!(change(&theirs.id, json!({"role": "org_manager"})).await, 404, "another organisation's");
    assert_eq!(change(&mine.id, json!({"role": "super_admin"})).await, 403, "nobody grants above themselves");
    assert_eq!(change(&mine.id, json!({"role": "org_admin"})).await, 403, "nor beside themselves");
    assert_eq!(change(&peer.id, json!({"status": "suspended"})).await, 403, "nor touches a peer");
    assert_eq!(change(&root.id, json!({"role": "org_member"})).await, 403, "or a super admin");
    assert_eq!(change(&mine.id, json!({"role": "engineer"})).await, 422, "that is no role");
    assert_eq!(change(&boss.id, json!({"role": "org_manager"})).await, 403, "nor their own");
    assert_eq!(change(&mine.id, json!({"role": "org_manager"})).await, 200);
    let pages = admin.get_as(&boss.token, "/api/admin/users?limit=3").await;
    let cursor = pages.body["nextCursor"].as_str().unwrap();
    let rest = admin.get_as(&boss.token, &format!("/api/admin/users?limit=3&cursor={cursor}")).await;
    assert_eq!((rest.body["users"].as_array().map(Vec::len), &rest.body["nextCursor"]), (Some(1), &Value::Null));
}

#[tokio::test]
#[parallel(stack)]
async fn keys_are_their_owners_alone() {
    let town = Town::new().await;
    let (ada, eve) = (town.person(Role::Free, None).await, town.person(Role::SuperAdmin, None).await);
    let (keys, key, vault) =
        (town.function("api-keys").await, town.function("api-key").await, town.function("provider-keys").await);
    let made = keys.post_as(&ada.token, "/api/api-keys", &json!({"name": "k", "scopes": ["usage:read"]})).await;
    let id = made.body["id"].as_str().unwrap();
    let kept = json!({"provider": "openai", "name": "k", "apiKey": "0123456789abcdef-end"});
    let kept = vault.post_as(&ada.token, "/api/provider-keys", &kept).await;
    let kept_id = kept.body["id"].as_str().unwrap();
    for (function, path) in [
        (&key, format!("/api/api-keys/{id}/rotate")),
        (&key, format!("/api/api-keys/{id}/revoke")),
        (&vault, format!("/api/provider-keys/{kept_id}/revoke")),
    ] {
        assert_eq!(function.post_as(&eve.token, &path, &json!({})).await.status, 404, "{path}");
    }
    let rotate = format!("/api/provider-keys/{kept_id}/rotate");
    assert_eq!(vault.post_as(&eve.token, &rotate, &json!({"apiKey": "0123456789abcdef"})).await.status, 404);
    assert_eq!(keys.get_as(&eve.token, "/api/api-keys").await.body["keys"], json!([]));
    assert_eq!(vault.get_as(&eve.token, "/api/provider-keys").await.body["keys"], json!([]));
}

#[tokio::test]
#[parallel(stack)]
async fn premium_prompts_open_for_premium_roles() {
    let town = Town::new().await;
    let page: Value = serde_json::from_str(
        &std::fs::read_to_string(tests::template::root().join("public-data/prompts.json")).unwrap(),
    )
    .unwrap();
    let of = |flag: &str| {
        let found = page["prompts"].as_array().unwrap().iter().find(|prompt| prompt[flag] == true);
        format!("/api/prompts/{}", found.unwrap()["id"].as_str().unwrap())
    };
    let (premium, signed_in) = (of("isPremium"), of("requiresAuth"));
    let prompt = town.function("prompt").await;
    assert_eq!((prompt.get(&premium).await.status, prompt.get(&signed_in).await.status), (403, 401));
    for role in Role::ALL {
        let person = town.person(role, None).await;
        let answer = prompt.get_as(&person.token, &premium).await;
        assert_eq!(answer.status == 200, role.level() >= Role::Pro.level(), "{role:?}: {}", answer.status);
        let answer = prompt.get_as(&person.token, &signed_in).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    }
    drop(stack());
}
