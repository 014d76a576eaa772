//! A proxy that proves itself is believed about its callers' addresses; nobody else is.

use serde_json::json;
use tests::{
    host::{Function, Outcome, keep_secret},
    http_event::event,
    test_env::{PASSWORD, TestEnv},
};

const SECRET: &str = "the-proxy-secret-of-the-tests-0123456789";
/// New passwords that one network may try to set in an hour.
const LIMIT: usize = 10;

/// The statuses of as many requests and one more from this address, with these headers of each.
async fn statuses(route: &Function, from: &str, headers: impl Fn() -> Vec<(&'static str, String)>) -> Vec<u64> {
    let mut statuses = Vec::new();
    for _ in 0..=LIMIT {
        let body = json!({"token": "made-up", "password": PASSWORD}).to_string();
        let own = headers();
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
        let event = event("POST", "/api/auth/reset-password", &headers, Some(&body), from);
        let Outcome::Response(answer) = route.invoke(event).await else { panic!("no answer") };
        statuses.push(answer["statusCode"].as_u64().unwrap());
    }
    statuses
}

/// What a proxy sends.
fn forwarded(secret: &str, list: &str) -> Vec<(&'static str, String)> {
    vec![("x-proxy-secret", secret.to_owned()), ("x-forwarded-for", list.to_owned())]
}

fn limited_once() -> Vec<u64> {
    [[422; LIMIT].as_slice(), &[429]].concat()
}

/// An address that no other test has: one of a network of documentation, and of this run.
fn network() -> String {
    format!("2001:db8:{:x}:{:x}", std::process::id() & 0xffff, fastrand::u16(..))
}

#[tokio::test]
async fn two_clients_behind_one_proxy_are_limited_apart() {
    let env = TestEnv::new().await;
    keep_secret(SECRET);
    let route = env.function_with("auth-password", &[("PROXY_SECRET", SECRET)]).await;
    let (proxy, ada, eve) = (format!("{}::1", network()), network(), network());
    for client in [&ada, &eve] {
        let list = format!("192.0.2.1, [{client}::7]:443, 10.0.0.1, {proxy}");
        assert_eq!(statuses(&route, &proxy, || forwarded(SECRET, &list)).await, limited_once(), "{client}");
    }
    // What the client itself has written into the list changes nothing, nor does another address of its network.
    let list = format!("198.51.100.200, {ada}:ffff::9");
    assert_eq!(statuses(&route, &proxy, || forwarded(SECRET, &list)).await, [429; LIMIT + 1]);
    // The proxy itself has asked for nothing.
    assert_eq!(statuses(&route, &proxy, Vec::new).await, limited_once());
}

#[tokio::test]
async fn whoever_has_no_secret_or_another_one_is_who_connected() {
    let env = TestEnv::new().await;
    let known = env.function_with("auth-password", &[("PROXY_SECRET", SECRET)]).await;
    let none = env.function("auth-password").await;
    let wrong = "the-wrong-secret-of-the-tests-0123456789";
    for (route, secret) in
        [(&known, None), (&known, Some(wrong)), (&known, Some("")), (&none, Some(SECRET)), (&none, Some(""))]
    {
        let client = format!("{}::1", network());
        let claimed = || {
            let list = ("x-forwarded-for", format!("{}::1", network()));
            let secret = secret.map(|secret| ("x-proxy-secret", secret.to_owned()));
            [list, ("forwarded", "for=192.0.2.9".into())].into_iter().chain(secret).collect()
        };
        assert_eq!(statuses(route, &client, claimed).await, limited_once(), "{secret:?}");
    }
}

#[tokio::test]
async fn the_audit_log_has_the_clients_address_and_no_log_line_the_secret() {
    let env = TestEnv::new().await;
    keep_secret(SECRET);
    let newcomer = env.newcomer().await;
    let route = env.function_with("auth-login", &[("PROXY_SECRET", SECRET)]).await;
    let client = format!("{}::7", network());
    let headers =
        [("content-type", "application/json"), ("x-proxy-secret", SECRET), ("x-forwarded-for", client.as_str())];
    let body = json!({"email": newcomer["email"], "password": "Wrong4321"}).to_string();
    let answer = route.send("POST", "/api/auth/login", &headers, Some(&body)).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    let entries = env.audit_log().await;
    assert!(entries.iter().any(|entry| entry.get_str("ip").is_ok_and(|ip| ip == client)), "{client} in {entries:?}");
    tests::host::holds_no_secret(&route.logs().join("\n"));
}
