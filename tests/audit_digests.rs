//! What the audit log holds is what was written: forged entries are refused, and the daily digests name what is missing,
//! changed or added.

use std::process::Command;

use bson::{Document, doc};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{
    audit::{Action, AuditEntry, DigestStore, VerifiedEntries, verify_with_digests},
    clock::{self, Moment},
    keys::Seed,
    mongo::{Lifetime, Mongo},
    queue::Queued,
};
use tests::{
    host::{Function, Outcome, SECRETS, seed},
    test_env::TestEnv,
    usage_records::run,
};

/// The day that the tests are about; its digest is written the day after.
const DAY: &str = "2028-02-29T12:00:00Z";
const DAY_AFTER: &str = "2028-03-01T00:40:00Z";

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn entry(at: Moment) -> AuditEntry {
    let expires_at = at + SignedDuration::from_hours(24 * Action::SignIn.retention_days());
    let id = id_of(at);
    let entry = json!({
        "id": id, "action": "auth.login.success", "category": "auth", "severity": "info", "outcome": "success", "at": at,
        "expiresAt": expires_at, "hash": "",
    });
    serde_json::from_value::<AuditEntry>(entry).unwrap().signed(&seed("AUDIT_SEED"))
}

/// An id as it is made at this instant.
fn id_of(at: Moment) -> String {
    let random = uuid::Uuid::now_v7().into_bytes();
    let millis = u64::try_from(at.as_millisecond()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(millis, random[6..].try_into().unwrap()).into_uuid().to_string()
}

/// An audit log of entries that were stored as they were made, the digests beside it, and the job that writes them.
struct Scene {
    env: TestEnv,
    digests: String,
    job: Function,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at(format!("file://{}/audit", folder.path().display()), folder).await
    }

    async fn at(digests: String, folder: tempfile::TempDir) -> Self {
        let env = TestEnv::new().await;
        let job = env.function_with("audit-digest", &[("AUDIT_DIGESTS_URL", &digests)]).await;
        Self { env, digests, job, _folder: folder }
    }

    fn entries(&self) -> mongodb::Collection<Document> {
        self.env.database.collection("audit_logs")
    }

    /// Keeps an entry, stored at `written`; returns its id.
    async fn keep(&self, entry: AuditEntry, written: Moment) -> String {
        let mut document = shared::mongo::to_document(&entry).unwrap();
        document.insert("writtenAt", written);
        self.entries().insert_one(document).await.unwrap();
        entry.id
    }

    async fn verified(&self, now: &str) -> VerifiedEntries {
        let mongo = Mongo::new(self.env.stack.settings(&self.env.database), Lifetime::FromFirstUse);
        let store = DigestStore::at(&self.digests).unwrap();
        verify_with_digests(&mongo, &store, &seed("AUDIT_SEED"), at(now)).await.unwrap()
    }

    /// What `cargo db verify-audit` prints, and says is wrong; whether it succeeds.
    fn terminal(&self) -> (bool, String, String) {
        let mut variables = self.env.variables();
        variables.push(("AUDIT_DIGESTS_URL", &self.digests));
        let output = Command::new(tests::root().join("target/debug/db"))
            .arg("verify-audit")
            .envs(SECRETS)
            .envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
            .envs(variables)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }
}

#[tokio::test]
async fn an_entry_that_no_function_made_is_refused_alone_and_told() {
    let env = TestEnv::new().await;
    let consumer = env.function("write-events").await;
    let genuine = entry(clock::now());
    let other_seed = entry(clock::now()).signed(&Seed::from("a seed that some attacker made up for themselves"));
    let mut changed = entry(clock::now());
    changed.outcome = "failure".into();
    let mut backdated = entry(clock::now());
    backdated.written_at = Some(at(DAY));
    let click = json!({"kind": "affiliate_click", "id": "1", "linkId": "l", "occurredAt": clock::now()});
    let message =
        |id: &str, records: Vec<Value>| json!({"messageId": id, "body": json!({"records": records}).to_string()});
    let batch = json!({"Records": [
        message("genuine", vec![json!(Queued(genuine.clone()))]),
        message("other seed", vec![json!(Queued(other_seed))]),
        message("changed", vec![json!(Queued(changed))]),
        message("hidden among others", vec![click.clone(), json!(Queued(AuditEntry { hash: String::new(), ..entry(clock::now()) }))]),
        message("click", vec![click]),
        message("backdated", vec![json!(Queued(backdated.clone()))]),
    ]});
    let Outcome::Response(answer) = consumer.invoke(batch).await else { panic!("{:?}", consumer.logs()) };
    let mut refused: Vec<_> = answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["itemIdentifier"].as_str().unwrap())
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, ["changed", "hidden among others", "other seed"]);
    assert_eq!(consumer.incidents("ForgedAuditEntry"), 3, "what the alarm counts");
    let stored = env.audit_log().await;
    let ids: Vec<_> = stored.iter().map(|entry| entry.get_str("_id").unwrap()).collect();
    assert_eq!(ids, [genuine.id.as_str(), backdated.id.as_str()]);
    for entry in &stored {
        let written = Moment::from(*entry.get_datetime("writtenAt").unwrap());
        assert!(written >= genuine.at && written <= clock::now(), "it is the consumer that says when: {written}");
    }
    let clicks = env.database.collection::<Document>("affiliate_clicks").count_documents(doc! {}).await.unwrap();
    assert_eq!(clicks, 1);
}

