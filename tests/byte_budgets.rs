//! The budgets of stored bytes: what they add up to, what is published of them, how they are counted anew, and what
//! failures and sign-ins take.

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::{
    auth::SOURCES_REMEMBERED,
    clock,
    ledger::{
        ACCOUNT_DAY, ACCOUNT_TOTAL, ACCOUNTS_DAY, ANONYMOUS_DAY, ANONYMOUS_REPORTS_DAY, AT_ACCOUNT_DAY,
        ENVIRONMENT_HOUR, FAILURES_DAY, NETWORK_DAY, NEW_ACCOUNT_DAY, NEW_ACCOUNTS_DAY, PAUSE_ABOVE_PERCENT,
        PENDING_SIGN_UPS_DAY, SIGN_INS_DAY, SIGN_UPS_DAY, WIDE_NETWORK_ATTEMPTS_DAY, WIDE_NETWORK_DAY,
    },
    mongo::{Lifetime, Mongo},
    roles::Role,
    schema,
};
use tests::{
    content::starter_prompt,
    host::{Function, Outcome, may_be_told_again},
    root,
    template::functions,
    test_env::{PASSWORD, TestEnv, tokens_told},
    usage_records::{all, run},
};

/// Functions that take events of callers who are not signed in.
const INTAKES: [&str; 3] = ["analytics-track", "prompt-view", "affiliate-click"];
/// A deploy replaces environments while the old ones still live.
const DEPLOY: u64 = 2;
/// Until what was taken is stored, published and read (half a minute in the queue, a minute to publish, a minute to read,
/// and as much again for slow ones), an hour may begin anew.
const HOURS_UNSEEN: u64 = 2;
/// What a flood may cost in a day.
const MOST_A_DAY: u64 = 40_000_000;

fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes} MB")
}

/// What anonymous callers store in a day at most without a cache server, of any number of networks: the day's budget,
/// and what every environment takes before it sees that it is used up.
fn worst_without_cache(tier: &str) -> u64 {
    let functions = functions();
    let caps = INTAKES.map(|name| {
        let function = functions.iter().find(|function| function.binary == name).unwrap();
        function.cap[tier].unwrap_or_else(|| panic!("{name} has no cap: nothing bounds its environments"))
    });
    ANONYMOUS_DAY + DEPLOY * HOURS_UNSEEN * ENVIRONMENT_HOUR * caps.iter().sum::<u64>()
}

/// As `functions/README.md` has it.
fn table() -> String {
    let row = |who: &str, day: u64, all: &str| format!("| {who} | {} | {all} |\n", megabytes(day));
    [
        "| who | a UTC day | in all |\n|---|---|---|\n".to_owned(),
        row("an account", ACCOUNT_DAY, &megabytes(ACCOUNT_TOTAL)),
        row("an account in its first week", NEW_ACCOUNT_DAY, &megabytes(ACCOUNT_TOTAL)),
        row("an account's sessions, and the entries about them", SIGN_INS_DAY, ""),
        row("entries about attempts at an account", AT_ACCOUNT_DAY, ""),
        row("a network without an account: an IPv4 address, an IPv6 /64", NETWORK_DAY, ""),
        row("an IPv6 /48 without an account, in events", WIDE_NETWORK_DAY, ""),
        row("the same in sign-ups, failures and bug reports", WIDE_NETWORK_ATTEMPTS_DAY, ""),
        row("events of all callers without an account, with a cache server", ANONYMOUS_DAY, ""),
        row("the same without a cache server, at worst", worst_without_cache("M0"), ""),
        row("entries about all failures at accounts", FAILURES_DAY, ""),
        row("all sign-ups whose link is not followed yet", PENDING_SIGN_UPS_DAY, ""),
        row("all bug reports without an account", ANONYMOUS_REPORTS_DAY, ""),
        row("all accounts that are made", SIGN_UPS_DAY, ""),
        row("all accounts in their first week", NEW_ACCOUNTS_DAY, ""),
        row("all accounts", ACCOUNTS_DAY, ""),
    ]
    .concat()
}

#[test]
fn the_table_says_what_the_budgets_and_caps_come_to() {
    let text = std::fs::read_to_string(root().join("functions/README.md")).unwrap();
    assert!(text.contains(&table()), "functions/README.md lacks:\n{}", table());
}

