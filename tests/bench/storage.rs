//! What events weigh in the store, with their indexes, and how long M0's 512 MB last: data and indexes as the server
//! counts them, before compression, as Atlas counts them on M0.

use bson::{Bson, Document, doc};
use jiff::SignedDuration;
use mongodb::Database;
use serde_json::{Value, json};
use shared::{
    audit::Action,
    clock, events,
    roles::Role,
    schema::{COLLECTIONS, Rule},
};
use tests::{
    content::audit_sized_prompts,
    requests::people,
    test_env::{Person, TestEnv},
};
use uuid::Uuid;

const M0_MB: f64 = 512.0;
/// Of each kind of event.
const EVENTS: usize = 10_000;
/// Records that one message brings.
const BATCH: usize = 500;
/// Of revisions and of runs, which functions make one after another.
const MADE: usize = 200;
/// After so many, the limits of their account begin anew.
const AT_ONCE: usize = 25;

/// Something that is kept, and how often it comes on a day of 1,000 people: each looks at 20 prompts, uses a model 5
/// times by a key of theirs, and does 2 things worth an entry in the audit log; some do more.
struct Kept {
    what: &'static str,
    collection: &'static str,
    a_day: f64,
}

const fn kept(what: &'static str, collection: &'static str, a_day: f64) -> Kept {
    Kept { what, collection, a_day }
}

const KEPT: [Kept; 7] = [
    kept("analytics event", "analytics_events", 20_000.0),
    kept("use of a model", "ai_usage", 5_000.0),
    kept("use of a key", "api_key_usage", 5_000.0),
    kept("audit entry", "audit_logs", 2_000.0),
    kept("affiliate click", "affiliate_clicks", 500.0),
    kept("workbench run", "workbench_runs", 500.0),
    kept("revision of a prompt", "prompt_revisions", 100.0),
];

pub(crate) async fn print() {
    let env = TestEnv::new().await;
    let database = &env.database;
    for kind in ["analytics", "ai_usage", "api_key_usage", "audit", "affiliate_click"] {
        write(database, kind).await;
    }
    let ada = people(&env, 1, Role::SuperAdmin).await.remove(0);
    make_revisions(&env, &ada).await;
    make_runs(&env, &ada).await;

    println!(
        "\na day of 1,000 people, and what is kept of it; measured from {EVENTS} documents of each kind of event, \
         {MADE} runs and revisions\n\n\
         | what | a day | kept, days | bytes each | of them indexes | MB a day | MB at most |\n|---|---|---|---|---|---|---|"
    );
    let (mut rows, mut days_sum, mut most_sum) = (Vec::new(), 0.0, 0.0);
    for Kept { what, collection, a_day } in KEPT {
        let (bytes, of_indexes) = weight(database, collection).await;
        let (mb, days) = (a_day * bytes / 1e6, days_kept(collection));
        let most = days.map(|days| mb * f64::from(days));
        println!(
            "| {what} | {a_day} | {} | {bytes:.0} | {of_indexes:.0} | {mb:.2} | {} |",
            days.map_or("always".into(), |days| days.to_string()),
            most.map_or("–".into(), |most| format!("{most:.0}")),
        );
        (days_sum, most_sum) = (days_sum + mb, most_sum + most.unwrap_or_default());
        rows.push((mb, days));
    }
    println!("| all | | | | | {days_sum:.2} | {most_sum:.0} |");
    let full = (1..=36_500).find(|day| {
        rows.iter().map(|(mb, days)| mb * f64::from(days.map_or(*day, |kept| kept.min(*day)))).sum::<f64>() > M0_MB
    });
    let full = full.map_or("more than a hundred years".into(), |days| format!("{days} days"));
    println!(
        "\n{M0_MB} MB are used up after {full} of this traffic, expiry included; content and accounts come on top"
    );
    let stats = database.run_command(doc! {"dbStats": 1}).await.unwrap();
    let mb = |field: &str| number(&stats, field) / 1e6;
    println!("this database by dbStats: {:.1} MB of data, {:.1} MB of indexes", mb("dataSize"), mb("indexSize"));
    database.drop().await.unwrap();
}

/// Bytes of a document with its entries in indexes, and of these alone.
async fn weight(database: &Database, collection: &str) -> (f64, f64) {
    let stats = database.run_command(doc! {"collStats": collection}).await.unwrap();
    let number = |field: &str| number(&stats, field);
    let (count, indexes) = (number("count"), number("totalIndexSize"));
    assert!(count >= MADE as f64, "{collection}: {stats}");
    ((number("size") + indexes) / count, indexes / count)
}

/// The server answers in whatever number type it likes.
fn number(document: &Document, field: &str) -> f64 {
    match document.get(field) {
        Some(Bson::Int32(n)) => f64::from(*n),
        Some(Bson::Int64(n)) => *n as f64,
        Some(Bson::Double(n)) => *n,
        other => panic!("{field}: {other:?}"),
    }
}

