//! Bad input gets a 4xx that names the field: never a 5xx, never internal text.

use serde_json::json;
use shared::clock;
use tests::{
    content::{starter_prompt, starter_url},
    host::Function,
    http_event::Answer,
    stack::stack,
};

/// Ids that nothing has, each odd in a way of its own: in characters, in direction, in form, in what other parsers
/// make of it, in length.
pub(crate) fn odd_ids() -> Vec<String> {
    let odd = [
        "%00",
        "%F0%9F%98%80",
        "%E2%80%AEtxt",
        "a%CC%81",
        "%EF%BC%8Fetc%EF%BC%8Fpasswd",
        "%7B%22%24gt%22%3A%22%22%7D",
        ".%2A",
        "507f1f77bcf86cd799439011",
    ];
    odd.into_iter().map(str::to_owned).chain(["x".repeat(3000)]).collect()
}

async fn track() -> Function {
    let stack = stack();
    let public = starter_url();
    let mut variables = stack.aws_variables();
    variables.push(("CONTENT_URL", &public));
    Function::start("analytics-track", &variables).await
}

fn check(answer: &Answer, status: u64, field: Option<&str>) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.body["status"], status);
    assert!(answer.body["code"].is_string() && answer.body["detail"].is_string());
    if let Some(field) = field {
        assert!(answer.fields().contains(&field), "{field} is not named: {}", answer.text);
    }
    for internal in ["serde", "panicked", ".rs:", "mongodb://", "RUST_BACKTRACE"] {
        assert!(!answer.text.contains(internal), "{internal}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_wrong_event_is_named_by_its_path() {
    let (function, known) = (track().await, starter_prompt());
    let old = "2020-01-01T00:00:00Z";
    for (event, field) in [
        (json!({"promptId": 1, "event": "view"}), "events[1].promptId"),
        (json!({"promptId": "no-such-prompt", "event": "view"}), "events[1].promptId"),
        (json!({"promptId": "", "event": "view"}), "events[1].promptId"),
        (json!({"promptId": "x".repeat(201), "event": "view"}), "events[1].promptId"),
        (json!({"promptId": known, "event": "explode"}), "events[1].event"),
        (json!({"promptId": known, "event": "view", "unknown": 1}), "events[1].unknown"),
        (json!({"promptId": known, "event": "view", "id": "not-a-uuid"}), "events[1].id"),
        (json!({"promptId": known, "event": "view", "occurredAt": old}), "events[1].occurredAt"),
        (json!({"promptId": known, "event": "view", "occurredAt": "yesterday"}), "events[1].occurredAt"),
        (json!({"promptId": known, "event": "view", "metadata": {"x": "y".repeat(101)}}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": {"x".repeat(101): 1}}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": {"": 1}}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": {"x": [1]}}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": {"x": {"y": 1}}}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": nine_values()}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": "text"}), "events[1].metadata"),
        (json!({"promptId": known, "event": "view", "metadata": {"a\0": 1}}), "events[1].metadata.a"),
        (json!({"promptId": known, "event": "view", "sessionId": "s".repeat(101)}), "events[1].sessionId"),
    ] {
        let body = json!({"events": [{"promptId": known, "event": "view"}, event]});
        check(&function.post("/api/analytics/track", &body).await, 422, Some(field));
    }
    check(&function.post("/api/analytics/track", &json!({"events": []})).await, 422, Some("events"));
    let many = vec![json!({"promptId": known, "event": "view"}); 11];
    check(&function.post("/api/analytics/track", &json!({"events": many})).await, 422, Some("events"));
    check(&function.post("/api/analytics/track", &json!({})).await, 422, None);
    check(&function.post("/api/analytics/track", &json!({"events": [], "more": 1})).await, 422, Some("more"));
    for (beside, value) in [
        ("id", json!("0193531a-8c40-7c3e-9f6a-2b7d5e8f1a90")),
        ("promptId", json!(known)),
        ("event", json!("view")),
        ("metadata", json!({"x": 1})),
        ("sessionId", json!("s")),
        ("occurredAt", json!(clock::now())),
    ] {
        let body = json!({"events": [{"promptId": known, "event": "view"}], beside: value});
        check(&function.post("/api/analytics/track", &body).await, 422, Some("events"));
    }
}