#[test]
fn a_flood_from_any_number_of_networks_costs_less_than_40_mb_a_day() {
    let events = worst_without_cache("M0");
    let worst = events + FAILURES_DAY + PENDING_SIGN_UPS_DAY + ANONYMOUS_REPORTS_DAY;
    println!("anonymous events, a day at worst: {ANONYMOUS_DAY} bytes with a cache server, {events} without");
    println!("with failures and sign-ups that nobody completes: {worst}");
    assert!(ANONYMOUS_DAY < events && worst < MOST_A_DAY, "{worst}");
}

/// Without a cache server failed sign-ins are counted in the store: a number of documents for each account that is tried,
/// whoever tries it and from however many networks.
#[test]
fn failures_at_one_account_fill_less_than_half_a_megabyte() {
    let counter = doc! {"_id": "x".repeat(32), "used": 1_i64, "expiresAt": bson::DateTime::now()};
    // Of each source, of its /48, and the wait of one of them.
    let worst = 3 * SOURCES_REMEMBERED * schema::weight("counters", &counter);
    println!("counters of failures at one account, at worst: {worst} bytes");
    assert!(worst < 500_000, "{worst}");
}

/// A folder of published content, with the prompts that events may name.
struct Published(tempfile::TempDir);

impl Published {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(root().join("public-data/prompts.json"), folder.path().join("prompts.json")).unwrap();
        Self(folder)
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.path().display())
    }
}

#[tokio::test]
async fn what_the_monitor_publishes_pauses_anonymous_events_and_nothing_else() {
    let (env, published) = (TestEnv::new().await, Published::new());
    let url = published.url();
    let publish = async |storage_mb: &str| {
        let variables = [("CONTENT_URL", url.as_str()), ("MONGO_STORAGE_LIMIT_MB", storage_mb)];
        let job = env.function_with("monitor-connections", &variables).await;
        let Outcome::Response(seen) = job.invoke(json!({})).await else { panic!("{:?}", job.logs()) };
        seen["storagePercent"].as_f64().unwrap()
    };
    let prompt = starter_prompt();
    let link = doc! {"_id": "l", "tool": "t", "baseUrl": "https://tool.example/", "status": "pending"};
    env.database.collection("affiliate_links").insert_one(link).await.unwrap();
    // Each in an environment that has read nothing yet.
    let answers = async || {
        let started = async |name: &str| env.function_with(name, &[("CONTENT_URL", &url)]).await;
        let event = json!({"events": [{"promptId": prompt, "event": "copy"}]});
        let track = started("analytics-track").await.post("/api/analytics/track", &event).await;
        let view = started("prompt-view").await.send("POST", &format!("/api/prompts/{prompt}/view"), &[], None).await;
        let follow = started("affiliate-click").await.get("/api/affiliate/l").await;
        if track.status != 202 {
            assert!(track.header("retry-after").parse::<u64>().unwrap() > 0, "{}", track.text);
        }
        [track.status, view.status, follow.status]
    };
    assert_eq!(answers().await, [202, 202, 302], "nothing is published yet");
    assert!(publish("512").await < 1.0);
    assert_eq!(answers().await, [202, 202, 302]);

    let day = format!("{}/anonymous", clock::day(clock::now()));
    env.set_budget(&day, ANONYMOUS_DAY.cast_signed()).await;
    publish("512").await;
    assert_eq!(answers().await, [429, 429, 302], "links are followed, and the clicks not counted");

    env.set_budget(&day, 0).await;
    // Of a tier of one megabyte more is used than there is room for.
    let fill = (0..9).map(|n| doc! {"_id": n, "x": "x".repeat(100_000)});
    env.database.collection::<Document>("learning_resources").insert_many(fill).await.unwrap();
    assert!(publish("1").await > PAUSE_ABOVE_PERCENT);
    assert_eq!(answers().await, [503, 503, 302]);
    let ada = env.newcomer().await;
    env.sign_in(&ada).await;
}

