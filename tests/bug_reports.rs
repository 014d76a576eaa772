//! Bug reports: their reporters' own, and triaged by who runs the organisation.

use std::collections::BTreeSet;

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{bug_reports::LIMIT, clock, roles::Role};
use tests::test_env::TestEnv;

use crate::bad_input::odd_ids;

const URL: &str = "/api/bug-reports";

fn report() -> Value {
    json!({
        "intent": "Copy a prompt", "description": "Nothing happens when <b>Copy</b> is pressed & held.\n(.*)",
        "pageUrl": "https://ada:pw@app.example.com/prompts?page=2&token=abc#access_token=xyz",
        "selector": "#copy > button", "elementText": "Copy", "elementSize": {"width": 80, "height": 24.5},
        "userAgent": "Mozilla/5.0",
    })
}

#[tokio::test]
async fn a_report_is_kept_as_written_but_for_the_secrets_in_its_address() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::Free, None).await, env.person(Role::User, None).await);
    let reports = env.function("bug-reports").await;
    let kept = reports.post_as(&ada.token, URL, &report()).await;
    assert_eq!((kept.status, &kept.body["status"]), (201, &json!("new")), "{}", kept.text);
    assert_eq!(kept.body["description"], report()["description"]);
    assert_eq!(kept.body["pageUrl"], "https://app.example.com/prompts?page=2");
    assert_eq!(kept.body["elementSize"], json!({"width": 80.0, "height": 24.5}));
    let list = reports.get_as(&ada.token, URL).await;
    let mut told = kept.body.clone();
    assert_eq!(told.as_object_mut().unwrap().shift_remove("success"), Some(json!(true)));
    assert_eq!(list.body["reports"], json!([told]));
    assert_eq!(reports.get_as(&eve.token, URL).await.body["reports"], json!([]), "everybody reads their own");
    assert_eq!(reports.get_as(&eve.token, &format!("{URL}?all=true")).await.status, 403);
    assert_eq!(reports.get_as(&ada.token, &format!("{URL}?limit=NaN")).await.fields(), ["limit"]);

    for (field, value) in [
        ("description", json!("too short")),
        ("description", json!("x".repeat(5001))),
        ("intent", json!("")),
        ("pageUrl", json!("javascript:alert(document.cookie)")),
        ("pageUrl", json!("not an address")),
        ("elementSize", json!({"width": -1, "height": 1})),
        ("userId", json!("eve")),
        ("status", json!("resolved")),
        ("history", json!([])),
    ] {
        let mut bad = report();
        bad[field] = value.clone();
        let refused = reports.post_as(&ada.token, URL, &bad).await;
        assert_eq!(refused.status, 422, "{field} {value}: {}", refused.text);
        assert!(refused.fields()[0].starts_with(field), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_report_is_triaged_step_by_step_within_its_organisation() {
    let env = TestEnv::new().await;
    let member = env.person(Role::OrgMember, Some("ours")).await;
    let (boss, other, root) = (
        env.person(Role::OrgAdmin, Some("ours")).await,
        env.person(Role::OrgAdmin, Some("theirs")).await,
        env.person(Role::SuperAdmin, None).await,
    );
    let (reports, second) = (env.function("bug-reports").await, env.function("bug-reports").await);
    let kept = reports.post_as(&member.token, URL, &report()).await;
    let path = format!("{URL}/{}", kept.body["id"].as_str().unwrap());
    let step = async |token: &str, body: Value| reports.patch_as(token, &path, "", &body).await;
    let to = |status: &str| json!({"status": status, "note": "a note"});
    assert_eq!(step(&member.token, to("triaged")).await.status, 403);
    assert_eq!(step(&other.token, to("triaged")).await.status, 404, "another organisation's");
    assert_eq!(step(&boss.token, to("resolved")).await.status, 409, "nobody looked at it yet");
    assert_eq!(step(&boss.token, to("new")).await.fields(), ["status"]);
    assert_eq!(step(&boss.token, to("closed")).await.fields(), ["status"]);
    assert_eq!(step(&boss.token, to("triaged")).await.status, 200);
    assert_eq!(step(&boss.token, to("triaged")).await.status, 409);

    // Two who close it at once, in two ways: one does.
    let (resolved, rejected) = (to("resolved"), to("rejected"));
    let (a, b) = tokio::join!(
        reports.patch_as(&boss.token, &path, "", &resolved),
        second.patch_as(&root.token, &path, "", &rejected)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", a.text, b.text);
    let seen = reports.get_as(&member.token, URL).await;
    let history = seen.body["reports"][0]["history"].as_array().unwrap();
    let steps: Vec<_> = history.iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!((steps.len(), &steps[..2]), (3, &["new", "triaged"][..]), "{}", seen.text);
    assert_eq!((&history[1]["by"], &history[1]["note"]), (&json!(boss.id), &json!("a note")));
    for (person, count) in [(&boss, 1), (&other, 0), (&root, 1)] {
        let all = reports.get_as(&person.token, &format!("{URL}?all=true")).await;
        assert_eq!(all.body["reports"].as_array().map(Vec::len), Some(count), "{}", all.text);
    }
    assert_eq!(env.audited("admin.bug_report.triaged").await, 2);
}

#[tokio::test]
async fn the_same_words_on_the_same_page_are_one_report_for_a_day() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    let functions = join_all((0..3).map(async |_| env.function("bug-reports").await)).await;
    let sent = join_all((0..9).map(async |n: usize| functions[n % 3].post_as(&ada.token, URL, &report()).await)).await;
    let ids: BTreeSet<&str> = sent.iter().map(|answer| answer.body["id"].as_str().unwrap()).collect();
    let made = sent.iter().filter(|answer| answer.status == 201).count();
    let known = sent.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((ids.len(), made, known), (1, 1, 8), "however often at once");
    let send = async |token: &str, field: &str, value: Value| {
        let mut other = report();
        other[field] = value;
        functions[0].post_as(token, URL, &other).await.status
    };
    assert_eq!(send(&ada.token, "intent", json!("Paste a prompt")).await, 200, "the same words and the same page");
    let secret = json!("https://app.example.com/prompts?page=2&token=another");
    assert_eq!(send(&ada.token, "pageUrl", secret).await, 200, "as far as it is kept");
    assert_eq!(send(&ada.token, "pageUrl", json!("https://app.example.com/prompts?page=3")).await, 201);
    assert_eq!(send(&ada.token, "description", json!("Nothing happens at all.")).await, 201);
    assert_eq!(send(&eve.token, "userAgent", Value::Null).await, 201, "somebody else's");

    let reports = env.database.collection::<Document>("bug_reports");
    let day_ago = clock::now() - SignedDuration::from_hours(24);
    let first = sent[0].body["id"].as_str().unwrap();
    reports.update_one(doc! {"_id": first}, doc! {"$set": {"createdAt": day_ago}}).await.unwrap();
    let later = functions[0].post_as(&ada.token, URL, &report()).await;
    assert_eq!(later.status, 201, "a day later it still happens: {}", later.text);
}

#[tokio::test]
async fn an_account_has_100_reports_open() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let function = env.function("bug-reports").await;
    let reports = env.database.collection::<Document>("bug_reports");
    let status = |n: u64| if n.is_multiple_of(2) { "new" } else { "triaged" };
    let open = (0..LIMIT).map(|n| doc! {"_id": format!("r{n}"), "userId": &ada.id, "status": status(n)});
    reports.insert_many(open).await.unwrap();
    let refused = function.post_as(&ada.token, URL, &report()).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("too_many_reports")), "{}", refused.text);
    reports.update_one(doc! {"_id": "r0"}, doc! {"$set": {"status": "resolved"}}).await.unwrap();
    assert_eq!(function.post_as(&ada.token, URL, &report()).await.status, 201, "what is closed is not open");
}

#[tokio::test]
async fn an_odd_id_is_no_report() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let reports = env.function("bug-reports").await;
    for id in odd_ids() {
        let answer = reports.patch_as(&root.token, &format!("{URL}/{id}"), "", &json!({"status": "triaged"})).await;
        assert_eq!(answer.status, 404, "{id}: {}", answer.text);
    }
    let answer = reports.patch_as(&root.token, &format!("{URL}/%ff"), "", &json!({"status": "triaged"})).await;
    assert_eq!(answer.status, 400, "that is not text");
}