fn nine_values() -> serde_json::Value {
    (0..9).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn what_is_not_a_json_body_is_refused_for_what_it_is() {
    let function = track().await;
    let json_type = [("content-type", "application/json")];
    let path = "/api/analytics/track";
    let deep = format!("{{\"events\":[{{\"metadata\":{{\"x\":{}1{}}}}}]}}", "[".repeat(1500), "]".repeat(1500));
    for body in ["", "{", "{\"events\":[]} trailing", &"[".repeat(4_000), &deep] {
        check(&function.send("POST", path, &json_type, Some(body)).await, 400, None);
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    check(&function.send("POST", path, &form, Some("a=b")).await, 415, None);
    check(&function.send("POST", path, &[], Some("{}")).await, 415, None);
    let large = format!("{{\"events\":[\"{}\"]}}", "x".repeat(4 * 1024));
    check(&function.send("POST", path, &json_type, Some(&large)).await, 413, None);
    check(&function.send("GET", path, &[], None).await, 405, None);
    check(&function.send("POST", "/api/nothing", &json_type, Some("{}")).await, 404, None);
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_refused() {
    let function = track().await;
    // API Gateway hands over as base64 what is not text.
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/api/analytics/track", "rawQueryString": "",
        "headers": {"content-type": "application/json"}, "body": "/////w==", "isBase64Encoded": true,
        "requestContext": {"requestId": "r", "stage": "$default", "timeEpoch": 1, "http": {"method": "POST", "path": "/api/analytics/track", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}},
    });
    let tests::host::Outcome::Response(answer) = function.invoke(event).await else { panic!("no answer") };
    assert_eq!(answer["statusCode"], 400);
    assert!(answer["body"].as_str().unwrap().contains("not UTF-8"));
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let public = starter_url();
    let variables = [("CONTENT_URL", public.as_str()), ("MONGODB_URI", "mongodb://127.0.0.1:1")];
    let function = Function::start("prompts", &variables).await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("cursor=made-up", "cursor"),
        ("featured=maybe", "featured"),
        ("sort=best", "sort"),
    ] {
        check(&function.get(&format!("/api/prompts?{query}")).await, 422, Some(field));
    }
    for query in ["utm_source=x", "category=", "search=%00%ff%F0%9F%98%80", "tag=a&tag=b"] {
        assert!(function.get(&format!("/api/prompts?{query}")).await.status < 500, "{query}");
    }
    let function = Function::start("prompt", &variables).await;
    for id in ["%00", "..%2F..%2Fetc%2Fpasswd", "%F0%9F%98%80", "%ff", "a%20b", &"x".repeat(5000)] {
        check(&function.get(&format!("/api/prompts/{id}")).await, if id == "%ff" { 400 } else { 404 }, None);
    }
}

#[tokio::test]
async fn too_many_requests_from_one_address_are_refused_with_a_wait() {
    let (function, known) = (track().await, starter_prompt());
    let body = json!({"events": [{"promptId": known, "event": "view"}]});
    let mut last = function.post("/api/analytics/track", &body).await;
    for _ in 0..120 {
        last = function.post("/api/analytics/track", &body).await;
    }
    check(&last, 429, None);
    let wait: u32 = last.header("retry-after").parse().unwrap();
    assert!((30..=60).contains(&wait), "what is left of the minute: {wait}");
}