#[tokio::test]
async fn totals_are_counted_anew_once_a_day_from_what_is_stored() {
    let env = TestEnv::new().await;
    let (ada, eve) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
    let create = env.function("prompt-create").await;
    let collections = env.function("prompt-collections").await;
    let draft = json!({"title": "One that is kept", "content": "x".repeat(5_000)});
    let made = create.post_as(&ada.token, "/api/prompts", &draft).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let mut kept = Vec::new();
    for n in 0..3 {
        let copy = json!({
            "promptId": "p", "originalPromptId": made.body["id"], "title": n.to_string(), "content": "x".repeat(10_000),
        });
        kept.push(collections.post_as(&ada.token, "/api/prompts/collections", &copy).await.body["id"].clone());
    }
    let (total, sweep) = (format!("total/{}", ada.id), env.function("sweep").await);
    let before = env.budget(&total).await;
    assert!(before > 30_000, "{before}");
    env.set_budget(&format!("total/{}", eve.id), ACCOUNT_TOTAL.cast_signed()).await;
    for id in &kept[1..] {
        let path = format!("/api/prompts/collections/{}", id.as_str().unwrap());
        assert_eq!(collections.delete_as(&ada.token, &path).await.status, 204);
    }

    let summary = run(&sweep, "2028-02-28T00:03:00Z").await;
    assert_eq!(summary["recounted"]["accounts"], 1, "{summary}");
    // By the rule that is asked before each insert, from the documents themselves.
    let mut weights = 0;
    for collection in ["prompts", "prompt_revisions", "prompt_collections"] {
        weights +=
            all(&env.database, collection).await.iter().map(|stored| schema::weight(collection, stored)).sum::<u64>();
    }
    assert_eq!(env.budget(&total).await, weights.cast_signed());
    assert_eq!(summary["recounted"]["bytes"], weights);
    assert_eq!(env.budget(&format!("total/{}", eve.id)).await, 0, "nothing of theirs is left");

    env.set_budget(&total, 7).await;
    assert_eq!(run(&sweep, "2028-02-28T23:48:00Z").await["recounted"], Value::Null);
    assert_eq!(env.budget(&total).await, 7, "once a day");
    run(&sweep, "2028-02-29T00:03:00Z").await;
    assert_eq!(env.budget(&total).await, weights.cast_signed(), "and on the next");
}

#[tokio::test]
async fn the_weight_of_a_document_is_the_same_in_an_aggregation() {
    let env = TestEnv::new().await;
    let mongo = Mongo::new(env.stack.settings(&env.database), Lifetime::FromFirstUse);
    schema::apply(&mongo).await.unwrap();
    let odd = |n: i32| doc! {"_id": format!("{n}"), "userId": "ü".repeat(20), "n": n, "nested": {"a": [1, "x", null]}};
    for collection in schema::COLLECTIONS.iter().filter(|collection| collection.indexes.len() < 3) {
        let documents = env.database.collection::<Document>(collection.name);
        let mut document = odd(7);
        for index in collection.indexes {
            for (field, _) in index.keys {
                document.insert(*field, if *field == "_id" { "7" } else { "some text" });
            }
        }
        // A validator may ask for other types; what this is about does not depend on them.
        if documents.insert_one(&document).await.is_err() {
            continue;
        }
        // The database's own mark is there already.
        let only = doc! {"$match": {"_id": document.get("_id")}};
        let sum = doc! {"$group": {"_id": null, "bytes": {"$sum": schema::weight_expression(collection.name)}}};
        let mut rows = documents.aggregate([only, sum]).await.unwrap();
        assert!(rows.advance().await.unwrap());
        let counted = Document::try_from(rows.current()).unwrap();
        let counted = counted.get_i64("bytes").or_else(|_| counted.get_i32("bytes").map(i64::from)).unwrap();
        assert_eq!(counted.unsigned_abs(), schema::weight(collection.name, &document), "{}", collection.name);
    }
}

/// What nobody does to nobody is counted, and leaves no document each time.
#[tokio::test]
async fn failures_of_nobody_are_a_number_a_day() {
    let env = TestEnv::new().await;
    let (session, login) = (env.function("auth-session").await, env.function("auth-login").await);
    for n in 0..30 {
        let bogus = json!({"refreshToken": format!("rt_{n:0>43}")});
        assert_eq!(session.post("/api/auth/refresh", &bogus).await.status, 401);
    }
    for _ in 0..4 {
        let nobody = json!({"email": format!("{}@example.com", uuid::Uuid::now_v7().simple()), "password": PASSWORD});
        assert_eq!(login.post("/api/auth/login", &nobody).await.status, 401);
    }
    assert_eq!(env.audit_log().await, Vec::<Document>::new());
    let day = clock::day(clock::now());
    let counted: Vec<_> = all(&env.database, "refusals")
        .await
        .iter()
        .map(|refusal| (refusal.get_str("_id").unwrap().to_owned(), refusal.get_i64("count").unwrap()))
        .collect();
    let expected = [("auth.login.failed", 4), ("auth.refresh.refused", 30)];
    assert_eq!(counted, expected.map(|(name, count)| (format!("{day}/{name}"), count)));
}

