//! The stack as deployed from the template: every route answers through API Gateway.

use serde_json::Value;
use tests::{stack::stack, template::functions};

/// What clients act upon.
const HEADERS: [&str; 10] = [
    "deprecation",
    "etag",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-content-source",
    "x-request-id",
];

#[tokio::test]
async fn every_route_of_the_template_answers_as_documented() {
    let stack = stack();
    let document: Value =
        reqwest::get(format!("{}/api/openapi.json", stack.api_url)).await.unwrap().json().await.unwrap();
    let mut documented: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            operations.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let mut deployed: Vec<String> = functions()
        .into_iter()
        .flat_map(|function| function.routes)
        // What is for people is in no document for programs.
        .filter(|route| !route.contains("/api/docs") && !route.contains(" /account/"))
        .collect();
    documented.sort();
    deployed.sort();
    assert_eq!(documented, deployed);

    let client = reqwest::Client::new();
    for route in &deployed {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &document["paths"][path][method.to_lowercase()];
        let path = path.replace("{id}", "persona").replace("{slug}", "none").replace("{keyId}", "none");
        let url = format!("{}{path}", stack.api_url);
        let answer = client.request(method.parse().unwrap(), &url).send().await.unwrap();
        let status = answer.status().as_u16();
        assert!(answer.headers().contains_key("x-request-id"), "{route} answered {status}, not by a function of ours");
        assert!(matches!(status, 200 | 202 | 401 | 404 | 415), "{route}: {status}");
        let mut described = &operation["responses"][status.to_string()];
        if let Some(name) = described["$ref"].as_str() {
            described = document.pointer(&name[1..]).unwrap();
        }
        for header in HEADERS.into_iter().filter(|header| answer.headers().contains_key(*header)) {
            assert!(described["headers"][header].is_object(), "{route}: {status} does not tell of {header}");
        }
        if method == "GET" {
            let head = client.head(&url).send().await.unwrap();
            assert!(head.headers().contains_key("x-request-id"), "HEAD {path} is answered by a function of ours");
            assert_eq!((head.status(), head.bytes().await.unwrap().len()), (answer.status(), 0), "HEAD {path}");
        }
    }
    let page = client.get(format!("{}/api/docs/", stack.api_url)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let refused = client.delete(format!("{}/api/health", stack.api_url)).send().await.unwrap();
    assert_eq!(refused.status(), 405);
}

#[tokio::test]
async fn content_is_served_from_the_published_bucket_and_by_search() {
    let stack = stack();
    let list = reqwest::get(format!("{}/api/prompts?limit=5", stack.api_url)).await.unwrap();
    assert_eq!(list.headers()["x-content-source"], "json");
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["prompts"].as_array().unwrap().len(), 5);
    assert!(list["prompts"][0].get("content").is_none());
    let slug = list["prompts"][0]["slug"].as_str().unwrap();
    let prompt: Value =
        reqwest::get(format!("{}/api/prompts/{slug}", stack.api_url)).await.unwrap().json().await.unwrap();
    assert!(prompt["content"].as_str().unwrap().len() >= 100);
    let patterns: Value =
        reqwest::get(format!("{}/api/patterns?limit=100", stack.api_url)).await.unwrap().json().await.unwrap();
    assert_eq!(patterns["total"], 18);
}

#[tokio::test]
async fn the_docs_page_works_without_the_internet() {
    let stack = stack();
    let page = reqwest::get(format!("{}/api/docs", stack.api_url)).await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("swagger-ui"), "{page}");
    assert!(!page.contains("https://"), "the page asks nobody else: {page}");
    let script = reqwest::get(format!("{}/api/docs/swagger-ui-bundle.js", stack.api_url)).await.unwrap();
    assert_eq!(script.status(), 200);
    assert!(script.bytes().await.unwrap().len() > 500_000);
    let page = reqwest::get(format!("{}/api/docs/index.html", stack.api_url)).await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
}

#[tokio::test]
async fn a_view_is_counted_by_the_roll_up_and_published() {
    let stack = stack();
    let database = stack.database().await;
    let page: Value = reqwest::get(format!("{}/api/prompts?limit=1&sort=popular", stack.api_url))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = page["prompts"][0]["id"].as_str().unwrap();
    let events = database.collection::<bson::Document>("analytics_events");
    let filter = bson::doc! {"promptId": id, "event": "view", "occurredAt": {"$gte": bson::DateTime::MIN}};
    let before = events.count_documents(filter.clone()).await.unwrap();
    let counted = reqwest::Client::new().post(format!("{}/api/prompts/{id}/view", stack.api_url)).send().await.unwrap();
    assert_eq!(counted.status(), 202);
    tests::eventually("the view is stored", 60, async || {
        (events.count_documents(filter.clone()).await.ok()? == before + 1).then_some(())
    })
    .await;
    let (status, summary) = stack.invoke("roll-up-analytics", &serde_json::json!({})).await;
    assert_eq!(status, 200, "{summary}");
    let prompt =
        database.collection::<bson::Document>("prompts").find_one(bson::doc! {"_id": id}).await.unwrap().unwrap();
    let views = prompt.get("views").and_then(|views| views.as_i64().or(views.as_i32().map(i64::from))).unwrap();
    assert!(views > i64::try_from(before).unwrap(), "{views}");
    let (status, summary) = stack.invoke("export-content", &serde_json::json!({})).await;
    assert_eq!((status, &summary["prompts"]["outcome"]), (200, &"published".into()), "{summary}");
}
