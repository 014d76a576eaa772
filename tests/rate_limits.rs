//! What answers say of waiting: which limit a route counts by, and when to ask again.

use serde_json::json;
use shared::roles::Role;
use tests::{host::Outcome, http_event::event, test_env::TestEnv};

use crate::route_authorization::Api;

const AUDIT: &str = r#"{"auditType":"full","overallScore":1}"#;
const COPY: &str = r#"{"promptId":"p","originalPromptId":"none","title":"t","content":"c"}"#;
const RUN: &str = r#"{"toolId":"none","promptHash":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","provider":"p","model":"m","promptTokens":1,"maxCompletionTokens":1}"#;
const ENDING: &str = r#"{"status":"success","promptTokens":1,"completionTokens":1,"latencyMs":1}"#;
const REPORT: &str =
    r#"{"intent":"Copy","description":"Nothing happens at all.","pageUrl":"https://app.example.com/"}"#;
const ALERT: &str = r#"{"metric":"requests","period":"daily","threshold":1}"#;
const LINK: &str = r#"{"type":"link","data":{"tool":"t","baseUrl":"https://tool.example/","status":"pending"}}"#;

/// Routes, what is sent, and the policy of `shared::limits` that counts it. Most name a thing that is not there: it is
/// counted before it is looked for.
const TABLE: &[(&str, &str, &str)] = &[
    ("POST /api/prompts", r#"{"title":"t"}"#, "new-prompts"),
    ("PATCH /api/prompts/{id}", "{}", "edits"),
    ("DELETE /api/prompts/{id}", "", "edits"),
    ("GET /api/prompts/{id}", "", "account"),
    ("GET /api/prompts/{id}/revisions", "", "details"),
    ("GET /api/prompts/{id}/audit", "", "details"),
    ("POST /api/prompts/{id}/audit", AUDIT, "edits"),
    ("POST /api/prompts/{id}/view", "", "view"),
    ("GET /api/prompts/collections", "", "account"),
    ("POST /api/prompts/collections", COPY, "account"),
    ("DELETE /api/prompts/collections/{collectionId}", "", "account"),
    ("POST /api/workbench/runs", RUN, "workbench"),
    ("GET /api/workbench/runs", "", "account"),
    ("GET /api/workbench/runs/{runId}", "", "account"),
    ("POST /api/workbench/runs/{runId}/complete", ENDING, "workbench"),
    ("DELETE /api/auth/sessions", "", "end-sessions"),
    ("DELETE /api/auth/sessions/{id}", "", "end-sessions"),
    ("POST /api/usage-alerts", ALERT, "alert-changes"),
    ("PATCH /api/usage-alerts/{id}", r#"{"threshold":5}"#, "alert-changes"),
    ("DELETE /api/usage-alerts/{id}", "", "account"),
    ("GET /api/bug-reports", "", "account"),
    ("POST /api/bug-reports", REPORT, "bug-reports"),
    ("PATCH /api/bug-reports/{id}", r#"{"status":"triaged"}"#, "admin"),
    ("GET /api/admin/affiliate-links", "", "admin"),
    ("POST /api/admin/affiliate-links", LINK, "admin"),
    ("DELETE /api/admin/affiliate-links", "", "admin"),
    ("GET /api/affiliate/{linkId}", "", "affiliate-clicks"),
    ("GET /api/health/ready", "", "admin"),
    ("POST /api/user/notification-preferences/send-code", "", "mfa-send-hourly"),
    ("POST /api/user/notification-preferences/verify", r#"{"code":"000000"}"#, "mfa-verify"),
];

#[tokio::test]
async fn each_route_counts_by_its_policy() {
    let mut api = Api::new().await;
    let root = api.env.person(Role::SuperAdmin, None).await;
    for (route, body, policy) in TABLE {
        let answer = api.call_for(route, "none", body, Some(&root.token)).await;
        let told = answer.header("ratelimit-policy");
        assert!(
            told.starts_with(&format!("\"{policy}\";")),
            "{route}: {told:?} with {}: {}",
            answer.status,
            answer.text
        );
    }
}

#[tokio::test]
async fn who_hears_that_a_part_is_away_hears_when_to_ask_again() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let ready = env.function_with("health-ready", &[("CONTENT_URL", "file:///nowhere")]).await;
    let answer = ready.get_as(&root.token, "/api/health/ready").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.text);
    assert_eq!(answer.body["content"], "away");
}

/// A household is given a /64, and so is a server: its addresses are endless.
#[tokio::test]
async fn the_addresses_of_one_ipv6_network_share_a_limit() {
    let env = TestEnv::new().await;
    let passwords = env.function("auth-password").await;
    let network = format!("2001:db8:{:x}", std::process::id() & 0xffff);
    let ask = async |address: String| {
        let body = json!({"token": "made-up", "password": "Another123-green-kettle"}).to_string();
        let event =
            event("POST", "/api/auth/reset-password", &[("content-type", "application/json")], Some(&body), &address);
        let Outcome::Response(answer) = passwords.invoke(event).await else { panic!("no answer") };
        answer["statusCode"].as_u64().unwrap()
    };
    let mut answers = Vec::new();
    for n in 0..12 {
        answers.push(ask(format!("{network}:{n:x}::{n:x}")).await);
    }
    assert!(answers.iter().all(|status| *status == 422), "networks of their own: {answers:?}");
    answers.clear();
    for n in 0..12 {
        answers.push(ask(format!("{network}:aaaa:{n:x}:0:0:1")).await);
    }
    assert_eq!(answers, [[422; 10].as_slice(), &[429; 2]].concat());
}