/// Wrong guesses at an account leave entries while their network has room for them.
#[tokio::test]
async fn failures_at_an_account_fill_no_more_than_their_networks_budget() {
    let env = TestEnv::new().await;
    let (ada, login) = (env.newcomer().await, env.function("auth-login").await);
    let wrong = json!({"email": ada["email"], "password": "Wrong1234"});
    assert_eq!(login.post("/api/auth/login", &wrong).await.status, 401);
    assert_eq!(env.audited("auth.login.failed").await, 1);
    env.use_up("failures", 0).await;
    assert_eq!(login.post("/api/auth/login", &wrong).await.status, 401);
    assert_eq!(env.audited("auth.login.failed").await, 1, "counted, and no more");
    let counted = all(&env.database, "refusals").await;
    assert!(counted.iter().any(|one| one.get_str("_id").unwrap().ends_with("/auth.login.failed")), "{counted:?}");
    env.sign_in(&ada).await;
}

#[tokio::test]
async fn sessions_have_a_budget_of_their_own() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let (login, session) = (env.function("auth-login").await, env.function("auth-session").await);
    let id = env.users().find_one(doc! {"email": ada["email"].as_str()}).await.unwrap().unwrap();
    let id = id.get_str("_id").unwrap().to_owned();
    env.use_up(&format!("account/{id}"), 0).await;
    let tokens = env.sign_in(&ada).await;
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    let budget = format!("{}/sign-ins/{id}", clock::day(clock::now()));
    let taken = env.budget(&budget).await;
    assert!((1..50_000).contains(&taken), "a slice or two: {taken}");

    // However much the sessions of others fill.
    env.use_up("all-sign-ins", 0).await;
    env.sign_in(&ada).await;
    env.set_budget(&budget, SIGN_INS_DAY.cast_signed()).await;
    env.forget(&id).await;
    let body = json!({"email": ada["email"], "password": ada["password"]});
    let refused = login.post("/api/auth/login", &body).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")), "{}", refused.text);
    let refused = session.post("/api/auth/refresh", &refresh).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")), "{}", refused.text);
    env.set_budget(&budget, 0).await;
    let refreshed = session.post("/api/auth/refresh", &refresh).await;
    assert_eq!(refreshed.status, 200, "the token is as good as before: {}", refreshed.text);
    may_be_told_again(refreshed.body["refreshToken"].as_str().unwrap());
    tokens_told(&refreshed.body);
}

/// Tokens that nobody was mailed.
#[tokio::test]
async fn a_link_that_does_not_count_takes_nothing_of_anybodys_budget() {
    let env = TestEnv::new().await;
    let sign_up = env.function("auth-signup").await;
    for _ in 0..3 {
        let bogus = json!({"token": "x".repeat(43), "password": PASSWORD});
        let refused = sign_up.post("/api/auth/signup/complete", &bogus).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["token"]), "{}", refused.text);
    }
    assert_eq!(all(&env.database, "ledger").await, Vec::<Document>::new());
}

#[tokio::test]
async fn a_network_signs_up_no_more_accounts_than_its_bytes_allow() {
    let env = TestEnv::new().await;
    let sign_up: Function = env.function("auth-signup").await;
    let new = tests::test_env::newcomer();
    let ask = async || sign_up.post("/api/auth/signup", &new).await;
    env.use_up("pending-sign-ups", 0).await;
    let refused = ask().await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")), "{}", refused.text);
    env.set_budget(&format!("{}/pending-sign-ups", clock::day(clock::now())), 0).await;
    // What strangers have stored today is no reason to keep anybody out, nor is what others stored in new accounts.
    for others in ["anonymous", "failures", "new-accounts"] {
        env.use_up(others, 0).await;
    }
    assert_eq!(ask().await.status, 202);
    let token = env.link_token(&new, "Complete your sign-up").await;
    let complete = async || {
        let body = json!({"token": token, "password": PASSWORD});
        sign_up.post("/api/auth/signup/complete", &body).await
    };
    env.use_up("sign-ups", 0).await;
    let refused = complete().await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("limit_reached")), "{}", refused.text);
    assert_eq!(all(&env.database, "users").await.len(), 0);
    env.set_budget(&format!("{}/sign-ups", clock::day(clock::now())), 0).await;
    let made = complete().await;
    assert_eq!(made.status, 201, "the link is as good as before: {}", made.text);
    let user = &all(&env.database, "users").await[0];
    assert!(schema::weight("users", user) < shared::ledger::SIGN_UP_BYTES);
}
