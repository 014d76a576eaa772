//! Affiliate links: kept by administrators, followed by everybody, counted from events.

use std::collections::BTreeSet;

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{eventually, test_env::TestEnv, wiretap::Wiretap};

const URL: &str = "/api/admin/affiliate-links";

pub(crate) fn link(tool: &str, status: &str) -> Value {
    json!({"type": "link", "data": {
        "tool": tool, "baseUrl": "https://tool.example/", "referralUrl": "https://tool.example/?ref=us", "status": status,
        "commission": "20 % <recurring>",
    }})
}

#[tokio::test]
async fn a_link_leads_where_it_was_set_to_and_nowhere_else() {
    let env = TestEnv::with_deployed_consumer().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let (admin, click) = (env.function("affiliate-links").await, env.function("affiliate-click").await);
    let tool = uuid::Uuid::now_v7().simple().to_string();
    let kept = admin.post_as(&root.token, URL, &link(&tool, "active")).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let id = kept.body["_id"].as_str().unwrap();
    for query in ["", "?url=https://evil.example", "?to=//evil.example&referralUrl=https%3A%2F%2Fevil.example"] {
        let followed = click.get(&format!("/api/affiliate/{id}{query}")).await;
        assert_eq!((followed.status, followed.header("location")), (302, "https://tool.example/?ref=us"), "{query}");
        assert_eq!(followed.header("cache-control"), "no-store");
    }
    for id in ["none", "https:%2F%2Fevil.example", "..", "%F0%9F%98%80", "%00"] {
        let none = click.get(&format!("/api/affiliate/{id}")).await;
        assert_eq!((none.status, none.header("location")), (404, ""), "{id}");
    }
    for (status, target) in
        [("pending", Some("https://tool.example/")), ("requested", Some("https://tool.example/")), ("disabled", None)]
    {
        let again = admin.post_as(&root.token, URL, &link(&tool, status)).await;
        assert_eq!(&again.body["_id"], id, "a tool has one link");
        // Another environment, which has not seen the link yet.
        let click = env.function("affiliate-click").await;
        let followed = click.get(&format!("/api/affiliate/{id}")).await;
        assert_eq!(followed.header("location"), target.unwrap_or_default(), "{status}");
        assert_eq!(followed.status, if target.is_some() { 302 } else { 404 });
    }
    let clicks = env.stack.database().await.collection::<Document>("affiliate_clicks");
    eventually("five clicks are stored", 60, async || {
        (clicks.count_documents(doc! {"linkId": id}).await.ok()? == 5).then_some(())
    })
    .await;
    let away = env.function_with("affiliate-click", &[("EVENTS_QUEUE_URL", "http://127.0.0.1:1/0/events")]).await;
    admin.post_as(&root.token, URL, &link(&tool, "active")).await;
    assert_eq!(
        away.get(&format!("/api/affiliate/{id}")).await.status,
        503,
        "a click that is not counted leads nowhere"
    );
}

#[tokio::test]
async fn only_public_https_addresses_are_taken() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let admin = env.function("affiliate-links").await;
    for (field, value) in [
        ("baseUrl", json!("http://tool.example/")),
        ("baseUrl", json!("javascript:alert(1)")),
        ("referralUrl", json!("https://user@evil.example/")),
        ("referralUrl", json!("//evil.example")),
        ("referralUrl", json!("https://127.0.0.1/")),
        // As typed it is short enough, but it is kept percent-encoded.
        ("referralUrl", json!(format!("https://tool.example/{}", "ü".repeat(400)))),
        ("status", json!("great")),
        ("tool", json!("")),
        ("clicksOfToday", json!(1_000_000)),
    ] {
        let mut bad = link("t", "active");
        bad["data"][field] = value.clone();
        let refused = admin.post_as(&root.token, URL, &bad).await;
        assert_eq!(refused.status, 422, "{field} {value}: {}", refused.text);
        assert!(refused.fields()[0].starts_with("data"), "{field}: {}", refused.text);
        assert!(refused.text.contains(field) || refused.text.contains("https://"), "{field}: {}", refused.text);
    }
    let talk = json!({"type": "outreach", "data": {"company": "c", "priority": "high", "contact": "nobody", "status": "pending"}});
    assert_eq!(admin.post_as(&root.token, URL, &talk).await.status, 422);
    assert_eq!(admin.post_as(&root.token, URL, &json!({"type": "else", "data": {}})).await.status, 422);
    for query in ["", "?type=link", "?type=else&id=x", "?id=x"] {
        assert_eq!(admin.delete_as(&root.token, &format!("{URL}{query}")).await.status, 422, "{query}");
    }
    assert_eq!(admin.delete_as(&root.token, &format!("{URL}?type=outreach&id=none")).await.status, 404);
}

