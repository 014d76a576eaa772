//! A key's use, from the API by way of the queue to the count that its owner reads.

use serde_json::{Value, json};
use tests::{callers::sign_up, eventually, stack::stack, test_env::PASSWORD};

#[tokio::test]
async fn a_keys_use_is_counted_through_the_queue() {
    let stack = stack();
    let client = reqwest::Client::new();
    let ada = sign_up(&stack).await;
    let post = async |path: &str, token: &str, body: &Value| -> Value {
        let request = client.post(format!("{}{path}", stack.api_url)).bearer_auth(token).json(body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let login = json!({"email": ada["email"], "password": PASSWORD});
    let token = post("/api/auth/login", "", &login).await["accessToken"].as_str().unwrap().to_owned();
    let made =
        post("/api/api-keys", &token, &json!({"name": "ci", "scopes": ["usage:read"], "expiresInDays": 30})).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let usage = async |bearer: &str| -> Value {
        let request = client.get(format!("{}/api/api-keys/usage", stack.api_url)).bearer_auth(bearer);
        request.send().await.unwrap().json().await.unwrap()
    };
    for _ in 0..3 {
        assert!(usage(&key).await["usage"].is_array());
    }
    let counted = eventually("three calls are counted", 90, async || {
        let usage = usage(&token).await;
        (usage["usage"][0]["calls"] == 3).then_some(usage)
    })
    .await;
    assert_eq!((&counted["usage"][0]["keyId"], &counted["usage"][0]["failed"]), (&made["id"], &json!(0)));
}