#[tokio::test]
async fn a_missing_setting_ends_the_start_with_its_name() {
    let text = tests::host::refuses_to_start("prompts", &[("CONTENT_URL", "file:///tmp")]).await;
    assert!(text.contains("MONGODB_URI must be set"), "{text}");
    let text = tests::host::refuses_to_start("prompts", &[("MONGODB_URI", "postgres://user:secret@host")]).await;
    assert!(text.contains("MONGODB_URI must be") && !text.contains("secret"), "{text}");
    let text = tests::host::refuses_to_start("prompt-view", &[("CONTENT_URL", "http://x")]).await;
    assert!(text.contains("CONTENT_URL must be file:///"), "{text}");
}

/// What proxies, scripts and scanners write into a request's frame, which a route has no say in.
#[tokio::test]
async fn no_header_and_no_host_is_more_than_a_route_can_bear() {
    let public = starter_url();
    let function =
        Function::start("prompts", &[("CONTENT_URL", &public), ("MONGODB_URI", "mongodb://127.0.0.1:1")]).await;
    for (name, value) in [
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-proto", ";x"),
        ("x-forwarded-proto", ""),
        ("x-forwarded-proto", "é"),
        ("host", "no host"),
        ("host", "[::1"),
        ("host", "a:99999999"),
        ("host", ""),
        ("x-forwarded-host", "//"),
        ("x-note", "日本語"),
        ("x-note", "a\r\nb: c"),
        ("no name", "x"),
        ("", ""),
        ("cookie", "a=é; =; ;"),
        ("if-none-match", "\"\"\", W/, *é"),
        ("content-length", "-1"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("accept-encoding", ";q=9"),
    ] {
        let answer = function.send("GET", "/api/prompts?limit=1", &[(name, value)], None).await;
        assert_eq!(answer.status, 200, "{name}: {value:?}: {}", answer.text);
    }
    for (path, status) in [
        ("/api/prompts?limit=1#x", 422),
        ("/api/prompts?%", 200),
        ("/api/prompts?&&==&", 200),
        ("/api/prompts?search=%FF%00", 200),
    ] {
        assert_eq!(function.send("GET", path, &[], None).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_base64_is_refused_and_a_byte_order_mark_is_none_of_it() {
    let (function, known) = (track().await, starter_prompt());
    let event = |body: &str| {
        let mut event = tests::http_event::event(
            "POST",
            "/api/analytics/track",
            &[("content-type", "application/json")],
            Some(body),
            "192.0.2.9",
        );
        event["isBase64Encoded"] = true.into();
        event
    };
    for body in ["no base64!", "e30", "=", "e30=e30="] {
        let tests::host::Outcome::Response(answer) = function.invoke(event(body)).await else { panic!("{body}") };
        assert_eq!(answer["statusCode"], 400, "{body}: {answer}");
    }
    let body = format!("\u{feff}{}", json!({"events": [{"promptId": known, "event": "view"}]}));
    let answer =
        function.send("POST", "/api/analytics/track", &[("content-type", "application/json")], Some(&body)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

#[tokio::test]
async fn a_refusal_speaks_of_what_a_person_knows() {
    let (function, known) = (track().await, starter_prompt());
    for (event, field, message) in [
        (json!({"event": "view"}), "events[0].promptId", "is required"),
        (json!({"promptId": 7, "event": "view"}), "events[0].promptId", "must be text"),
        (json!({"promptId": known, "event": 7}), "events[0].event", "must be one of the known values"),
        (json!([]), "events[0]", "must be an object"),
        (json!("view"), "events[0]", "must be an object"),
    ] {
        let answer = function.post("/api/analytics/track", &json!({"events": [event]})).await;
        let error = &answer.body["errors"][0];
        assert_eq!(
            (answer.status, &error["field"], &error["message"]),
            (422, &json!(field), &json!(message)),
            "{}",
            answer.text
        );
    }
    for internal in ["u64", "i64", "u8", "struct", "enum", "sequence", "variant"] {
        let answer = function.post("/api/analytics/track", &json!({"events": internal})).await;
        assert!(!answer.text.replace(&format!("\"{internal}\""), "").contains(internal), "{}", answer.text);
    }
}