#[tokio::test]
async fn a_tool_has_one_link_and_the_clicks_that_events_tell_of() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let functions = join_all((0..4).map(async |_| env.function("affiliate-links").await)).await;
    let kept = join_all((0..20).map(async |n: usize| {
        let answer = functions[n % 4].post_as(&root.token, URL, &link("tool", "active")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["_id"].as_str().unwrap().to_owned()
    }))
    .await;
    assert_eq!(kept.iter().collect::<BTreeSet<_>>().len(), 1, "however many save it at once");
    let talk = json!({"type": "outreach", "data": {"company": "C & co", "priority": "high", "contact": "a@c.example", "status": "contacted", "rating": 4.5}});
    let outreach = functions[0].post_as(&root.token, URL, &talk).await;
    assert_eq!(outreach.status, 200, "{}", outreach.text);

    let now = clock::now();
    let click = |hours: i64| {
        let at = now - SignedDuration::from_hours(hours);
        doc! {"_id": uuid::Uuid::now_v7().to_string(), "linkId": &kept[0], "occurredAt": at}
    };
    let clicks = [click(0), click(0), click(6 * 24), click(29 * 24), click(31 * 24)];
    env.database.collection("affiliate_clicks").insert_many(clicks).await.unwrap();
    let mut row = link("tool", "pending");
    // As it is read, and as nobody sets it.
    row["data"]["_id"] = json!("mine");
    row["data"]["clickCount"] = json!(1_000_000);
    assert_eq!(functions[0].post_as(&root.token, URL, &row).await.body["_id"], json!(kept[0]));
    let list = functions[0].get_as(&root.token, URL).await;
    assert_eq!(list.body["links"].as_array().map(Vec::len), Some(1), "{}", list.text);
    let counted = json!({"today": 2, "last7Days": 3, "last30Days": 4});
    assert_eq!(list.body["links"][0]["clicks"], counted, "saving a link resets nothing");
    assert_eq!(list.body["links"][0]["clickCount"], 5);
    assert!(list.body["links"][0]["lastClickAt"].is_string(), "{}", list.text);
    assert_eq!(list.body["links"][0]["commission"], "20 % <recurring>");
    assert_eq!(list.body["outreach"][0]["contact"], "a@c.example");
    let one = format!("{URL}?type=link&id={}", kept[0]);
    assert_eq!(functions[0].delete_as(&root.token, &format!("{URL}?type=outreach&id={}", kept[0])).await.status, 404);
    assert_eq!(functions[0].delete_as(&root.token, &one).await.status, 204);
    assert_eq!(functions[0].delete_as(&root.token, &one).await.status, 404);
    let removed = env.audit_log().await.pop().unwrap();
    assert_eq!(
        ["action", "actorId", "resource"].map(|field| removed.get_str(field).unwrap()),
        ["admin.affiliate.removed", &root.id, &format!("affiliate_link/{}", kept[0])]
    );
    assert_eq!(env.audited("admin.affiliate.removed").await, 1);
}

#[tokio::test]
async fn each_saving_is_in_the_audit_log_and_a_long_address_can_be_read_again() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let (admin, click) = (env.function("affiliate-links").await, env.function("affiliate-click").await);
    let mut longest = link(&uuid::Uuid::now_v7().simple().to_string(), "active");
    longest["data"]["referralUrl"] = json!(format!("https://tool.example/{}", "ü".repeat(329)));
    let kept = admin.post_as(&root.token, URL, &longest).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let id = kept.body["_id"].as_str().unwrap();
    let followed = click.get(&format!("/api/affiliate/{id}")).await;
    assert_eq!((followed.status, followed.header("location").len()), (302, 1995), "{}", followed.text);
    let audit_log = env.audit_log().await;
    let told = ["action", "actorId", "resource"].map(|field| audit_log[0].get_str(field).unwrap());
    assert_eq!(told, ["admin.affiliate.saved", &root.id, &format!("affiliate_link/{id}")]);
}

#[tokio::test]
async fn a_list_costs_the_same_however_many_links_there_are() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let tap = Wiretap::to(env.stack.mongodb_address()).await;
    let uri = tap.uri();
    let admin = env.function_with("affiliate-links", &[("MONGODB_URI", &uri)]).await;
    admin.get_as(&root.token, URL).await;
    tap.take();
    admin.get_as(&root.token, URL).await;
    let few = tap.take();
    let links =
        (0..50).map(|n| doc! {"_id": format!("l{n}"), "tool": format!("t{n}"), "baseUrl": "https://t.example/"});
    env.database.collection::<Document>("affiliate_links").insert_many(links).await.unwrap();
    let list = admin.get_as(&root.token, URL).await;
    assert_eq!(list.body["links"].as_array().map(Vec::len), Some(50), "{}", list.text);
    let many = tap.take();
    assert_eq!((&many, many.values().sum::<u64>()), (&few, 3), "the links, the talks, the clicks");
}