#[tokio::test]
async fn a_missing_a_changed_and_an_added_entry_are_named() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(scene.keep(entry(at(DAY)), at(DAY)).await);
    }
    ids.sort();
    // Two weeks in a queue: it is of the day that it was stored on.
    let late = scene.keep(entry(at("2028-02-15T12:00:00Z")), at(DAY)).await;
    // Taken over from the application before.
    scene.keep(entry(at("2027-06-01T12:00:00Z")), at(DAY)).await;
    // From before the day of writing was noted.
    let old = entry(at(DAY));
    scene.entries().insert_one(shared::mongo::to_document(&old).unwrap()).await.unwrap();
    let summary = run(&scene.job, DAY_AFTER).await;
    assert_eq!(summary["written"].as_object().map(serde_json::Map::len), Some(7), "{summary}");
    assert_eq!(summary["written"]["2028-02-29"], 8, "{summary}");
    let sound = scene.verified(DAY_AFTER).await;
    assert!(sound.is_sound() && sound.intact == 8, "{sound:?}");

    scene.entries().delete_one(doc! {"_id": &ids[0]}).await.unwrap();
    scene.entries().delete_one(doc! {"_id": &late}).await.unwrap();
    let set = |field: &str, value: bson::Bson| doc! {"$set": {field: value}};
    scene.entries().update_one(doc! {"_id": &ids[1]}, set("outcome", "failure".into())).await.unwrap();
    // With the seed, its code too.
    let mut rewritten = entry(at(DAY));
    rewritten.id.clone_from(&ids[2]);
    rewritten.action = "auth.logout".into();
    let rewritten = rewritten.signed(&seed("AUDIT_SEED"));
    scene.entries().delete_one(doc! {"_id": &ids[2]}).await.unwrap();
    scene.keep(rewritten, at(DAY)).await;
    // Another day of writing.
    scene
        .entries()
        .update_one(doc! {"_id": &ids[3]}, set("writtenAt", at("2028-02-27T12:00:00Z").into()))
        .await
        .unwrap();
    let added = scene.keep(entry(at(DAY)), at(DAY)).await;
    let today = scene.keep(entry(at(DAY_AFTER)), at(DAY_AFTER)).await;

    let found = scene.verified(DAY_AFTER).await;
    let mut missing = vec![ids[0].clone(), late];
    missing.sort();
    let mut told = found.missing.clone();
    told.sort();
    assert_eq!(told, missing);
    let mut changed = found.changed.clone();
    changed.sort();
    assert_eq!(changed, ids[1..=3]);
    assert_eq!((found.added, found.not_listed_yet), (vec![added], 1), "and {today} is of a day without digest yet");

    // The job does not write history anew.
    assert_eq!(run(&scene.job, DAY_AFTER).await, json!({"written": {}}));
    assert_eq!(scene.verified(DAY_AFTER).await.missing.len(), 2);
    let (succeeded, _, said) = scene.terminal();
    assert!(!succeeded && said.contains(&format!("missing: {}", found.missing.join(", "))), "{said}");
    for id in ids[1..=3].iter().chain(&missing) {
        assert!(said.contains(id.as_str()), "{id}: {said}");
    }
}

#[tokio::test]
async fn what_has_gone_in_its_time_is_not_missing_and_a_digest_that_is_gone_is() {
    let scene = Scene::new().await;
    let gone = scene.keep(entry(at(DAY)), at(DAY)).await;
    run(&scene.job, DAY_AFTER).await;
    scene.entries().delete_one(doc! {"_id": gone}).await.unwrap();
    let early = scene.verified(DAY_AFTER).await;
    assert_eq!((early.missing.len(), early.expired), (1, 0), "{early:?}");
    let in_time = scene.verified("2029-02-28T12:00:01Z").await;
    assert_eq!((in_time.missing.len(), in_time.expired), (0, 1), "{in_time:?}");

    let folder = scene.digests.strip_prefix("file://").unwrap();
    std::fs::remove_file(format!("{folder}/2028-02-26.json")).unwrap();
    let changed = format!("{folder}/2028-02-27.json");
    let text = std::fs::read_to_string(&changed).unwrap();
    std::fs::write(&changed, text.replace("\"count\":0", "\"count\":1")).unwrap();
    let found = scene.verified(DAY_AFTER).await;
    assert_eq!(found.days_without_digest, ["2028-02-26"]);
    assert_eq!(found.changed_digests, ["2028-02-27"]);
    assert!(!found.is_sound());
}

#[tokio::test]
async fn digests_are_kept_in_the_bucket_and_checked_from_a_terminal() {
    let stack = tests::stack::stack();
    let (bucket, _) = stack.content_url.rsplit_once('/').unwrap();
    let digests = format!("{bucket}/audit-{}", uuid::Uuid::now_v7().simple());
    let scene = Scene::at(digests, tempfile::tempdir().unwrap()).await;
    // What a route writes itself, yesterday.
    scene.env.newcomer().await;
    let yesterday = clock::now() - SignedDuration::from_hours(24);
    let moved = scene.entries().update_many(doc! {}, doc! {"$set": {"writtenAt": yesterday}}).await.unwrap();
    assert_eq!(moved.matched_count, 1);
    let now = clock::now().to_string();
    assert_eq!(run(&scene.job, &now).await["written"][clock::day(yesterday)], 1);
    assert_eq!(run(&scene.job, &now).await, json!({"written": {}}));
    let (succeeded, said, error) = scene.terminal();
    assert!(succeeded && said.contains("1 entries are as they were written"), "{said} {error}");
    scene.entries().delete_many(doc! {}).await.unwrap();
    let (succeeded, _, error) = scene.terminal();
    assert!(!succeeded && error.contains("missing: "), "{error}");
}