/// Days after which the schema lets a collection's documents go; `None` for those that stay.
fn days_kept(collection: &str) -> Option<u32> {
    let declared = COLLECTIONS.iter().find(|declared| declared.name == collection).unwrap();
    let days = declared.indexes.iter().find_map(|index| match index.rule {
        Rule::ExpireAfterDays(days) => Some(u32::try_from(days).unwrap()),
        _ => None,
    })?;
    // Those that expire at a date of their own.
    Some(if days == 0 { u32::try_from(Action::SignIn.retention_days()).unwrap() } else { days })
}

/// Events as the consumer writes them.
async fn write(database: &Database, kind: &str) {
    for first in (0..EVENTS).step_by(BATCH) {
        let records: Vec<Value> = (first..first + BATCH).map(|n| record(kind, n)).collect();
        let written = events::read(&json!({"records": records}).to_string()).unwrap();
        let collection = database.collection::<Document>(written[0].0);
        collection.insert_many(written.into_iter().map(|(_, document)| document)).ordered(false).await.unwrap();
    }
}

/// One event of somebody's, with all that it usually has.
fn record(kind: &str, n: usize) -> Value {
    let (id, now) = (Uuid::now_v7().to_string(), clock::now());
    let of_user = |what: u128| Uuid::from_u128(0x0192_f5a0_0000_7000_8000_0000_0000_0000 + what).to_string();
    let (user, key) = (of_user(n as u128 % 1000), of_user(100_000 + n as u128 % 1000));
    let mut record = match kind {
        "analytics" => json!({
            "promptId": format!("find-a-bug-by-ranked-hypotheses-{}", n % 300), "event": "view",
            "metadata": {"from": "detail"}, "sessionId": of_user(n as u128), "occurredAt": now,
        }),
        "ai_usage" => json!({
            "userId": user, "keyId": key, "provider": "openai", "model": "gpt-4o-mini", "promptTokens": 1200,
            "completionTokens": 350, "costMicros": 6500, "priced": true, "latencyMs": 900,
            "endpoint": "/v1/chat/completions", "success": true, "sessionId": of_user(n as u128),
            "occurredAt": now, "receivedAt": now,
        }),
        "api_key_usage" => json!({
            "userId": user, "keyId": key, "provider": "openai", "status": "success", "occurredAt": now,
        }),
        "audit" => json!({
            "action": "auth.login.success", "category": "auth", "severity": "info", "outcome": "success",
            "actorId": user, "actorRole": "org_member", "resource": format!("user/{user}"), "ip": "198.51.100.7",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "requestId": id,
            "at": now, "expiresAt": now + SignedDuration::from_hours(24 * Action::SignIn.retention_days()),
            "hash": "0".repeat(43), "writtenAt": now,
        }),
        _ => json!({"linkId": of_user(n as u128 % 20), "occurredAt": now}),
    };
    record["kind"] = kind.into();
    // A record of use is kept under its owner's id, too.
    let is_use = matches!(kind, "ai_usage" | "api_key_usage");
    record["id"] = if is_use { format!("{user}/{id}").into() } else { id.into() };
    record
}

/// A prompt of the audit's size, changed again and again.
async fn make_revisions(env: &TestEnv, ada: &Person) {
    let (create, edit) = (env.function("prompt-create").await, env.function("prompt-edit").await);
    let content = audit_sized_prompts()["prompts"][0]["content"].clone();
    let prompt = create.post_as(&ada.token, "/api/prompts", &json!({"title": "A prompt", "content": content})).await;
    let path = format!("/api/prompts/{}", prompt.body["id"].as_str().unwrap());
    for n in 1..=MADE {
        if n.is_multiple_of(AT_ONCE) {
            env.forget_everything().await;
        }
        let change = json!({"description": format!("What it is for, said anew, for the {n}th time.")});
        let changed = edit.patch_as(&ada.token, &path, &format!("\"{n}\""), &change).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    }
}

/// Runs with an output, from their start to their end.
async fn make_runs(env: &TestEnv, ada: &Person) {
    let (start, end) = (env.function("workbench-runs").await, env.function("workbench-run").await);
    let run = json!({
        "toolId": "prompt-tester", "promptHash": "0".repeat(64), "provider": "openai", "model": "gpt-4o-mini",
        "promptTokens": 1000, "maxCompletionTokens": 500,
    });
    let output = "Words as a model answers them. ".repeat(50);
    let result = json!({
        "status": "success", "promptTokens": 1000, "completionTokens": 400, "latencyMs": 1500, "output": output,
    });
    for n in 1..=MADE {
        if n.is_multiple_of(AT_ONCE) {
            env.forget_everything().await;
        }
        let started = start.post_as(&ada.token, "/api/workbench/runs", &run).await;
        let path = format!("/api/workbench/runs/{}/complete", started.body["runId"].as_str().unwrap());
        let ended = end.post_as(&ada.token, &path, &result).await;
        assert_eq!(ended.status, 200, "{}", ended.text);
    }
}
